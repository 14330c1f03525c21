/* fold_delta: folds a delta into an earlier one, so that one delta has the changes of both.
 *
 * Deltas of a shard have mostly the same fields in the same order. So each field is first compared
 * with those that follow the last one, and a table of hashes is made only if that fails.
 */
#include "delta.h"

#include <string.h>

#include "names.h"

#define MOST 1024     /* fields of both deltas together */
#define PLACES 2048   /* of the table: a power of 2 */
#define AHEAD 8       /* fields that are compared before the table is used */
#define NONE_LEFT -1  /* end of the list of fields */

typedef struct {
    Span name;
    Span pair; /* the name and the value */
    int next;
    int is_new; /* it is from the later delta */
} Field;

struct Fold {
    Field fields[MOST];
    int used;
    int first;
    int has_places;
    unsigned short places[PLACES]; /* numbers of fields + 1 by the hash of their name; 0 is free */
    Span found[MAX_FOUND];
    size_t number_found;
};

Fold *
new_fold(void)
{
    Fold *memory = PyMem_Malloc(sizeof *memory);

    if (memory == NULL) {
        PyErr_NoMemory();
    }
    return memory;
}

/* Read the name and the value of a field; the name is ASCII, with the shortest header. */
static inline int
read_pair(Span *packed, Field *field)
{
    Py_ssize_t length, header;

    field->pair.start = packed->start;
    if (!read_ascii(packed, &field->name) || !skip_value(packed)) {
        return 0;
    }
    field->pair.end = packed->start;
    length = field->name.end - field->name.start;
    header = field->name.start - field->pair.start;
    return header == (length < 32 ? 1 : length < 256 ? 2 : length < 65536 ? 3 : 5);
}

static inline int
has_name(const Field *field, Span name)
{
    return is_equal(field->name, name.start, left_of(&name));
}

/* Return the place of a name in the table, or a free one; NULL after too many probes. */
static unsigned short *
find_place(Fold *memory, Span name)
{
    size_t at = hash_of(name);
    int probe;

    for (probe = 0; probe < MAX_PROBES; probe++, at++) {
        unsigned short *place = &memory->places[at % PLACES];
        if (!*place || has_name(&memory->fields[*place - 1], name)) {
            return place;
        }
    }
    return NULL;
}

/* Add all fields to the table. */
static int
fill_places(Fold *memory)
{
    int index;

    memset(memory->places, 0, sizeof memory->places);
    for (index = 0; index < memory->used; index++) {
        unsigned short *place = find_place(memory, memory->fields[index].name);
        if (place == NULL) {
            return 0;
        }
        *place = (unsigned short)(index + 1);
    }
    memory->has_places = 1;
    return 1;
}

/* Remove the start of a delta up to the fields in `set`; return the number of these in `pairs`. */
static int
open_delta(Span *packed, size_t *pairs)
{
    size_t keys;

    return read_map(packed, &keys) && keys == 3 && read_key(packed, "set", 3) &&
           read_map(packed, pairs) && *pairs <= MOST;
}

/* Read the fields of the earlier delta. */
static int
read_old(Fold *memory, Span packed)
{
    size_t pairs;
    int index;

    memory->used = memory->has_places = 0;
    memory->first = NONE_LEFT;
    if (packed.start == packed.end) {
        return 1;
    }
    if (!open_delta(&packed, &pairs)) {
        return 0;
    }
    for (index = 0; index < (int)pairs; index++) {
        if (!read_pair(&packed, &memory->fields[index])) {
            return 0;
        }
        memory->fields[index].next = index + 1;
        memory->fields[index].is_new = 0;
    }
    if (pairs) {
        memory->fields[pairs - 1].next = NONE_LEFT;
        memory->first = 0;
    }
    memory->used = (int)pairs;
    return 1;
}

/* Return the number of the field with this name; `used` if there is none, -1 if that is unknown.
 *
 * next: The field that probably has the name. */
static inline int
find_field(Fold *memory, Span name, int next)
{
    unsigned short *place;
    int step;

    for (step = 0; step < AHEAD && next != NONE_LEFT; step++) {
        if (has_name(&memory->fields[next], name)) {
            return next;
        }
        next = memory->fields[next].next;
    }
    if (memory->used == 0) {
        return 0;
    }
    if (!memory->has_places && !fill_places(memory)) {
        return -1;
    }
    place = find_place(memory, name);
    return place == NULL ? -1 : *place ? *place - 1 : memory->used;
}

/* Add a field behind another one, or in front of all. */
static int
insert(Fold *memory, const Field *field, int previous)
{
    int *link = previous == NONE_LEFT ? &memory->first : &memory->fields[previous].next;
    Field *added = &memory->fields[memory->used];

    if (memory->used == MOST) {
        return 0;
    }
    *added = *field;
    added->next = *link;
    added->is_new = 1;
    *link = memory->used++;
    if (memory->has_places) {
        unsigned short *place = find_place(memory, field->name);
        if (place == NULL) {
            return 0;
        }
        *place = (unsigned short)memory->used;
    }
    return 1;
}

