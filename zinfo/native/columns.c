/* fill_columns: ages, states and some fields of many shards, one array for each. */
#include "columns.h"

#include <string.h>

static const char *const attributes[ATTRIBUTES] = {"_snapshot", "_state", "at", "raw"};

#define BLOCK 16 /* shards that are read before the arrays are written */

/* The work of one call takes about a millisecond. It is measured in bytes of replies searched; a
 * shard and each of its fields cost as much as some bytes. */
#define MAX_WORK (2 << 20)
#define WORK_OF_SHARD 300
#define WORK_OF_FIELD 100

/* Arrays that are filled, owned by the caller. */
typedef struct {
    PyObject *ages;
    PyObject *codes;
    PyObject *values; /* tuple of one for each field */
    PyObject *marks;
} Arrays;

/* Return the place of some items in a bytearray; NULL if it has no such items, with the exception
 * set. The place is valid until other code runs, which could change the array. */
static char *
items_of(PyObject *array, Py_ssize_t first, Py_ssize_t count, Py_ssize_t size)
{
    if (!PyByteArray_Check(array) || PyByteArray_Size(array) / size < count ||
        PyByteArray_Size(array) / size - count < first) {
        PyErr_SetString(PyExc_ValueError, "an array is not a bytearray with an item a shard");
        return NULL;
    }
    return PyByteArray_AsString(array) + first * size;
}

static int
write_ages_and_codes(const Arrays *arrays, Py_ssize_t first, const Row *rows, Py_ssize_t count)
{
    char *ages = items_of(arrays->ages, first, count, CELL_BYTES);
    char *codes = items_of(arrays->codes, first, count, 1);
    Py_ssize_t index;

    if (ages == NULL || codes == NULL) {
        return 0;
    }
    for (index = 0; index < count; index++) {
        uint64_t bits;
        memcpy(&bits, &rows[index].age, sizeof bits);
        write_bits(ages + CELL_BYTES * index, bits);
        codes[index] = (char)rows[index].code;
    }
    return 1;
}

/* Write the items of some shards; returns 0 with the exception set. */
static int
write_rows(const Arrays *arrays, Py_ssize_t first, const Row *rows, Py_ssize_t count,
           Py_ssize_t fields)
{
    Py_ssize_t field, index;

    if (!write_ages_and_codes(arrays, first, rows, count)) {
        return 0;
    }
    for (field = 0; field < fields; field++) {
        PyObject *array = PyTuple_GetItem(arrays->values, field);
        char *values = items_of(array, first, count, CELL_BYTES), *marks;

        array = PyTuple_GetItem(arrays->marks, field);
        marks = values == NULL ? NULL : items_of(array, first, count, 1);
        if (marks == NULL) {
            return 0;
        }
        for (index = 0; index < count; index++) {
            memcpy(values + CELL_BYTES * index, rows[index].cells.values[field], CELL_BYTES);
            marks[index] = (char)rows[index].cells.marks[field];
        }
    }
    return 1;
}

/* Fill the items of the next shards, and append their snapshots; returns the work done, or -1. */
static Py_ssize_t
fill_block(const Columns *columns, const Arrays *arrays, PyObject *shards, Py_ssize_t first,
           PyObject *snapshots)
{
    Row rows[BLOCK];
    Py_ssize_t done = PyList_Size(snapshots), left = PyList_Size(shards) - done;
    Py_ssize_t index, work = 0;

    left = left < BLOCK ? left : BLOCK;
    for (index = 0; index < left && work < MAX_WORK; index++) {
        PyObject *shard = PyList_GetItem(shards, done + index);
        Py_ssize_t size;

        if (shard == NULL) { /* the list was cut meanwhile */
            return -1;
        }
        Py_INCREF(shard);
        size = read_row(columns, shard, snapshots, &rows[index]);
        Py_DECREF(shard);
        if (size < 0) {
            return -1;
        }
        work += size + WORK_OF_SHARD + WORK_OF_FIELD * columns->fields.count;
    }
    return write_rows(arrays, first + done, rows, index, columns->fields.count) ? work : -1;
}

static PyObject *
fill(const Columns *columns, const Arrays *arrays, PyObject *shards, Py_ssize_t first)
{
    PyObject *snapshots = PyList_New(0);
    Py_ssize_t work = 0;

    while (snapshots != NULL && PyList_Size(snapshots) < PyList_Size(shards) && work < MAX_WORK) {
        Py_ssize_t more = fill_block(columns, arrays, shards, first, snapshots);
        work += more;
        if (more < 0) {
            Py_CLEAR(snapshots);
        }
    }
    return snapshots;
}

PyObject *
fill_columns(PyObject *Py_UNUSED(module), PyObject *args)
{
    Columns columns;
    Arrays arrays;
    PyObject *shards, *names, *kinds, *snapshots = NULL;
    Py_ssize_t first;
    int index, made = 1;

    if (!PyArg_ParseTuple(args, "O!(OO)(OOO!O!)O!dn:fill_columns", &PyList_Type, &shards, &names,
                          &kinds, &arrays.ages, &arrays.codes, &PyTuple_Type, &arrays.values,
                          &PyTuple_Type, &arrays.marks, &PyTuple_Type, &columns.states,
                          &columns.now, &first)) {
        return NULL;
    }
    if (!make_field_set(&columns.fields, names, kinds)) {
        return NULL;
    }
    if (PyTuple_Size(arrays.values) != columns.fields.count ||
        PyTuple_Size(arrays.marks) != columns.fields.count || first < 0) {
        PyErr_SetString(PyExc_ValueError, "fill_columns takes two arrays for each name");
        return NULL;
    }
    memset(columns.attributes, 0, sizeof columns.attributes);
    for (index = 0; made && index < ATTRIBUTES; index++) {
        columns.attributes[index] = PyUnicode_InternFromString(attributes[index]);
        made = columns.attributes[index] != NULL;
    }
    if (made) {
        snapshots = fill(&columns, &arrays, shards, first);
    }
    for (index = 0; index < ATTRIBUTES; index++) {
        Py_XDECREF(columns.attributes[index]);
    }
    return snapshots;
}
