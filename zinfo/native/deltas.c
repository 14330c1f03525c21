/* encode_deltas: the bodies of "delta" messages, each with a selection of the fields that changed,
 * from the bytes of two INFO replies. */
#include "encode.h"

#include <stdint.h>
#include <string.h>

#define MOST 64  /* selections: one bit each */
#define BLOCK 64 /* bytes that are compared together */
#define HEAD 10  /* longest start of a body: "set" and the header of its map */

/* Body of one selection. Its start is written last, when the number of fields is known. */
typedef struct {
    Buffer buffer; /* HEAD free bytes, then the pairs */
    size_t fields;
} Delta;

typedef struct {
    Delta deltas[MOST];
    uint64_t wanted; /* one bit for each selection that is written */
    Span masks;      /* for each line a number of 64 bits: the selections with its field */
    PyObject *names;
    Span kinds;
    PyObject *encode;
} Job;

/* Return a number from 1 to 64: the position of the lowest bit set; 0 if there is none. */
static int
lowest(uint64_t bits)
{
    int position = 0;

    while (bits != 0) {
        position++;
        if (bits & 1) {
            return position;
        }
        bits >>= 1;
    }
    return 0;
}

static uint64_t
selections_of(const Job *job, Py_ssize_t number)
{
    uint64_t mask = UINT64_MAX; /* without masks, each selection has all fields */

    if (job->masks.start != NULL) {
        memcpy(&mask, job->masks.start + 8 * number, sizeof mask);
    }
    return mask & job->wanted;
}

/* Return how many of eight bytes are an LF. */
static Py_ssize_t
count_lf(uint64_t bytes)
{
    static const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f), ones = UINT64_C(0x0101010101010101);
    uint64_t other = bytes ^ ('\n' * ones);

    other = ((other & low) + low) | other; /* the highest bit of each byte that is no LF */
    return (Py_ssize_t)(((~other >> 7 & ones) * ones) >> 56);
}

static uint64_t
word_at(const char *start)
{
    uint64_t word;

    memcpy(&word, start, sizeof word);
    return word;
}

static int
is_same_block(const char *one, const char *other)
{
    uint64_t difference = 0;
    int index;

    for (index = 0; index < BLOCK; index += 8) {
        difference |= word_at(one + index) ^ word_at(other + index);
    }
    return difference == 0;
}

/* Return the start of the line that has the byte at `at`. */
static Py_ssize_t
line_start(const char *text, Py_ssize_t at)
{
    while (at >= 8 && count_lf(word_at(text + at - 8)) == 0) {
        at -= 8;
    }
    while (at > 0 && text[at - 1] != '\n') {
        at--;
    }
    return at;
}

/* Skip the lines that both texts begin with, and return their number. */
static Py_ssize_t
skip_same_lines(Span *old, Span *raw)
{
    const char *one = old->start, *other = raw->start;
    Py_ssize_t size = old->end - one, same = 0, lines = 0;

    if (raw->end - other < size) {
        size = raw->end - other;
    }
    while (size - same >= BLOCK && is_same_block(one + same, other + same)) {
        uint8_t found = 0; /* one byte, so that compilers turn the loop into vector instructions */
        int index;
        for (index = 0; index < BLOCK; index++) {
            found += other[same + index] == '\n';
        }
        lines += found;
        same += BLOCK;
    }
    while (size - same >= 8 && word_at(one + same) == word_at(other + same)) {
        lines += count_lf(word_at(other + same));
        same += 8;
    }
    while (same < size && one[same] == other[same]) {
        lines += other[same] == '\n';
        same++;
    }
    same = line_start(other, same);
    old->start += same;
    raw->start += same;
    return lines;
}

static int
is_same(Span one, Span other)
{
    Py_ssize_t size = one.end - one.start;
    return size == other.end - other.start && memcmp(one.start, other.start, (size_t)size) == 0;
}

/* Write one field into all selections that have it. Return values as of write_field. */
static int
write_selected(Job *job, Span line, Py_ssize_t number)
{
    PyObject *name = PyTuple_GetItem(job->names, number);
    int kind = job->kinds.start[number], done;
    uint64_t left = selections_of(job, number);
    Buffer *first;
    size_t before, size;

    if (left == 0) {
        return take_name(&line, name, kind); /* whether the layout is still the same */
    }
    first = &job->deltas[lowest(left) - 1].buffer;
    before = first->used;
    done = write_field(first, line, name, kind, job->encode);
    if (done != 1) {
        return done;
    }
    size = first->used - before;
    job->deltas[lowest(left) - 1].fields++;
    for (left &= left - 1; left != 0; left &= left - 1) {
        Delta *delta = &job->deltas[lowest(left) - 1];
        if (!reserve(&delta->buffer, size)) {
            return -1;
        }
        memcpy(delta->buffer.start + delta->buffer.used, first->start + before, size);
        delta->buffer.used += size;
        delta->fields++;
    }
    return 1;
}

