/* fill_columns: ages, states and some fields of many shards, one array for each.
 *
 * Fields that were read when the reply arrived are copied; the others are read from the reply. */
#include "cells.h"

#include <string.h>

enum { SNAPSHOT, STATE, AT, CELLS, RAW, ATTRIBUTES };

static const char *const attributes[ATTRIBUTES] = {"snapshot", "state", "at", "cells", "raw"};

/* The work of one call takes about a millisecond. It is measured in bytes of replies searched; a
 * shard and each of its fields cost as much as some bytes. */
#define MAX_WORK (2 << 20)
#define WORK_OF_SHARD 300
#define WORK_OF_FIELD 100

typedef struct {
    PyObject *attributes[ATTRIBUTES]; /* names of the attributes */
    FieldSet fields;
    Span head;   /* that cells begin with if they have the fields of the plan */
    Span places; /* for each field its number in the plan */
    Py_ssize_t planned;
    double now;
    PyObject *states;
} Columns;

/* Arrays that are filled, owned by the caller. */
typedef struct {
    PyObject *ages;
    PyObject *codes;
    PyObject *values; /* tuple of one for each field */
    PyObject *marks;
} Arrays;

/* Return the place of an item in a bytearray; NULL if it has no such item, with the exception set.
 * Reading an attribute may run code, so that no pointer is valid for longer. */
static char *
item_of(PyObject *array, Py_ssize_t position, Py_ssize_t size)
{
    if (!PyByteArray_Check(array) || position < 0 ||
        PyByteArray_Size(array) / size <= position) {
        PyErr_SetString(PyExc_ValueError, "an array is not a bytearray with an item a shard");
        return NULL;
    }
    return PyByteArray_AsString(array) + position * size;
}

/* Write an item; returns 0 with the exception set. */
static int
put(PyObject *array, Py_ssize_t position, const char *item, Py_ssize_t size)
{
    char *to = item_of(array, position, size);

    if (to == NULL) {
        return 0;
    }
    memcpy(to, item, (size_t)size);
    return 1;
}

/* Return the number of a state, 0 if it is none of them; -1 with the exception set. */
static int
code_of(PyObject *states, PyObject *state)
{
    Py_ssize_t index;

    for (index = 0; index < PyTuple_Size(states); index++) {
        if (PyTuple_GetItem(states, index) == state) {
            return (int)index;
        }
    }
    return 0;
}

/* Copy the cells that were read at the poll; 0 if they are of another plan. */
static int
copy_cells(const Columns *columns, PyObject *stored, Cells *cells)
{
    Py_ssize_t head = columns->head.end - columns->head.start, index;
    const char *from;

    if (head == 0 || !PyBytes_Check(stored) ||
        PyBytes_Size(stored) != head + columns->planned * (1 + CELL_BYTES)) {
        return 0;
    }
    from = PyBytes_AsString(stored);
    if (memcmp(from, columns->head.start, (size_t)head) != 0) {
        return 0;
    }
    from += head;
    for (index = 0; index < columns->fields.count; index++) {
        unsigned char place = (unsigned char)columns->places.start[index];
        cells->marks[index] = (unsigned char)from[place];
        memcpy(cells->values[index], from + columns->planned + place * CELL_BYTES, CELL_BYTES);
    }
    return 1;
}

