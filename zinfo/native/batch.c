/* read_deltas: reads the deltas of a batch of the bus; their fields are checked, not decoded. */
#include <math.h>

#include "delta.h"

#define VERSION 1 /* of the wire: zinfo/wire/codec.py */

/* Read the header of a bus message. */
static int
read_bus_header(Span packed, long long epoch, Delta *delta)
{
    long long version, found;
    size_t items;
    Span node;

    return read_array(&packed, &items) && items == 5 && read_integer(&packed, &version) &&
           version == VERSION && read_ascii(&packed, &node) && read_integer(&packed, &found) &&
           found == epoch && read_integer(&packed, &delta->revision) &&
           read_double(&packed, &delta->time) && isfinite(delta->time) &&
           packed.start == packed.end;
}

/* Check the body of a delta, and read its base. */
static int
read_body(Span packed, Delta *delta)
{
    size_t keys, count;
    Span name;

    if (!read_map(&packed, &keys) || keys != 3 || !read_key(&packed, "set", 3) ||
        !read_map(&packed, &count)) {
        return 0;
    }
    for (; count; count--) {
        if (!read_ascii(&packed, &name) || !skip_value(&packed)) {
            return 0;
        }
    }
    if (!read_key(&packed, "unset", 5) || !read_array(&packed, &count)) {
        return 0;
    }
    for (; count; count--) {
        if (!read_ascii(&packed, &name)) {
            return 0;
        }
    }
    return read_key(&packed, "base", 4) && read_integer(&packed, &delta->base) &&
           packed.start == packed.end && delta->base >= 0 && delta->base < delta->revision;
}

int
read_envelope(Span *packed, long long epoch, Delta *delta)
{
    size_t frames;
    Span header;

    return read_array(packed, &frames) && frames == 3 && read_binary(packed, &delta->topic) &&
           read_binary(packed, &header) && read_binary(packed, &delta->body) &&
           read_bus_header(header, epoch, delta);
}

PyObject *
find_shard(PyObject *shards, Span topic)
{
    PyObject *key = PyBytes_FromStringAndSize(topic.start, (Py_ssize_t)left_of(&topic));
    PyObject *shard = key == NULL ? NULL : PyObject_GetItem(shards, key);

    Py_XDECREF(key);
    return shard;
}

static int
append(PyObject *deltas, const Delta *delta, PyObject *shards)
{
    PyObject *values[5], *item;
    Py_ssize_t index;
    int failed;

    values[0] = find_shard(shards, delta->topic);
    if (values[0] == NULL) {
        return 0;
    }
    item = PyTuple_New(5);
    failed = item == NULL;
    values[1] = PyLong_FromLongLong(delta->revision);
    values[2] = PyLong_FromLongLong(delta->base);
    values[3] = PyFloat_FromDouble(delta->time);
    values[4] = PyBytes_FromStringAndSize(delta->body.start, (Py_ssize_t)left_of(&delta->body));
    for (index = 0; index < 5; index++) {
        failed |= values[index] == NULL;
        if (item == NULL) {
            Py_XDECREF(values[index]);
        }
        else {
            PyTuple_SetItem(item, index, values[index]);
        }
    }
    failed = failed || PyList_Append(deltas, item);
    Py_XDECREF(item);
    return !failed;
}

PyObject *
read_deltas(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *batch, *deltas, *shards;
    long long epoch;
    size_t messages;
    Span packed;

    if (!PyArg_ParseTuple(args, "SLO:read_deltas", &batch, &epoch, &shards)) {
        return NULL;
    }
    packed = bytes_of(batch);
    if (!read_array(&packed, &messages)) {
        Py_RETURN_NONE;
    }
    deltas = PyList_New(0);
    for (; deltas != NULL && messages; messages--) {
        Delta delta;
        if (!read_envelope(&packed, epoch, &delta) || !read_body(delta.body, &delta)) {
            Py_DECREF(deltas);
            Py_RETURN_NONE;
        }
        if (!append(deltas, &delta, shards)) {
            Py_CLEAR(deltas);
        }
    }
    if (deltas != NULL && packed.start != packed.end) {
        Py_DECREF(deltas);
        Py_RETURN_NONE;
    }
    return deltas;
}
