/* The samples of several replies, written in one call. */
#include "exposition_reply.h"

#define MAX_RUN (128 * 1024) /* bytes of replies, which take about a millisecond */

/* Items of a tuple. */
enum { LABELS, RAW, TIME, SHARD_STATE, SHARD_FAILURES, SHARD_AGE, MORE, ITEMS };

/* One shard that replies. */
typedef struct {
    Span labels;
    Span raw;
    ShardFacts facts;
    int has_more; /* whether there are samples that Python writes */
} Entry;

/* Read a tuple. 0: it is not valid, and an exception is set. */
static int
read_entry(PyObject *object, Entry *entry)
{
    PyObject *items[ITEMS];
    const char *text;
    Py_ssize_t size;
    int index;

    if (object == NULL || !PyTuple_Check(object) || PyTuple_Size(object) < ITEMS) {
        PyErr_SetString(PyExc_TypeError, "a reply is a tuple of seven items");
        return 0;
    }
    for (index = 0; index < ITEMS; index++) {
        items[index] = PyTuple_GetItem(object, index);
    }
    if (!PyBytes_Check(items[RAW]) || !PyBytes_Check(items[SHARD_STATE]) ||
        !PyTuple_Check(items[MORE])) {
        PyErr_SetString(PyExc_TypeError, "a reply has bytes, and a tuple");
        return 0;
    }
    text = PyUnicode_AsUTF8AndSize(items[LABELS], &size);
    if (text == NULL) {
        return 0;
    }
    entry->labels.start = text;
    entry->labels.end = text + size;
    entry->raw = bytes_of(items[RAW]);
    entry->facts.now = PyLong_AsLongLong(items[TIME]);
    entry->facts.state = bytes_of(items[SHARD_STATE]);
    entry->facts.failures = PyLong_AsLongLong(items[SHARD_FAILURES]);
    entry->facts.age = PyLong_AsLongLong(items[SHARD_AGE]);
    entry->has_more = PyTuple_Size(items[MORE]) > 0;
    if (PyErr_Occurred()) {
        return 0;
    }
    return 1;
}

/* Return whether a reply may be written here. */
static int
is_small(const Entry *entry)
{
    Py_ssize_t size = entry->raw.end - entry->raw.start;

    return size > 0 && size <= MAX_RUN &&
           entry->facts.state.end - entry->facts.state.start <= UINT16_MAX;
}

static PyObject *
text_of(const Buffer *buffer)
{
    return PyBytes_FromStringAndSize(buffer->used ? buffer->start : "", (Py_ssize_t)buffer->used);
}

/* Return whether a reply, which is done, needs no more work. */
static int
is_whole(const Writing *writing, const Entry *entry, Py_ssize_t most)
{
    return !entry->has_more && writing->left.used == 0 && writing->alone.used == 0 &&
           writing->unknown.used == 0 && writing->new_maps.used == 0 && !writing->is_info_left &&
           writing->bad_lines == 0 && writing->lines->written <= most;
}

/* Return what is missing of a reply, as the documentation of the method describes it. */
static PyObject *
missing(const Writing *writing, int done)
{
    if (done == CONFLICT) {
        return PyTuple_New(0);
    }
    return Py_BuildValue("(NNNNNL)", text_of(&writing->left), text_of(&writing->alone),
                         text_of(&writing->unknown), text_of(&writing->new_maps),
                         PyBool_FromLong(writing->is_info_left), writing->bad_lines);
}

/* Write one reply. DONE, CONFLICT or FAILED. */
static int
write_entry(Writing *writing, Py_ssize_t place, const Entry *entry, int is_started)
{
    if (!is_started && !lines_start_shard(writing->lines, entry->labels)) {
        return FAILED;
    }
    return is_small(entry) ? write_reply(writing, place, entry->raw, &entry->facts) : CONFLICT;
}

/* Write replies from a place on. */
static PyObject *
write_run(Writing *writing, PyObject *replies, Py_ssize_t place, Py_ssize_t most, int is_started)
{
    Py_ssize_t left = MAX_RUN, first = place;

    for (; place < PyList_Size(replies); place++, is_started = 0) { /* Python may change the list */
        PyObject *object = Py_NewRef(PyList_GetItem(replies, place)), *rest = NULL;
        Entry entry;
        int done = FAILED, is_last = 1;
        if (read_entry(object, &entry)) {
            left -= entry.raw.end - entry.raw.start;
            if (left < 0 && place > first) {
                Py_DECREF(object);
                break;
            }
            done = write_entry(writing, place, &entry, is_started);
        }
        if (done == CONFLICT || (done == DONE && !is_whole(writing, &entry, most))) {
            rest = missing(writing, done);
        }
        else {
            is_last = done == FAILED;
        }
        Py_DECREF(object);
        if (is_last) {
            return rest == NULL ? NULL : Py_BuildValue("(nN)", place + 1, rest);
        }
    }
    return Py_BuildValue("(nO)", place, Py_None);
}

PyObject *
write_replies(PyObject *self, PyObject *args)
{
    PyObject *plan, *replies, *result;
    Writing writing;
    Py_ssize_t place, most;
    int is_started;

    memset(&writing, 0, sizeof writing);
    writing.lines = (Lines *)self;
    if (!PyArg_ParseTuple(args, "OOnOnpp:write", &plan, &replies, &place, &writing.on_map, &most,
                          &writing.is_plain, &is_started)) {
        return NULL;
    }
    if (!is_plan(plan) || !PyList_Check(replies)) {
        PyErr_SetString(PyExc_TypeError, "write takes a plan, and a list");
        return NULL;
    }
    if (place < 0 || (is_started && writing.lines->shards == 0)) {
        PyErr_SetString(PyExc_ValueError, "no such place, or no shard");
        return NULL;
    }
    writing.plan = (Plan *)plan;
    result = write_run(&writing, replies, place, most, is_started);
    PyMem_Free(writing.left.start);
    PyMem_Free(writing.alone.start);
    PyMem_Free(writing.unknown.start);
    PyMem_Free(writing.new_maps.start);
    PyMem_Free(writing.labels.start);
    PyMem_Free(writing.commands);
    return result;
}
