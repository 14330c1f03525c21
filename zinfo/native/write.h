/* msgpack, written into a buffer that grows. Whoever has the buffer frees its start. */
#ifndef ZINFO_WRITE_H
#define ZINFO_WRITE_H

#include "text.h"

#define MAX_SHORT_MAP 15 /* pairs of a map whose header is one byte */

typedef struct {
    char *start; /* NULL before the first byte */
    size_t used;
    size_t size;
} Buffer;

/* The first four return 0 where there is no memory, with the exception set. */

int reserve(Buffer *buffer, size_t more);

int write_text(Buffer *buffer, Span text);

int write_short_map(Buffer *buffer, size_t pairs);

int write_fraction(Buffer *buffer, double number);

/* The others return 1: done; 0: not one of the plain cases, and what was written of it is to be taken
 * back; -1: an error. */

/* Write what the reader of this kind would make of a text. */
int write_value(Buffer *buffer, Span value, int kind);

/* Write text or a number of Python's. */
int write_plain(Buffer *buffer, PyObject *object);

/* Write the pairs of a dict, without the map's header: text, numbers, dicts in dicts so deep. */
int write_dict(Buffer *buffer, PyObject *dict, int depth);

#endif
