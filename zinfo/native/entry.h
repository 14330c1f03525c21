/* A few fields of a reply by name, as pairs of a msgpack map. */
#ifndef ZINFO_ENTRY_H
#define ZINFO_ENTRY_H

#include "write.h"

/* Whether these are names, as bytes, with a kind for each. */
int are_names(PyObject *names, PyObject *kinds);

/* Write those of the fields that are there, and add how many to `written`.
 * 1: done; 0: Python has to read a value, or a field stands there more than once; -1: an error. */
int write_fields(Buffer *buffer, Span text, PyObject *names, Span kinds, size_t *written);

#endif
