/* Writes fields of an INFO reply as msgpack. */
#ifndef ZINFO_ENCODE_H
#define ZINFO_ENCODE_H

#include "write.h"

/* Write the name and the value of the field in a line.
 *
 * `encode` is called with the name and the text of a value that is not one of the plain cases, and
 * returns both as msgpack.
 *
 * 1: done; 0: the line is another field's; -1: an error. */
int write_field(Buffer *buffer, Span line, PyObject *name, int kind, PyObject *encode);

#endif