/* Write the fields whose lines differ.
 * 1: done; 0: lines were added, removed or moved; -1: an error. */
static int
write_changes(Job *job, Span old, Span raw)
{
    Py_ssize_t number = 0, count = job->kinds.end - job->kinds.start;
    int has_end = 1, old_has_end = 1;

    while (number < count) {
        Span line, before;
        int done;

        if (!has_end || !old_has_end) {
            return 0;
        }
        number += skip_same_lines(&old, &raw);
        if (number >= count) {
            return 0; /* there are more lines than names */
        }
        before = next_line(&old, &old_has_end);
        line = next_line(&raw, &has_end);
        if (!is_same(before, line)) {
            done = job->kinds.start[number] == NO_FIELD ? 0 : write_selected(job, line, number);
            if (done != 1) {
                return done;
            }
        }
        number++;
    }
    return !has_end && !old_has_end;
}

/* Return a body as bytes. */
static PyObject *
finish(Delta *delta, PyObject *base)
{
    static const char rest[] = "\xa5unset\x90\xa4" "base"; /* C reads \xa4ba as one byte */
    Buffer *buffer = &delta->buffer;
    unsigned char head[HEAD] = "\x83\xa3set";
    size_t size = 5, fields = delta->fields;

    if (fields <= MAX_SHORT_MAP) {
        head[size++] = (unsigned char)(0x80 | fields);
    }
    else {
        int bytes = fields < 0x10000 ? 2 : 4;
        head[size++] = bytes == 2 ? 0xde : 0xdf;
        while (bytes-- > 0) {
            head[size++] = (unsigned char)(fields >> (8 * bytes));
        }
    }
    if (!reserve(buffer, sizeof rest)) {
        return NULL;
    }
    memcpy(buffer->start + HEAD - size, head, size);
    memcpy(buffer->start + buffer->used, rest, sizeof rest - 1);
    buffer->used += sizeof rest - 1;
    if (write_plain(buffer, base) != 1) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "base does not fit into 64 bits");
        }
        return NULL;
    }
    return PyBytes_FromStringAndSize(buffer->start + HEAD - size,
                                     (Py_ssize_t)(buffer->used - (HEAD - size)));
}

/* Return a list with the bodies that are wanted, and None for others. */
static PyObject *
bodies(Job *job, int number, PyObject *base)
{
    PyObject *found = PyList_New(0);
    int index;

    for (index = 0; found != NULL && index < number; index++) {
        PyObject *body = job->wanted >> index & 1 ? finish(&job->deltas[index], base)
                                                  : Py_NewRef(Py_None);
        if (body == NULL || PyList_Append(found, body) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(body);
    }
    return found;
}

/* Free HEAD bytes in front of each body that is wanted; 0 if memory is exhausted. */
static int
begin(Job *job, size_t size)
{
    int index;

    for (index = 0; index < MOST; index++) {
        if (job->wanted >> index & 1) {
            if (!reserve(&job->deltas[index].buffer, HEAD + (index == 0 ? size : 0))) {
                return 0;
            }
            job->deltas[index].buffer.used = HEAD;
        }
    }
    return 1;
}

static int
is_valid(PyObject *masks, PyObject *names, PyObject *kinds, unsigned long long wanted, int number)
{
    Py_ssize_t lines = PyBytes_Size(kinds);
    int has_masks = masks == Py_None || (PyBytes_Check(masks) && PyBytes_Size(masks) == 8 * lines);

    return PyTuple_Size(names) == lines && has_masks && number >= 1 && number <= MOST &&
           (number == MOST || wanted >> number == 0);
}

PyObject *
encode_deltas(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *old, *raw, *names, *kinds, *masks, *base, *encode, *found = NULL;
    unsigned long long wanted;
    int number, index, done = -1;
    Job *job;

    if (!PyArg_ParseTuple(args, "SSO!SOKiOO:encode_deltas", &old, &raw, &PyTuple_Type, &names,
                          &kinds, &masks, &wanted, &number, &base, &encode)) {
        return NULL;
    }
    if (!is_valid(masks, names, kinds, wanted, number)) {
        PyErr_SetString(PyExc_ValueError, "names, kinds, masks and selections do not match");
        return NULL;
    }
    job = PyMem_Calloc(1, sizeof *job);
    if (job == NULL) {
        return PyErr_NoMemory();
    }
    job->wanted = wanted;
    job->names = names;
    job->kinds = bytes_of(kinds);
    job->encode = encode;
    if (masks != Py_None) {
        job->masks = bytes_of(masks);
    }
    if (begin(job, (size_t)PyBytes_Size(raw) / 4)) {
        done = write_changes(job, bytes_of(old), bytes_of(raw));
    }
    if (done == 1) {
        found = bodies(job, number, base);
    }
    for (index = 0; index < MOST; index++) {
        PyMem_Free(job->deltas[index].buffer.start);
    }
    PyMem_Free(job);
    return done == 0 ? Py_NewRef(Py_None) : found;
}
