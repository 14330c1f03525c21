/* The fields of an INFO reply as msgpack (https://msgpack.org spec), straight from its bytes: the
 * twin of reading them and packing what was read.
 *
 * It does the plain cases only. A value that is no number or plain text, or not one that Python's
 * reader would take for the same, is handed back as bytes, for Python to read and write.
 */
#include "text.h"

#include <stdint.h>
#include <string.h>

#define MAX_PAIRS 16 /* of a map that is looked through for a name that stands twice */

typedef struct {
    char *start;
    size_t used;
    size_t size;
} Buffer;

/* Make room; 0 where there is no memory, with the exception set. */
static int
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

/* Write a tag and the lowest bytes of a number, the highest of them first. */
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

static int
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

/* 1: done; 0: it is no number; -1: an error. */
static int
write_number(Buffer *buffer, Number number)
{
    uint64_t bits;

    switch (number.kind) {
    case INTEGER:
        return write_integer(buffer, number.whole) ? 1 : -1;
    case FRACTION:
        memcpy(&bits, &number.fraction, sizeof bits);
        return write_tagged(buffer, 0xcb, bits, 8) ? 1 : -1;
    case ERROR:
        return -1;
    default:
        return 0;
    }
}

static int
stands_among(Span name, const Span *names, int count)
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

/* 1: done; 0: they are not all of a name and a number, or a name stands twice; -1: an error. */
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
            stands_among(pair.name, names, count)) {
            return 0;
        }
        names[count++] = pair.name;
        done = write_text(buffer, pair.name) ? write_number(buffer, pair.number) : -1;
        if (done != 1) {
            return done;
        }
    }
    buffer->start[head] = (char)(0x80 | count); /* MAX_PAIRS - 1 is what fits there */
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

/* 1: done; 0: it is Python's; -1: an error. */
static int
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

/* Move what is in the buffer to the end of a list; 0 where there is no memory. */
static int
flush(Buffer *buffer, PyObject *parts)
{
    PyObject *part;
    int done;

    if (buffer->used == 0) {
        return 1;
    }
    part = PyBytes_FromStringAndSize(buffer->start, (Py_ssize_t)buffer->used);
    if (part == NULL) {
        return 0;
    }
    buffer->used = 0;
    done = PyList_Append(parts, part);
    Py_DECREF(part);
    return done == 0;
}

/* Hand a value to Python; 0 where there is no memory. */
static int
hand_back(PyObject *parts, Py_ssize_t number, Span value)
{
    /* Not "y#": what that means differs between the Pythons that one build of the stable ABI serves. */
    PyObject *text = PyBytes_FromStringAndSize(value.start, value.end - value.start);
    PyObject *part = text == NULL ? NULL : Py_BuildValue("(nN)", number, text);
    int done;

    if (part == NULL) {
        return 0;
    }
    done = PyList_Append(parts, part);
    Py_DECREF(part);
    return done == 0;
}

/* 1: done; 0: it is not that field's line; -1: an error. */
static int
write_line(Buffer *buffer, Span line, int kind, PyObject *name_object, Py_ssize_t number,
           PyObject *parts)
{
    Span name = {line.start, line.start};
    size_t before = buffer->used;
    int done = take_name(&line, name_object, kind);

    if (done != 1) {
        return done;
    }
    name.end = line.start - 1; /* the colon */
    done = write_text(buffer, name) ? write_value(buffer, line, kind) : -1;
    if (done == 0) {
        buffer->used = before;
        done = flush(buffer, parts) && hand_back(parts, number, line) ? 1 : -1;
    }
    return done;
}

static int
is_same(Span one, Span other)
{
    Py_ssize_t size = one.end - one.start;
    return size == other.end - other.start && memcmp(one.start, other.start, (size_t)size) == 0;
}

/* Write all fields, or where there is an old reply those whose line is another now.
 * 1: done; 0: lines came, went or moved; -1: an error. */
static int
write_lines(Buffer *buffer, Span *old, Span raw, PyObject *names, Span kinds, PyObject *parts,
            Py_ssize_t *written)
{
    Py_ssize_t number, count = kinds.end - kinds.start;
    int has_end = 1, old_has_end = 1;

    for (number = 0; number < count; number++) {
        int kind = kinds.start[number];
        Span line;
        int done;

        if (!has_end || !old_has_end) {
            return 0;
        }
        line = next_line(&raw, &has_end);
        if (old != NULL && is_same(next_line(old, &old_has_end), line)) {
            continue;
        }
        if (kind == NO_FIELD) {
            if (old != NULL || is_field(line)) {
                return 0;
            }
            continue;
        }
        done = write_line(buffer, line, kind, PyTuple_GetItem(names, number), number, parts);
        if (done != 1) {
            return done;
        }
        ++*written;
    }
    if (has_end || (old != NULL && old_has_end)) {
        return 0;
    }
    return flush(buffer, parts) ? 1 : -1;
}

static PyObject *
encode(PyObject *old, PyObject *raw, PyObject *names, PyObject *kinds)
{
    PyObject *parts = PyList_New(0);
    Buffer buffer = {NULL, 0, 0};
    Py_ssize_t written = 0;
    int done = -1;

    if (parts == NULL) {
        return NULL;
    }
    if (PyTuple_Size(names) != PyBytes_Size(kinds)) {
        PyErr_SetString(PyExc_ValueError, "names and kinds are not of the same lines");
    }
    else if (reserve(&buffer, (size_t)PyBytes_Size(raw) / 2)) {
        Span before = {NULL, NULL};
        if (old != NULL) {
            before = bytes_of(old);
        }
        done = write_lines(&buffer, old == NULL ? NULL : &before, bytes_of(raw), names,
                           bytes_of(kinds), parts, &written);
    }
    PyMem_Free(buffer.start);
    if (done == 1) {
        return Py_BuildValue("(nN)", written, parts);
    }
    Py_DECREF(parts);
    return done == 0 ? Py_NewRef(Py_None) : NULL;
}

PyObject *
encode_fields(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *raw, *names, *kinds;

    if (!PyArg_ParseTuple(args, "SO!S:encode_fields", &raw, &PyTuple_Type, &names, &kinds)) {
        return NULL;
    }
    return encode(NULL, raw, names, kinds);
}

PyObject *
encode_changes(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *old, *raw, *names, *kinds;

    if (!PyArg_ParseTuple(args, "SSO!S:encode_changes", &old, &raw, &PyTuple_Type, &names,
                          &kinds)) {
        return NULL;
    }
    return encode(old, raw, names, kinds);
}
