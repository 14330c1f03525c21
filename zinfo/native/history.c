/* write_point: the values of one step in the history of a shard, computed from a reply.
 *
 * The layout of a ring and the meaning of the values are those of zinfo/history/ring.py and
 * zinfo/history/series.py. */
#include "cells.h"

#include <string.h>

/* The fields; those up to EVICTED are counters. */
enum { UPTIME, CONNECTS, COMMANDS, NET_IN, HITS, MISSES, NET_OUT, EVICTED, REPORTED_OPS, MEMORY,
       CLIENTS, LINK_DOWN, LAST_IO, FIELDS };

#define COUNTERS (EVICTED + 1)
#define RESET_MARKERS (MISSES + 1) /* the first fields, which never decrease without a reset */

#define SERIES 8
#define VALUE_SIZE 4 /* a little-endian float32 */
#define CONSTANTS_AT (COUNTERS * (Py_ssize_t)sizeof(double))
#define PLACES_AT (CONSTANTS_AT + SERIES * VALUE_SIZE)
#define PRESENT_AT (PLACES_AT + SERIES)
#define EMPTY 0xff
#define CONSTANT 0xfe

#define MAX_VALUE 1e38
#define NOT_A_NUMBER 0x7fc00000u

typedef struct {
    PyObject *array;
    Py_ssize_t size;     /* number of steps */
    Py_ssize_t position; /* of the step that is written */
} Ring;

static double
number_of(const Cells *cells, int field)
{
    uint64_t bits = 0;
    double fraction;
    int index;

    for (index = 0; index < CELL_BYTES; index++) {
        bits |= (uint64_t)(unsigned char)cells->values[field][index] << (8 * index);
    }
    switch (cells->marks[field]) {
    case INTEGER:
        return (double)(int64_t)bits;
    case FRACTION:
        memcpy(&fraction, &bits, sizeof fraction);
        return fraction;
    default:
        return Py_NAN;
    }
}

static double
not_negative(double value)
{
    return value >= 0 ? value : Py_NAN;
}

static int
were_reset(const double *now, const double *before)
{
    int field;

    for (field = 0; field < RESET_MARKERS; field++) {
        if (now[field] < before[field]) {
            return 1;
        }
    }
    return 0;
}

/* Set the value of each series; without `seconds` there are no rates. */
static void
set_values(const double *now, const double *before, double seconds, double *values)
{
    int has_rates = seconds > 0 && !were_reset(now, before), field;
    double rates[COUNTERS], hits = Py_NAN, reads = Py_NAN;

    for (field = 0; field < COUNTERS; field++) {
        rates[field] = has_rates ? (now[field] - before[field]) / seconds : Py_NAN;
    }
    if (has_rates) {
        hits = now[HITS] - before[HITS];
        reads = hits + (now[MISSES] - before[MISSES]);
    }
    values[0] = rates[COMMANDS] >= 0 ? rates[COMMANDS] : now[REPORTED_OPS];
    values[1] = now[MEMORY];
    values[2] = reads > 0 ? hits / reads : Py_NAN;
    values[3] = now[CLIENTS];
    values[4] = not_negative(rates[NET_IN]);
    values[5] = not_negative(rates[NET_OUT]);
    values[6] = not_negative(rates[EVICTED]);
    values[7] = now[LINK_DOWN] >= 0 ? now[LINK_DOWN] : not_negative(now[LAST_IO]);
}

static void
write_value(char *to, uint32_t bits)
{
    int index;

    for (index = 0; index < VALUE_SIZE; index++) {
        to[index] = (char)(bits >> (8 * index));
    }
}

/* Give a series memory, in which all steps so far have its constant; 0 with the exception set. */
static int
add_series(const Ring *ring, int number)
{
    Py_ssize_t end = PyByteArray_Size(ring->array), index;
    char *start, constant[VALUE_SIZE];

    if (PyByteArray_Resize(ring->array, end + ring->size * VALUE_SIZE) < 0) {
        return 0;
    }
    start = PyByteArray_AsString(ring->array);
    memcpy(constant, start + CONSTANTS_AT + number * VALUE_SIZE, VALUE_SIZE);
    for (index = 0; index < ring->size; index++) {
        char *to = start + end + index * VALUE_SIZE;
        if (start[PRESENT_AT + index] >> number & 1) {
            memcpy(to, constant, VALUE_SIZE);
        }
        else {
            write_value(to, NOT_A_NUMBER);
        }
    }
    start[PLACES_AT + number] =
        (char)((end - PRESENT_AT - ring->size) / (ring->size * VALUE_SIZE));
    return 1;
}

