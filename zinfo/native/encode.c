/* encode_fields and encode_changes: fields of an INFO reply as msgpack, straight from its bytes.
 *
 * The result is the same as parsing and packing them in Python. A value that is not one of the
 * plain cases is returned as bytes, and Python encodes it.
 */
#include "write.h"

#include <string.h>

/* Move the contents of the buffer to the end of a list; 0 if memory is exhausted. */
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

/* Append a value that Python has to encode; 0 if memory is exhausted. */
static int
append_raw_value(PyObject *parts, Py_ssize_t number, Span value)
{
    /* No format with "#": its meaning differs between the Python versions that one build of the
     * stable ABI is for, whatever PY_SSIZE_T_CLEAN says. */
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

/* 1: done; 0: the line is another field's; -1: an error. */
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
        done = flush(buffer, parts) && append_raw_value(parts, number, line) ? 1 : -1;
    }
    return done;
}

static int
is_same(Span one, Span other)
{
    Py_ssize_t size = one.end - one.start;
    return size == other.end - other.start && memcmp(one.start, other.start, (size_t)size) == 0;
}

/* Write all fields, or with an old reply those whose line differs.
 * 1: done; 0: lines were added, removed or moved; -1: an error. */
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
        PyErr_SetString(PyExc_ValueError, "names and kinds differ in length");
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
