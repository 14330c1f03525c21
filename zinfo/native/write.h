/* Writes msgpack into a growing buffer. The caller frees the buffer's start. */
#ifndef ZINFO_WRITE_H
#define ZINFO_WRITE_H

#include "text.h"

#define MAX_SHORT_MAP 15 /* most pairs of a map with a header of one byte */

typedef struct {
    char *start; /* NULL before the first byte */
    size_t used;
    size_t size;
} Buffer;

/* The first four functions return 0 if memory is exhausted, with the exception set. */

int reserve(Buffer *buffer, size_t more);

int write_text(Buffer *buffer, Span text);

int write_short_map(Buffer *buffer, size_t pairs);

int write_fraction(Buffer *buffer, double number);

/* The others return 1: done; 0: not one of the plain cases, and the caller has to reset `used` to
 * its former value; -1: an error. */

/* Write the value of a field of this kind. */
int write_value(Buffer *buffer, Span value, int kind);

/* Write a str, int or float. */
int write_plain(Buffer *buffer, PyObject *object);

/* Write the pairs of a dict without a map header: text, numbers, and `depth` levels of dicts. */
int write_dict(Buffer *buffer, PyObject *dict, int depth);

#endif
