/* write_row and gather_rows: the followed fields of all shards, one row for each shard.
 *
 * A row has a byte that is 1 if the row is filled; a mark for each field; the time at which the
 * reply arrived, a float64; and 8 bytes for each field. A poll writes a row, which is in one or two
 * cache lines. A query copies some fields of many rows to columns. */
#include "cells.h"

#include <string.h>

/* Rows of one table, owned by the caller. */
typedef struct {
    char *start;
    Py_ssize_t count;
    Py_ssize_t fields;
    Py_ssize_t size; /* bytes of a row */
} Rows;

/* Set the rows in a bytearray; 0 with the exception set if that has another length. They are valid
 * until other code runs. */
static int
set_rows(Rows *rows, PyObject *array, Py_ssize_t fields)
{
    rows->fields = fields;
    rows->size = 1 + CELL_BYTES + fields * (1 + CELL_BYTES);
    if (!PyByteArray_Check(array) || PyByteArray_Size(array) % rows->size != 0) {
        PyErr_SetString(PyExc_ValueError, "rows are a bytearray of whole rows");
        return 0;
    }
    rows->start = PyByteArray_AsString(array);
    rows->count = PyByteArray_Size(array) / rows->size;
    return 1;
}

PyObject *
write_row(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    FieldSet set;
    Cells cells;
    Rows rows;
    Py_ssize_t position;
    uint64_t bits;
    double at;
    char *row;

    if (count != 6 || !PyBytes_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError,
                        "write_row takes rows, a position, bytes, names, kinds and a time");
        return NULL;
    }
    position = PyLong_AsSsize_t(args[1]);
    at = PyFloat_AsDouble(args[5]);
    if (PyErr_Occurred() || !make_field_set(&set, args[3], args[4]) ||
        !read_text_cells(&set, bytes_of(args[2]), &cells) ||
        !set_rows(&rows, args[0], set.count)) {
        return NULL;
    }
    if (position < 0 || position >= rows.count) {
        PyErr_SetString(PyExc_ValueError, "there is no such row");
        return NULL;
    }
    row = rows.start + position * rows.size;
    *row++ = 1;
    memcpy(row, cells.marks, (size_t)rows.fields);
    memcpy(&bits, &at, sizeof bits);
    write_bits(row + rows.fields, bits);
    memcpy(row + rows.fields + CELL_BYTES, cells.values, (size_t)rows.fields * CELL_BYTES);
    Py_RETURN_NONE;
}

static uint64_t
read_bits(const char *from)
{
    uint64_t bits = 0;
    int index;

    for (index = 0; index < CELL_BYTES; index++) {
        bits |= (uint64_t)(unsigned char)from[index] << (8 * index);
    }
    return bits;
}

/* Return the number of a row; -1 if there is no such row. */
static Py_ssize_t
position_of(const Rows *rows, Span positions, Py_ssize_t index)
{
    uint32_t position;

    memcpy(&position, positions.start + index * (Py_ssize_t)sizeof position, sizeof position);
    return (Py_ssize_t)position < rows->count ? (Py_ssize_t)position : -1;
}

/* Return whether all of some rows exist and are filled. */
static int
are_filled(const Rows *rows, Span positions)
{
    Py_ssize_t count = (positions.end - positions.start) / (Py_ssize_t)sizeof(uint32_t), index;

    for (index = 0; index < count; index++) {
        Py_ssize_t position = position_of(rows, positions, index);
        if (position < 0 || rows->start[position * rows->size] != 1) {
            return 0;
        }
    }
    return 1;
}

static PyObject *
new_array(Py_ssize_t size)
{
    PyObject *array = PyByteArray_FromStringAndSize(NULL, 0);

    if (array != NULL && PyByteArray_Resize(array, size) < 0) {
        Py_CLEAR(array);
    }
    return array;
}

/* Return the ages in some rows, as a new array. */
static PyObject *
gather_ages(const Rows *rows, Span positions, Py_ssize_t count, double now)
{
    PyObject *array = new_array(count * CELL_BYTES);
    Py_ssize_t index;
    char *to;

    if (array == NULL) {
        return NULL;
    }
    to = PyByteArray_AsString(array);
    for (index = 0; index < count; index++) {
        const char *row = rows->start + position_of(rows, positions, index) * rows->size;
        uint64_t bits = read_bits(row + 1 + rows->fields);
        double age;

        memcpy(&age, &bits, sizeof age);
        age = now - age > 0 ? now - age : 0.0;
        memcpy(&bits, &age, sizeof bits);
        write_bits(to + index * CELL_BYTES, bits);
    }
    return array;
}

