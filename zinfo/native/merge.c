/* merge_deltas: applies the deltas of a bus to an INFO, all of them msgpack, without decoding. */
#include <string.h>

#include "names.h"
#include "read.h"

#define MAX_FIELDS 65536 /* of the INFO and all deltas together */

typedef struct {
    Span name;
    Span value;
    int present;
} Field;

typedef struct {
    Field *fields; /* in the order of the result; those not present are left out */
    size_t used;
    size_t size;
    unsigned int *places; /* numbers of fields + 1 by the hash of their name; 0 is free */
    size_t mask;
} Fields;

/* Return the place of a name in the table, or a free one; NULL after too many probes. */
static unsigned int *
find_place(const Fields *fields, Span name)
{
    size_t at = hash_of(name), length = (size_t)(name.end - name.start);
    int probe;

    for (probe = 0; probe < MAX_PROBES; probe++, at++) {
        unsigned int *place = &fields->places[at & fields->mask];
        if (!*place || is_equal(fields->fields[*place - 1].name, name.start, length)) {
            return place;
        }
    }
    return NULL;
}

static int
set_field(Fields *fields, Span name, Span value)
{
    unsigned int *place = find_place(fields, name);
    Field *field;

    if (place == NULL) {
        return 0;
    }
    if (*place && fields->fields[*place - 1].present) {
        fields->fields[*place - 1].value = value;
        return 1;
    }
    if (fields->used == fields->size) {
        return 0;
    }
    field = &fields->fields[fields->used++];
    field->name = name;
    field->value = value;
    field->present = 1;
    *place = (unsigned int)fields->used;
    return 1;
}

/* Set the fields of a map of `pairs` pairs. */
static int
set_fields(Fields *fields, Span *packed, size_t pairs)
{
    for (; pairs; pairs--) {
        Span name, value;
        if (!read_ascii(packed, &name)) {
            return 0;
        }
        value.start = packed->start;
        if (!skip_value(packed)) {
            return 0;
        }
        value.end = packed->start;
        if (!set_field(fields, name, value)) {
            return 0;
        }
    }
    return 1;
}

static int
unset_fields(Fields *fields, Span *packed)
{
    size_t items;

    if (!read_array(packed, &items)) {
        return 0;
    }
    for (; items; items--) {
        Span name;
        unsigned int *place;
        if (!read_ascii(packed, &name) || (place = find_place(fields, name)) == NULL) {
            return 0;
        }
        if (*place) {
            fields->fields[*place - 1].present = 0;
        }
    }
    return 1;
}

/* Remove the start of a delta up to the fields in `set`; return the number of these in `pairs`. */
static int
open_delta(Span *packed, size_t *pairs)
{
    size_t keys;

    return read_map(packed, &keys) && keys == 3 && read_key(packed, "set", 3) &&
           read_map(packed, pairs);
}

static int
apply_delta(Fields *fields, Span packed)
{
    size_t pairs;

    return open_delta(&packed, &pairs) && set_fields(fields, &packed, pairs) &&
           read_key(&packed, "unset", 5) && unset_fields(fields, &packed) &&
           read_key(&packed, "base", 4) && skip_value(&packed) && packed.start == packed.end;
}

/* Allocate room for the fields of an INFO and all deltas. 1, 0: too many; -1: no memory. */
static int
allocate(Fields *fields, size_t pairs, PyObject *bodies)
{
    Py_ssize_t index, count = PyTuple_Size(bodies);
    size_t places = 16;

    fields->size = pairs;
    for (index = 0; index < count; index++) {
        Span body = bytes_of(PyTuple_GetItem(bodies, index));
        if (!open_delta(&body, &pairs)) {
            return 0;
        }
        fields->size += pairs;
        if (fields->size > MAX_FIELDS) {
            return 0;
        }
    }
    while (places < 2 * fields->size) {
        places *= 2;
    }
    fields->mask = places - 1;
    fields->fields = PyMem_Malloc((fields->size + 1) * sizeof *fields->fields);
    fields->places = PyMem_Calloc(places, sizeof *fields->places);
    if (fields->fields == NULL || fields->places == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 1;
}

static PyObject *
write_map(const Fields *fields)
{
    static const unsigned char text_types[3] = {0xd9, 0xda, 0xdb};
    size_t index, present = 0, size = 5; /* of the largest header */
    PyObject *packed, *map;
    char *start, *to;

    for (index = 0; index < fields->used; index++) {
        const Field *field = &fields->fields[index];
        if (field->present) {
            present++;
            size += 5 + (size_t)(field->name.end - field->name.start) +
                    (size_t)(field->value.end - field->value.start);
        }
    }
    packed = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (packed == NULL) {
        return NULL;
    }
    start = PyBytes_AsString(packed);
    to = put_map_header(start, present);
    for (index = 0; index < fields->used; index++) {
        const Field *field = &fields->fields[index];
        size_t name = (size_t)(field->name.end - field->name.start);
        size_t value = (size_t)(field->value.end - field->value.start);
        if (field->present) {
            to = put_header(to, name, 32, 0xa0, text_types);
            memcpy(to, field->name.start, name);
            memcpy(to + name, field->value.start, value);
            to += name + value;
        }
    }
    map = PyBytes_FromStringAndSize(start, to - start);
    Py_DECREF(packed);
    return map;
}

PyObject *
merge_deltas(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *info, *bodies, *merged = NULL;
    Fields fields = {NULL, 0, 0, NULL, 0};
    Py_ssize_t index;
    Span packed;
    size_t pairs;
    int done;

    if (!PyArg_ParseTuple(args, "SO!:merge_deltas", &info, &PyTuple_Type, &bodies)) {
        return NULL;
    }
    for (index = 0; index < PyTuple_Size(bodies); index++) {
        if (!PyBytes_Check(PyTuple_GetItem(bodies, index))) {
            PyErr_SetString(PyExc_TypeError, "bodies are bytes");
            return NULL;
        }
    }
    packed = bytes_of(info);
    done = read_map(&packed, &pairs) ? allocate(&fields, pairs, bodies) : 0;
    if (done > 0) {
        done = set_fields(&fields, &packed, pairs) && packed.start == packed.end;
    }
    for (index = 0; done > 0 && index < PyTuple_Size(bodies); index++) {
        done = apply_delta(&fields, bytes_of(PyTuple_GetItem(bodies, index)));
    }
    if (done > 0) {
        merged = write_map(&fields);
    }
    else if (!done) {
        Py_INCREF(Py_None);
        merged = Py_None;
    }
    PyMem_Free(fields.fields);
    PyMem_Free(fields.places);
    return merged;
}
