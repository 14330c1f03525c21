/* encode_fields: all fields of an INFO reply as msgpack, straight from its bytes.
 *
 * The result is the same as parsing and packing them in Python.
 */
#include "encode.h"

#include <string.h>

/* Write what a Python function returns for a value; returns 1, or -1 for an error. */
static int
write_by_python(Buffer *buffer, PyObject *encode, PyObject *name, Span value)
{
    /* No format with "#": its meaning differs between the Python versions that one build of the
     * stable ABI is for, whatever PY_SSIZE_T_CLEAN says. */
    PyObject *text = PyBytes_FromStringAndSize(value.start, value.end - value.start);
    PyObject *packed = text == NULL ? NULL : PyObject_CallFunctionObjArgs(encode, name, text, NULL);
    int done = -1;

    Py_XDECREF(text);
    if (packed != NULL && !PyBytes_Check(packed)) {
        PyErr_SetString(PyExc_TypeError, "encode returns bytes");
    }
    else if (packed != NULL) {
        Span all = bytes_of(packed);
        size_t size = (size_t)(all.end - all.start);
        if (reserve(buffer, size)) {
            memcpy(buffer->start + buffer->used, all.start, size);
            buffer->used += size;
            done = 1;
        }
    }
    Py_XDECREF(packed);
    return done;
}

int
write_field(Buffer *buffer, Span line, PyObject *name, int kind, PyObject *encode)
{
    Span stem = {line.start, line.start};
    size_t before = buffer->used;
    int done = take_name(&line, name, kind);

    if (done != 1) {
        return done;
    }
    stem.end = line.start - 1; /* the colon */
    done = write_text(buffer, stem) ? write_value(buffer, line, kind) : -1;
    if (done == 0) {
        buffer->used = before;
        done = write_by_python(buffer, encode, name, line);
    }
    return done;
}

/* Write all lines of the modules as one field, by Python: their texts are joined by LF.
 * Return values as of write_by_python. */
static int
write_modules(Buffer *buffer, Span raw, PyObject *encode)
{
    Span start = {MODULE, MODULE + sizeof MODULE - 2}; /* without the colon */
    PyObject *name = PyUnicode_FromStringAndSize(start.start, start.end - start.start);
    Buffer texts = {NULL, 0, 0};
    int has_end = 1, done = name == NULL ? -1 : 1;

    while (done == 1 && has_end) {
        Span line = next_line(&raw, &has_end);
        size_t size;
        if (!is_module(line)) {
            continue;
        }
        line.start += sizeof MODULE - 1;
        line = without_cr(line);
        size = (size_t)(line.end - line.start);
        if (!reserve(&texts, size + 1)) {
            done = -1;
            break;
        }
        if (texts.used > 0) {
            texts.start[texts.used++] = '\n';
        }
        memcpy(texts.start + texts.used, line.start, size);
        texts.used += size;
    }
    if (done == 1) {
        Span all = {texts.start, texts.start + texts.used};
        done = write_by_python(buffer, encode, name, all);
    }
    PyMem_Free(texts.start);
    Py_XDECREF(name);
    return done;
}

/* 1: done; 0: lines were added, removed or moved; -1: an error. */
static int
write_lines(Buffer *buffer, Span raw, PyObject *names, Span kinds, PyObject *encode,
            Py_ssize_t *written)
{
    Py_ssize_t number, count = kinds.end - kinds.start;
    int has_end = 1, has_modules = 0, done = 1;
    Span rest = raw;

    for (number = 0; done == 1 && number < count; number++) {
        int kind = kinds.start[number];
        Span line;

        if (!has_end) {
            return 0;
        }
        line = next_line(&rest, &has_end);
        if (kind == NO_FIELD) {
            if (!is_module(line)) {
                done = !is_field(line);
            }
            else if (!has_modules) {
                done = write_modules(buffer, raw, encode);
                has_modules = 1;
                ++*written;
            }
            continue;
        }
        done = write_field(buffer, line, PyTuple_GetItem(names, number), kind, encode);
        ++*written;
    }
    return done == 1 ? !has_end : done;
}

PyObject *
encode_fields(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *raw, *names, *kinds, *encode, *fields = NULL;
    Buffer buffer = {NULL, 0, 0};
    Py_ssize_t written = 0;
    int done = -1;

    if (!PyArg_ParseTuple(args, "SO!SO:encode_fields", &raw, &PyTuple_Type, &names, &kinds,
                          &encode)) {
        return NULL;
    }
    if (PyTuple_Size(names) != PyBytes_Size(kinds)) {
        PyErr_SetString(PyExc_ValueError, "names and kinds differ in length");
    }
    else if (reserve(&buffer, (size_t)PyBytes_Size(raw) / 2 + 1)) {
        done = write_lines(&buffer, bytes_of(raw), names, bytes_of(kinds), encode, &written);
    }
    if (done == 1) {
        PyObject *pairs = PyBytes_FromStringAndSize(buffer.start, (Py_ssize_t)buffer.used);
        fields = pairs == NULL ? NULL : Py_BuildValue("(nN)", written, pairs);
    }
    PyMem_Free(buffer.start);
    return done == 0 ? Py_NewRef(Py_None) : fields;
}