static inline int
note_wanted(Fold *memory, const Field *field, const Wanted *wanted)
{
    size_t length = left_of(&field->name), index;

    if (!(wanted->lengths >> length % 64 & 1)) {
        return 1;
    }
    for (index = 0; index < wanted->number; index++) {
        if (has_name(field, wanted->names[index])) {
            if (memory->number_found == MAX_FOUND) {
                return 0;
            }
            memory->found[memory->number_found++] = field->pair;
            return 1;
        }
    }
    return 1;
}

/* Replace the values of the fields in `set`, and add those that are new. */
static int
set_fields(Fold *memory, Span *packed, size_t pairs, const Wanted *wanted)
{
    int previous = NONE_LEFT, next = memory->first;

    memory->number_found = 0;
    for (; pairs; pairs--) {
        Field field;
        int index;

        if (!read_pair(packed, &field) || !note_wanted(memory, &field, wanted)) {
            return 0;
        }
        index = find_field(memory, field.name, next);
        if (index < 0) {
            return 0;
        }
        if (index < memory->used) {
            Field *old = &memory->fields[index];
            if (old->is_new) {
                return 0; /* it is repeated */
            }
            old->name = field.name;
            old->pair = field.pair;
            old->is_new = 1;
        }
        else if (!insert(memory, &field, previous)) {
            return 0;
        }
        previous = index;
        next = memory->fields[index].next;
    }
    return 1;
}

/* Return the fields in their order as a delta; its base has no meaning. */
static PyObject *
write_delta(const Fold *memory)
{
    static const char start[] = "\x83\xa3set", rest[] = "\xa5unset\x90\xa4" "base"; /* \xa4ba */
    char head[sizeof start + 5], *to = head;
    size_t size;
    PyObject *packed;
    Span run = {NULL, NULL};
    int index;

    memcpy(to, start, sizeof start - 1);
    to = put_map_header(to + sizeof start - 1, (size_t)memory->used);
    size = (size_t)(to - head) + sizeof rest; /* its NUL is the base */
    for (index = 0; index < memory->used; index++) {
        size += left_of(&memory->fields[index].pair);
    }
    packed = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (packed == NULL) {
        return NULL;
    }
    size = (size_t)(to - head);
    to = PyBytes_AsString(packed);
    memcpy(to, head, size);
    to += size;
    /* Fields that follow one another in their message are copied together. */
    for (index = memory->first; index != NONE_LEFT; index = memory->fields[index].next) {
        Span pair = memory->fields[index].pair;
        if (pair.start != run.end) {
            if (run.start != NULL) {
                memcpy(to, run.start, left_of(&run));
                to += left_of(&run);
            }
            run.start = pair.start;
        }
        run.end = pair.end;
    }
    if (run.start != NULL) {
        memcpy(to, run.start, left_of(&run));
        to += left_of(&run);
    }
    memcpy(to, rest, sizeof rest);
    return packed;
}

PyObject *
fold(Fold *memory, Span old, Delta *delta, const Wanted *wanted)
{
    Span packed = delta->body;
    size_t pairs, unset;

    if (!read_old(memory, old) || !open_delta(&packed, &pairs) ||
        !set_fields(memory, &packed, pairs, wanted) || !read_key(&packed, "unset", 5) ||
        !read_array(&packed, &unset) || unset || !read_key(&packed, "base", 4) ||
        !read_integer(&packed, &delta->base) || packed.start != packed.end) {
        return NULL;
    }
    return write_delta(memory);
}

PyObject *
found_fields(const Fold *memory)
{
    size_t index, size = 1;
    PyObject *map;
    char *to;

    if (!memory->number_found) {
        return NULL;
    }
    size = memory->number_found < 16 ? 1 : 3;
    for (index = 0; index < memory->number_found; index++) {
        size += left_of(&memory->found[index]);
    }
    map = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (map == NULL) {
        return NULL;
    }
    to = put_map_header(PyBytes_AsString(map), memory->number_found);
    for (index = 0; index < memory->number_found; index++) {
        memcpy(to, memory->found[index].start, left_of(&memory->found[index]));
        to += left_of(&memory->found[index]);
    }
    return map;
}

PyObject *
fold_delta(PyObject *Py_UNUSED(module), PyObject *args)
{
    Delta delta = {{NULL, NULL}, {NULL, NULL}, 0, 0, 0.0, NULL};
    Wanted wanted = {{{NULL, NULL}}, 0, 0};
    PyObject *old, *body, *folded;
    Fold *memory;

    if (!PyArg_ParseTuple(args, "SS:fold_delta", &old, &body) || (memory = new_fold()) == NULL) {
        return NULL;
    }
    delta.body = bytes_of(body);
    folded = fold(memory, bytes_of(old), &delta, &wanted);
    PyMem_Free(memory);
    if (folded == NULL && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return folded;
}