/* Return the number of bytes searched; -1 with the exception set. */
static Py_ssize_t
read_snapshot(const Columns *columns, PyObject *snapshot, Cells *cells)
{
    PyObject *stored = PyObject_GetAttr(snapshot, columns->attributes[CELLS]), *raw;
    Py_ssize_t size = -1;
    int copied;

    if (stored == NULL) {
        return -1;
    }
    copied = copy_cells(columns, stored, cells);
    Py_DECREF(stored);
    if (copied) {
        return 0;
    }
    raw = PyObject_GetAttr(snapshot, columns->attributes[RAW]);
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

static int
write_row(const Arrays *arrays, Py_ssize_t position, double age, int code, const Cells *cells,
          Py_ssize_t count)
{
    char packed[CELL_BYTES], byte = (char)code;
    uint64_t bits;
    Py_ssize_t index;
    int done;

    memcpy(&bits, &age, sizeof bits);
    write_bits(packed, bits);
    done = put(arrays->ages, position, packed, CELL_BYTES) && put(arrays->codes, position, &byte, 1);
    for (index = 0; done && index < count; index++) {
        done = put(PyTuple_GetItem(arrays->values, index), position, cells->values[index],
                   CELL_BYTES) &&
               put(PyTuple_GetItem(arrays->marks, index), position,
                   (const char *)&cells->marks[index], 1);
    }
    return done;
}

/* Return the snapshot of a shard, as a new reference, and its state; NULL with the exception set. */
static PyObject *
snapshot_of(const Columns *columns, PyObject *shard, int *code)
{
    PyObject *state = PyObject_GetAttr(shard, columns->attributes[STATE]);

    if (state == NULL) {
        return NULL;
    }
    *code = code_of(columns->states, state);
    Py_DECREF(state);
    return PyObject_GetAttr(shard, columns->attributes[SNAPSHOT]);
}

/* Fill the items of one shard, and append its snapshot to a list; returns as read_snapshot. */
static Py_ssize_t
fill_row(const Columns *columns, const Arrays *arrays, PyObject *shard, Py_ssize_t position,
         PyObject *snapshots)
{
    PyObject *snapshot;
    Cells cells;
    Py_ssize_t searched = 0;
    int code = (int)PyTuple_Size(columns->states) - 1, done = 1;
    double age = Py_HUGE_VAL;

    snapshot = shard == Py_None ? Py_NewRef(Py_None) : snapshot_of(columns, shard, &code);
    if (snapshot == NULL) {
        return -1;
    }
    if (snapshot == Py_None) {
        memset(cells.marks, ABSENT, (size_t)columns->fields.count);
        memset(cells.values, 0, (size_t)columns->fields.count * CELL_BYTES);
    }
    else {
        done = read_age(columns, snapshot, &age);
        searched = done ? read_snapshot(columns, snapshot, &cells) : -1;
        done = searched >= 0;
    }
    done = done && write_row(arrays, position, age, code, &cells, columns->fields.count) &&
           PyList_Append(snapshots, snapshot) == 0;
    Py_DECREF(snapshot);
    return done ? searched : -1;
}

static int
is_valid_plan(const Columns *columns)
{
    const char *place;

    if (columns->places.end - columns->places.start != columns->fields.count ||
        columns->planned < 0 || columns->planned > MAX_CELLS) {
        return 0;
    }
    for (place = columns->places.start; place < columns->places.end; place++) {
        if ((unsigned char)*place >= columns->planned) {
            return columns->head.start == columns->head.end; /* they are not used */
        }
    }
    return 1;
}

static PyObject *
fill(Columns *columns, const Arrays *arrays, PyObject *shards, Py_ssize_t first)
{
    PyObject *snapshots = PyList_New(0);
    Py_ssize_t index, work = 0;

    for (index = 0; snapshots != NULL && index < PyList_Size(shards) && work < MAX_WORK;
         index++) {
        PyObject *shard = Py_NewRef(PyList_GetItem(shards, index));
        Py_ssize_t size = fill_row(columns, arrays, shard, first + index, snapshots);
        Py_DECREF(shard);
        work += size + WORK_OF_SHARD + WORK_OF_FIELD * columns->fields.count;
        if (size < 0) {
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
    PyObject *shards, *names, *kinds, *head, *places, *snapshots = NULL;
    Py_ssize_t first;
    int index, made = 1;

    if (!PyArg_ParseTuple(args, "O!(OOSSn)(OOO!O!)O!dn:fill_columns", &PyList_Type, &shards, &names,
                          &kinds, &head, &places, &columns.planned, &arrays.ages, &arrays.codes,
                          &PyTuple_Type, &arrays.values, &PyTuple_Type, &arrays.marks,
                          &PyTuple_Type, &columns.states, &columns.now, &first)) {
        return NULL;
    }
    if (!make_field_set(&columns.fields, names, kinds)) {
        return NULL;
    }
    columns.head = bytes_of(head);
    columns.places = bytes_of(places);
    if (!is_valid_plan(&columns) || PyTuple_Size(arrays.values) != columns.fields.count ||
        PyTuple_Size(arrays.marks) != columns.fields.count || first < 0) {
        PyErr_SetString(PyExc_ValueError, "fill_columns takes a place and arrays for each name");
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
