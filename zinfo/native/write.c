/* Writes msgpack (https://msgpack.org spec) into a growing buffer. */
#include "write.h"

#include <stdint.h>
#include <string.h>

#define MAX_PAIRS 16 /* pairs of a map that is checked for repeated names */

int
reserve(Buffer *buffer, size_t more)
{
    if (buffer->size - buffer->used < more) {
        size_t size = 2 * (buffer->size + more);
        char *start = PyMem_Realloc(buffer->start, size);
        if (start == NULL) {
            PyErr_NoMemory();
            return 0;
        }
        buffer->start = start;
        buffer->size = size;
    }
    return 1;
}

/* Write a tag and the lowest bytes of a number, in big-endian order. */
static int
write_tagged(Buffer *buffer, unsigned char tag, uint64_t number, int bytes)
{
    if (!reserve(buffer, 9)) {
        return 0;
    }
    buffer->start[buffer->used++] = (char)tag;
    while (bytes-- > 0) {
        buffer->start[buffer->used++] = (char)(number >> (8 * bytes));
    }
    return 1;
}

int
write_text(Buffer *buffer, Span text)
{
    size_t size = (size_t)(text.end - text.start);
    int done;

    if (size < 32) {
        done = write_tagged(buffer, (unsigned char)(0xa0 | size), 0, 0);
    }
    else if (size < 0x100) {
        done = write_tagged(buffer, 0xd9, size, 1);
    }
    else if (size < 0x10000) {
        done = write_tagged(buffer, 0xda, size, 2);
    }
    else {
        done = write_tagged(buffer, 0xdb, size, 4);
    }
    if (!done || !reserve(buffer, size)) {
        return 0;
    }
    memcpy(buffer->start + buffer->used, text.start, size);
    buffer->used += size;
    return 1;
}

static int
write_integer(Buffer *buffer, long long number)
{
    uint64_t bits = (uint64_t)number;

    if (number >= 0) {
        return number < 0x80          ? write_tagged(buffer, (unsigned char)number, 0, 0)
               : number < 0x100       ? write_tagged(buffer, 0xcc, bits, 1)
               : number < 0x10000     ? write_tagged(buffer, 0xcd, bits, 2)
               : number < 0x100000000 ? write_tagged(buffer, 0xce, bits, 4)
                                      : write_tagged(buffer, 0xcf, bits, 8);
    }
    return number >= -0x20          ? write_tagged(buffer, (unsigned char)(bits & 0xff), 0, 0)
           : number >= -0x80        ? write_tagged(buffer, 0xd0, bits, 1)
           : number >= -0x8000      ? write_tagged(buffer, 0xd1, bits, 2)
           : number >= -0x80000000LL ? write_tagged(buffer, 0xd2, bits, 4)
                                    : write_tagged(buffer, 0xd3, bits, 8);
}

int
write_short_map(Buffer *buffer, size_t pairs)
{
    return write_tagged(buffer, (unsigned char)(0x80 | pairs), 0, 0);
}

int
write_fraction(Buffer *buffer, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    return write_tagged(buffer, 0xcb, bits, 8);
}

/* 1: done; 0: not a number; -1: an error. */
static int
write_number(Buffer *buffer, Number number)
{
    switch (number.kind) {
    case INTEGER:
        return write_integer(buffer, number.whole) ? 1 : -1;
    case FRACTION:
        return write_fraction(buffer, number.fraction) ? 1 : -1;
    case ERROR:
        return -1;
    default:
        return 0;
    }
}

static int
contains(Span name, const Span *names, int count)
{
    size_t size = (size_t)(name.end - name.start);

    while (count-- > 0) {
        if ((size_t)(names[count].end - names[count].start) == size &&
            memcmp(names[count].start, name.start, size) == 0) {
            return 1;
        }
    }
    return 0;
}

/* 1: done; 0: not all are pairs of a name and a number, or a name is repeated; -1: an error. */
static int
write_pairs(Buffer *buffer, Span text)
{
    Span names[MAX_PAIRS];
    int count = 0, is_last = 0;
    size_t head;

    if (!reserve(buffer, 1)) {
        return -1;
    }
    head = buffer->used++;
    while (!is_last) {
        Pair pair = next_pair(&text);
        int done;
        is_last = pair.is_last;
        if (pair.number.kind == NONE || count == MAX_PAIRS - 1 ||
            contains(pair.name, names, count)) {
            return 0;
        }
        names[count++] = pair.name;
        done = write_text(buffer, pair.name) ? write_number(buffer, pair.number) : -1;
        if (done != 1) {
            return done;
        }
    }
    buffer->start[head] = (char)(0x80 | count); /* at most MAX_PAIRS - 1 */
    return 1;
}

static int
is_ascii(Span text)
{
    const char *at;

    for (at = text.start; at < text.end; at++) {
        if ((unsigned char)*at > 0x7f) {
            return 0;
        }
    }
    return 1;
}

int
write_value(Buffer *buffer, Span value, int kind)
{
    int done;

    switch (kind) {
    case TEXT:
        return !is_ascii(value) ? 0 : write_text(buffer, value) ? 1 : -1;
    case VALUE:
        done = write_number(buffer, read_number(value));
        return done == 0 && is_text(value) ? write_text(buffer, value) ? 1 : -1 : done;
    default:
        return write_pairs(buffer, value);
    }
}

/* 1: done; 0: text with lone surrogates; -1: an error. */
static int
write_str(Buffer *buffer, PyObject *object)
{
    Py_ssize_t size;
    const char *start = PyUnicode_AsUTF8AndSize(object, &size);
    Span text = {start, start + size};

    if (start != NULL) {
        return write_text(buffer, text) ? 1 : -1;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

static int
write_long(Buffer *buffer, PyObject *object)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(object, &overflow);

    if (overflow) {
        return 0;
    }
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    return write_integer(buffer, number) ? 1 : -1;
}

/* 1: done; 0: not one of the plain cases; -1: an error. */
static int
write_object(Buffer *buffer, PyObject *object, int depth)
{
    if (PyUnicode_Check(object)) {
        return write_str(buffer, object);
    }
    if (PyFloat_Check(object)) {
        return write_fraction(buffer, PyFloat_AsDouble(object)) ? 1 : -1;
    }
    if (PyLong_CheckExact(object)) { /* excludes bool */
        return write_long(buffer, object);
    }
    if (depth == 0 || !PyDict_Check(object) || PyDict_Size(object) > MAX_SHORT_MAP) {
        return 0;
    }
    return write_short_map(buffer, (size_t)PyDict_Size(object))
               ? write_dict(buffer, object, depth - 1)
               : -1;
}

int
write_plain(Buffer *buffer, PyObject *object)
{
    return write_object(buffer, object, 0);
}

int
write_dict(Buffer *buffer, PyObject *dict, int depth)
{
    Py_ssize_t position = 0;
    PyObject *name, *value;
    int done = 1;

    while (done == 1 && PyDict_Next(dict, &position, &name, &value)) {
        done = write_object(buffer, name, 0);
        if (done == 1) {
            done = write_object(buffer, value, depth);
        }
    }
    return done;
}
