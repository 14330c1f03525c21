/* Encodes a few fields of a reply, found by name, as pairs of a msgpack map. */
#ifndef ZINFO_ENTRY_H
#define ZINFO_ENTRY_H

#include "write.h"

/* Return whether `names` is a tuple of bytes and `kinds` has a byte for each. */
int are_names(PyObject *names, PyObject *kinds);

/* Write the fields that the reply has, and add their number to `written`.
 * 1: done; 0: Python has to parse a value, or a field is repeated; -1: an error. */
int write_fields(Buffer *buffer, Span text, PyObject *names, Span kinds, size_t *written);

#endif
