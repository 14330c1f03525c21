/* apply_deltas: applies the deltas of a batch to the shards of a Mirror. */
#include "delta.h"

#define MAX_MESSAGES 65536 /* of a batch; Python reads more */

/* What one call works on; all references are borrowed. */
typedef struct {
    PyObject *records; /* dict: shard to record */
    PyObject *last;    /* dict: shard to its newest revision */
    PyObject *suspects;
    PyObject *found; /* list */
    double offset;
    double now;
    Py_ssize_t most; /* bytes of the deltas of a shard */
    Wanted wanted;
    Fold *memory;
    PyObject *names[4]; /* of the attributes of a record; strong references */
} Job;

enum { REVISION, TIME, POLLED_AT, DELTA };

static int
read_names(Wanted *wanted, PyObject *names)
{
    Py_ssize_t index;

    wanted->number = 0;
    wanted->lengths = 0;
    if (PyTuple_Size(names) > MAX_WANTED) {
        PyErr_SetString(PyExc_ValueError, "there are too many names");
        return 0;
    }
    for (index = 0; index < PyTuple_Size(names); index++) {
        PyObject *name = PyTuple_GetItem(names, index);
        if (!PyBytes_Check(name)) {
            PyErr_SetString(PyExc_TypeError, "names are bytes");
            return 0;
        }
        wanted->names[wanted->number++] = bytes_of(name);
        wanted->lengths |= 1ull << PyBytes_Size(name) % 64;
    }
    return 1;
}

/* Read all of a batch but the bodies. 1; 0: Python has to do it; -1: an error. */
static int
read_envelopes(Span packed, long long epoch, PyObject *shards, Delta *deltas, size_t number)
{
    size_t index;

    for (index = 0; index < number; index++) {
        if (!read_envelope(&packed, epoch, &deltas[index])) {
            return 0;
        }
        deltas[index].shard = find_shard(shards, deltas[index].topic);
        if (deltas[index].shard == NULL) {
            return -1;
        }
    }
    return packed.start == packed.end;
}