/* Return the states of the shards in some rows, as a new array. */
static PyObject *
gather_states(const Rows *rows, Span positions, Py_ssize_t count, PyObject *states)
{
    PyObject *array = new_array(count);
    Py_ssize_t index;
    char *to;

    if (array == NULL) {
        return NULL;
    }
    to = PyByteArray_AsString(array);
    for (index = 0; index < count; index++) {
        to[index] = PyByteArray_AsString(states)[position_of(rows, positions, index)];
    }
    return array;
}

/* Return values and marks of one field in some rows, as two new arrays. */
static PyObject *
gather_column(const Rows *rows, Span positions, Py_ssize_t count, Py_ssize_t place)
{
    PyObject *values = new_array(count * CELL_BYTES), *marks = new_array(count), *both;
    Py_ssize_t index;

    if (values != NULL && marks != NULL) {
        char *value = PyByteArray_AsString(values), *mark = PyByteArray_AsString(marks);
        for (index = 0; index < count; index++) {
            const char *row = rows->start + position_of(rows, positions, index) * rows->size + 1;
            mark[index] = row[place];
            memcpy(value + index * CELL_BYTES,
                   row + rows->fields + CELL_BYTES + place * CELL_BYTES, CELL_BYTES);
        }
    }
    both = values == NULL || marks == NULL ? NULL : PyTuple_Pack(2, values, marks);
    Py_XDECREF(values);
    Py_XDECREF(marks);
    return both;
}

static PyObject *
gather_columns(const Rows *rows, Span positions, Py_ssize_t count, Span places)
{
    Py_ssize_t fields = places.end - places.start, index;
    PyObject *columns = PyList_New(fields);

    for (index = 0; columns != NULL && index < fields; index++) {
        Py_ssize_t place = (unsigned char)places.start[index];
        PyObject *column = gather_column(rows, positions, count, place);
        if (column == NULL || PyList_SetItem(columns, index, column) < 0) {
            Py_CLEAR(columns);
        }
    }
    return columns;
}

static int
are_places(Span places, Py_ssize_t fields)
{
    const char *place;

    for (place = places.start; place < places.end; place++) {
        if ((unsigned char)*place >= fields) {
            return 0;
        }
    }
    return 1;
}

/* Return arrays of ages and states, and a list of columns. */
static PyObject *
gather(const Rows *rows, PyObject *states, Span positions, Span places, double now)
{
    Py_ssize_t count = (positions.end - positions.start) / (Py_ssize_t)sizeof(uint32_t);
    PyObject *ages = gather_ages(rows, positions, count, now);
    PyObject *codes = gather_states(rows, positions, count, states);
    PyObject *columns = gather_columns(rows, positions, count, places), *all = NULL;

    if (ages != NULL && codes != NULL && columns != NULL) {
        all = PyTuple_Pack(3, ages, codes, columns);
    }
    Py_XDECREF(ages);
    Py_XDECREF(codes);
    Py_XDECREF(columns);
    return all;
}

PyObject *
gather_rows(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *array, *states, *packed, *wanted;
    Py_ssize_t fields;
    Span positions, places;
    Rows rows;
    double now;

    if (!PyArg_ParseTuple(args, "OOnSSd:gather_rows", &array, &states, &fields, &packed, &wanted,
                          &now)) {
        return NULL;
    }
    positions = bytes_of(packed);
    places = bytes_of(wanted);
    if (fields < 0 || fields > MAX_CELLS || !are_places(places, fields) ||
        (positions.end - positions.start) % (Py_ssize_t)sizeof(uint32_t) != 0) {
        PyErr_SetString(PyExc_ValueError, "gather_rows takes the places of at most 64 fields");
        return NULL;
    }
    if (!set_rows(&rows, array, fields)) {
        return NULL;
    }
    if (!PyByteArray_Check(states) || PyByteArray_Size(states) < rows.count) {
        PyErr_SetString(PyExc_ValueError, "states are a bytearray with a byte for each row");
        return NULL;
    }
    if (!are_filled(&rows, positions)) {
        Py_RETURN_NONE;
    }
    return gather(&rows, states, positions, places, now);
}