/* Write the value of a series; 1 if there is one, 0 if not, -1 with the exception set. */
static int
write_series(const Ring *ring, int number, double value)
{
    char *start = PyByteArray_AsString(ring->array), packed[VALUE_SIZE];
    unsigned char place = (unsigned char)start[PLACES_AT + number];
    int is_number = value > -MAX_VALUE && value < MAX_VALUE;
    uint32_t bits = NOT_A_NUMBER;

    if (is_number) {
        float narrow = (float)value;
        memcpy(&bits, &narrow, sizeof bits);
    }
    write_value(packed, bits);
    if (place == EMPTY && is_number) {
        start[PLACES_AT + number] = (char)CONSTANT;
        memcpy(start + CONSTANTS_AT + number * VALUE_SIZE, packed, VALUE_SIZE);
    }
    if (place == CONSTANT && is_number &&
        memcmp(start + CONSTANTS_AT + number * VALUE_SIZE, packed, VALUE_SIZE) != 0) {
        if (!add_series(ring, number)) {
            return -1;
        }
        start = PyByteArray_AsString(ring->array);
        place = (unsigned char)start[PLACES_AT + number];
    }
    if (place < SERIES) {
        memcpy(start + PRESENT_AT + ring->size +
                   ((Py_ssize_t)place * ring->size + ring->position) * VALUE_SIZE,
               packed, VALUE_SIZE);
    }
    return is_number;
}

static int
is_ring(const Ring *ring)
{
    Py_ssize_t left;
    int number;

    if (!PyByteArray_Check(ring->array) || ring->size <= 0 || ring->size > PY_SSIZE_T_MAX / 64 ||
        ring->position < 0 || ring->position >= ring->size) {
        return 0;
    }
    left = PyByteArray_Size(ring->array) - PRESENT_AT - ring->size;
    if (left < 0 || left % (ring->size * VALUE_SIZE) != 0) {
        return 0;
    }
    for (number = 0; number < SERIES; number++) {
        unsigned char place =
            (unsigned char)PyByteArray_AsString(ring->array)[PLACES_AT + number];
        if (place < CONSTANT && place >= left / (ring->size * VALUE_SIZE)) {
            return 0;
        }
    }
    return 1;
}

/* Write the values of a reply; 0 with the exception set. */
static int
write_values(const Ring *ring, const double *now, double seconds)
{
    double before[COUNTERS], values[SERIES];
    int number, present = 0;

    memcpy(before, PyByteArray_AsString(ring->array), sizeof before);
    set_values(now, before, seconds, values);
    for (number = 0; number < SERIES; number++) {
        int written = write_series(ring, number, values[number]);
        if (written < 0) {
            return 0;
        }
        present |= written << number;
    }
    memcpy(PyByteArray_AsString(ring->array), now, sizeof before);
    PyByteArray_AsString(ring->array)[PRESENT_AT + ring->position] = (char)present;
    return 1;
}

PyObject *
write_point(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    FieldSet set;
    Cells cells;
    Ring ring;
    double now[FIELDS], seconds;
    int field;

    if (count != 7 || !PyBytes_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "write_point takes a ring, its size, a position, bytes, "
                                         "names, kinds and seconds");
        return NULL;
    }
    ring.array = args[0];
    ring.size = PyLong_AsSsize_t(args[1]);
    ring.position = PyLong_AsSsize_t(args[2]);
    seconds = PyFloat_AsDouble(args[6]);
    if (PyErr_Occurred() || !make_field_set(&set, args[4], args[5])) {
        return NULL;
    }
    if (!is_ring(&ring) || set.count != FIELDS) {
        PyErr_SetString(PyExc_ValueError, "write_point takes the ring and the fields of a history");
        return NULL;
    }
    if (!read_text_cells(&set, bytes_of(args[3]), &cells)) {
        return NULL;
    }
    for (field = 0; field < FIELDS; field++) {
        now[field] = number_of(&cells, field);
    }
    return write_values(&ring, now, seconds) ? Py_NewRef(Py_None) : NULL;
}
