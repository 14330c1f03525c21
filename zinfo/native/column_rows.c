/* read_row: age, state and some fields of one shard. */
#include "columns.h"

#include <string.h>

/* Return the number of a state; 0 if it is none of them. */
static unsigned char
code_of(PyObject *states, PyObject *state)
{
    Py_ssize_t index;

    for (index = 0; index < PyTuple_Size(states); index++) {
        if (PyTuple_GetItem(states, index) == state) {
            return (unsigned char)index;
        }
    }
    return 0;
}

/* Return the number of bytes searched; -1 with the exception set. */
static Py_ssize_t
read_snapshot(const Columns *columns, PyObject *snapshot, Cells *cells)
{
    PyObject *raw = PyObject_GetAttr(snapshot, columns->attributes[RAW]);
    Py_ssize_t size = -1;

    if (raw == NULL) {
        return -1;
    }
    if (!PyBytes_Check(raw)) {
        PyErr_SetString(PyExc_TypeError, "a reply is bytes");
    }
    else if (PyBytes_Size(raw) == 0) { /* a client library parsed the fields */
        size = 0;
        memset(cells->marks, OTHER, (size_t)columns->fields.count);
        memset(cells->values, 0, (size_t)columns->fields.count * CELL_BYTES);
    }
    else if (read_text_cells(&columns->fields, bytes_of(raw), cells)) {
        size = PyBytes_Size(raw);
    }
    Py_DECREF(raw);
    return size;
}

static int
read_age(const Columns *columns, PyObject *snapshot, double *age)
{
    PyObject *at = PyObject_GetAttr(snapshot, columns->attributes[AT]);
    double seconds;

    if (at == NULL) {
        return 0;
    }
    seconds = PyFloat_AsDouble(at);
    Py_DECREF(at);
    if (seconds == -1.0 && PyErr_Occurred()) {
        return 0;
    }
    *age = columns->now - seconds > 0 ? columns->now - seconds : 0.0;
    return 1;
}

/* Return the snapshot of a shard, as a new reference, and its state; NULL with the exception set. */
static PyObject *
snapshot_of(const Columns *columns, PyObject *shard, unsigned char *code)
{
    PyObject *state = PyObject_GetAttr(shard, columns->attributes[STATE]);

    if (state == NULL) {
        return NULL;
    }
    *code = code_of(columns->states, state);
    Py_DECREF(state);
    return PyObject_GetAttr(shard, columns->attributes[SNAPSHOT]);
}

Py_ssize_t
read_row(const Columns *columns, PyObject *shard, PyObject *snapshots, Row *row)
{
    PyObject *snapshot;
    Py_ssize_t searched = 0;

    row->code = (unsigned char)(PyTuple_Size(columns->states) - 1);
    row->age = Py_HUGE_VAL;
    snapshot = shard == Py_None ? Py_NewRef(Py_None) : snapshot_of(columns, shard, &row->code);
    if (snapshot == NULL) {
        return -1;
    }
    if (snapshot == Py_None) {
        memset(row->cells.marks, ABSENT, (size_t)columns->fields.count);
        memset(row->cells.values, 0, (size_t)columns->fields.count * CELL_BYTES);
    }
    else {
        searched = read_age(columns, snapshot, &row->age)
                       ? read_snapshot(columns, snapshot, &row->cells)
                       : -1;
    }
    if (searched >= 0 && PyList_Append(snapshots, snapshot) < 0) {
        searched = -1;
    }
    Py_DECREF(snapshot);
    return searched;
}