/* Return whether a number is in a dict; -1: an error. */
static int
has_number(PyObject *dict, PyObject *key, long long number)
{
    PyObject *value = PyDict_GetItemWithError(dict, key);
    long long found;

    if (value == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    found = PyLong_AsLongLong(value);
    return found == -1 && PyErr_Occurred() ? -1 : found == number;
}

static int
set_attribute(PyObject *object, PyObject *name, PyObject *value)
{
    int failed = value == NULL || PyObject_SetAttr(object, name, value) < 0;

    Py_XDECREF(value);
    return failed ? -1 : 1;
}

/* Note the wanted fields of the last delta. 1; -1: an error. */
static int
report(const Job *job, const Delta *delta)
{
    PyObject *fields = found_fields(job->memory), *item;
    int failed;

    if (fields == NULL) {
        return PyErr_Occurred() ? -1 : 1;
    }
    item = Py_BuildValue("(OLLdN)", delta->shard, delta->revision, delta->base, delta->time,
                         fields);
    failed = item == NULL || PyList_Append(job->found, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 1;
}

/* Store what was folded. Return values as of apply. */
static int
store(const Job *job, const Delta *delta, PyObject *record, PyObject *folded)
{
    double polled_at = delta->time + job->offset;
    PyObject *revision = PyLong_FromLongLong(delta->revision);
    int done;

    if (revision == NULL || PyDict_SetItem(job->last, delta->shard, revision) < 0) {
        Py_XDECREF(revision);
        Py_DECREF(folded);
        return -1;
    }
    if (polled_at > job->now) {
        polled_at = job->now;
    }
    done = set_attribute(record, job->names[DELTA], folded);
    if (done > 0) {
        done = set_attribute(record, job->names[REVISION], revision);
    }
    else {
        Py_DECREF(revision);
    }
    if (done > 0) {
        done = set_attribute(record, job->names[TIME], PyFloat_FromDouble(delta->time));
    }
    if (done > 0) {
        done = set_attribute(record, job->names[POLLED_AT], PyFloat_FromDouble(polled_at));
    }
    return done > 0 ? report(job, delta) : done;
}

/* Return whether a delta is the next one of its shard; -1: an error. */
static int
is_next(const Job *job, const Delta *delta, PyObject *record)
{
    PyObject *value;
    long long stored;
    int done = has_number(job->last, delta->shard, delta->revision - 1);

    if (done <= 0) {
        return done;
    }
    done = PySet_Contains(job->suspects, delta->shard);
    if (done) {
        return done < 0 ? -1 : 0;
    }
    value = PyObject_GetAttr(record, job->names[REVISION]);
    if (value == NULL) {
        return -1;
    }
    stored = PyLong_AsLongLong(value);
    Py_DECREF(value);
    return stored == -1 && PyErr_Occurred() ? -1 : stored == delta->revision - 1;
}

/* Apply a delta. 1; 0: Python has to do it, and nothing was changed; -1: an error. */
static int
apply(const Job *job, Delta *delta)
{
    PyObject *record = PyDict_GetItemWithError(job->records, delta->shard), *old, *folded;
    Span waiting = {NULL, NULL};
    int done;

    if (record == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (delta->revision < 2) {
        return 0; /* it has no base */
    }
    done = is_next(job, delta, record);
    if (done <= 0) {
        return done;
    }
    old = PyObject_GetAttr(record, job->names[DELTA]);
    if (old == NULL) {
        return -1;
    }
    if (PyBytes_Check(old)) {
        waiting = bytes_of(old);
    }
    if ((waiting.end - waiting.start) + (delta->body.end - delta->body.start) > job->most) {
        Py_DECREF(old);
        return 0;
    }
    folded = fold(job->memory, waiting, delta, &job->wanted);
    Py_DECREF(old); /* the record has another reference */
    if (folded == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (delta->base != delta->revision - 1) {
        Py_DECREF(folded);
        return 0;
    }
    Py_INCREF(record); /* setting an attribute may run any code */
    done = store(job, delta, record, folded);
    Py_DECREF(record);
    return done;
}

/* Apply deltas up to the first that Python has to apply; return their number, or -1. */
static Py_ssize_t
apply_all(Job *job, Delta *deltas, size_t number)
{
    static const char *const names[4] = {"revision", "time", "polled_at", "_delta"};
    Py_ssize_t applied = 0;
    int index, done = 1;

    for (index = 0; index < 4; index++) {
        job->names[index] = PyUnicode_InternFromString(names[index]);
        done = job->names[index] == NULL ? -1 : done;
    }
    job->memory = done > 0 ? new_fold() : NULL;
    if (job->memory == NULL) {
        done = -1;
    }
    while (done > 0 && (size_t)applied < number) {
        done = apply(job, &deltas[applied]);
        applied += done > 0;
    }
    PyMem_Free(job->memory);
    for (index = 0; index < 4; index++) {
        Py_XDECREF(job->names[index]);
    }
    return done < 0 ? -1 : applied;
}

PyObject *
apply_deltas(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *batch, *shards, *names, *result = NULL;
    Delta *deltas;
    long long epoch;
    size_t number, index;
    Span packed;
    int done;
    Job job;

    if (!PyArg_ParseTuple(args, "SLOO!O!O!ddnO!O!:apply_deltas", &batch, &epoch, &shards,
                          &PyDict_Type, &job.records, &PyDict_Type, &job.last, &PySet_Type,
                          &job.suspects, &job.offset, &job.now, &job.most, &PyTuple_Type, &names,
                          &PyList_Type, &job.found) ||
        !read_names(&job.wanted, names)) {
        return NULL;
    }
    packed = bytes_of(batch);
    if (!read_array(&packed, &number) || number > MAX_MESSAGES) {
        Py_RETURN_NONE;
    }
    deltas = PyMem_Calloc(number + 1, sizeof *deltas);
    if (deltas == NULL) {
        return PyErr_NoMemory();
    }
    done = read_envelopes(packed, epoch, shards, deltas, number);
    if (done > 0) {
        Py_ssize_t applied = apply_all(&job, deltas, number);
        if (applied >= 0) {
            result = Py_BuildValue("(nn)", applied, (Py_ssize_t)number - applied);
        }
    }
    else if (!done) {
        result = Py_NewRef(Py_None);
    }
    for (index = 0; index < number; index++) {
        Py_XDECREF(deltas[index].shard);
    }
    PyMem_Free(deltas);
    return result;
}
