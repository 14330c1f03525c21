/* encode_entry: a few fields of a reply, and more values of its shard, as one msgpack map. */
#include "entry.h"

#define DEPTH 1 /* levels of dicts inside the dict of more values */

int
write_fields(Buffer *buffer, Span text, PyObject *names, Span kinds, size_t *written)
{
    Py_ssize_t index;
    int done = 1;

    for (index = 0; done == 1 && index < kinds.end - kinds.start; index++) {
        Span name = bytes_of(PyTuple_GetItem(names, index)), value;
        int times = find_value(text, name, &value);
        if (times > 1) {
            return 0;
        }
        if (times == 1) {
            done = write_text(buffer, name) ? write_value(buffer, value, kinds.start[index]) : -1;
            ++*written;
        }
    }
    return done;
}

int
are_names(PyObject *names, PyObject *kinds)
{
    Py_ssize_t index;

    if (!PyTuple_Check(names) || !PyBytes_Check(kinds) ||
        PyTuple_Size(names) != PyBytes_Size(kinds)) {
        return 0;
    }
    for (index = 0; index < PyTuple_Size(names); index++) {
        if (!PyBytes_Check(PyTuple_GetItem(names, index))) {
            return 0;
        }
    }
    return 1;
}

/* Return values as of write_fields. */
static int
write_entry(Buffer *buffer, Span text, PyObject *names, Span kinds, PyObject *more)
{
    size_t pairs = (size_t)PyDict_Size(more);
    int done = -1;

    if (pairs + (size_t)(kinds.end - kinds.start) > MAX_SHORT_MAP) {
        return 0;
    }
    if (write_short_map(buffer, pairs)) { /* the number of pairs is set below */
        done = write_fields(buffer, text, names, kinds, &pairs);
    }
    if (done == 1) {
        done = write_dict(buffer, more, DEPTH);
    }
    if (done == 1) {
        buffer->start[0] = (char)(0x80 | pairs);
    }
    return done;
}

PyObject *
encode_entry(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Buffer buffer = {NULL, 0, 0};
    PyObject *entry = NULL;
    int done;

    if (count != 4 || !PyBytes_Check(args[0]) || !are_names(args[1], args[2]) ||
        !PyDict_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError,
                        "encode_entry takes bytes, names as bytes, a kind for each, and a dict");
        return NULL;
    }
    done = write_entry(&buffer, bytes_of(args[0]), args[1], bytes_of(args[2]), args[3]);
    if (done == 1) {
        entry = PyBytes_FromStringAndSize(buffer.start, (Py_ssize_t)buffer.used);
    }
    PyMem_Free(buffer.start);
    return done == 0 ? Py_NewRef(Py_None) : entry;
}
