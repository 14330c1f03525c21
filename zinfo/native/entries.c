/* encode_entries: the same few fields of many shards, as a sequence of msgpack maps.
 *
 * It stops before a shard that is not one of the plain cases; Python encodes that one. */
#include "entry.h"

enum { SNAPSHOT, STATE, VALUE_OF_STATE, RAW, AT, REVISION, TIME, ATTRIBUTES };

static const char *const attributes[ATTRIBUTES] = {"snapshot", "_state",   "_value_", "raw",
                                                   "at",       "revision", "time"};

#define META_PAIRS 6
#define MAX_SEARCHED (8 << 20) /* bytes searched, over all names: one to two milliseconds */

typedef struct {
    PyObject *attributes[ATTRIBUTES]; /* names of the attributes */
    PyObject *names;                  /* names of the fields */
    Span kinds;
    double now;
    double oldest; /* earliest arrival of a reply, by the monotonic clock */
} Query;

/* Values of the attributes of a shard and its snapshot, as owned references. */
typedef struct {
    PyObject *of[ATTRIBUTES];
    double age;
} ShardValues;

static int
write_name(Buffer *buffer, const char *name, Py_ssize_t size)
{
    Span text = {name, name + size};
    return write_text(buffer, text);
}

#define WRITE_NAME(buffer, name) write_name(buffer, name, (Py_ssize_t)sizeof name - 1)

static void
release(ShardValues *values)
{
    int index;

    for (index = 0; index < ATTRIBUTES; index++) {
        Py_XDECREF(values->of[index]);
    }
}

/* 1: done; 0: the shard has no reply, or it is too old; -1: an error. */
static int
read_shard(PyObject *shard, const Query *query, ShardValues *values)
{
    double at;
    int index;

    for (index = 0; index < ATTRIBUTES; index++) {
        PyObject *owner = index >= RAW              ? values->of[SNAPSHOT]
                          : index == VALUE_OF_STATE ? values->of[STATE]
                                                    : shard;
        values->of[index] = PyObject_GetAttr(owner, query->attributes[index]);
        if (values->of[index] == NULL) {
            return -1;
        }
        if (index == SNAPSHOT && values->of[SNAPSHOT] == Py_None) {
            return 0;
        }
    }
    at = PyFloat_AsDouble(values->of[AT]);
    if (at == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    values->age = query->now - at;
    return at >= query->oldest;
}

/* Write `meta`, with its keys in the same order as in Python. Return values as of write_value. */
static int
write_meta(Buffer *buffer, PyObject *id, const ShardValues *values)
{
    int done;

    if (!WRITE_NAME(buffer, "meta") || !write_short_map(buffer, META_PAIRS) ||
        !WRITE_NAME(buffer, "shard_identifier")) {
        return -1;
    }
    done = write_plain(buffer, id);
    if (done == 1) {
        done = WRITE_NAME(buffer, "id") ? write_plain(buffer, id) : -1;
    }
    if (done == 1) {
        done = WRITE_NAME(buffer, "info_age") &&
                       write_fraction(buffer, values->age > 0 ? values->age : 0.0) &&
                       WRITE_NAME(buffer, "state")
                   ? write_plain(buffer, values->of[VALUE_OF_STATE])
                   : -1;
    }
    if (done == 1) {
        done = WRITE_NAME(buffer, "revision") ? write_plain(buffer, values->of[REVISION]) : -1;
    }
    if (done == 1) {
        done = WRITE_NAME(buffer, "time") ? write_plain(buffer, values->of[TIME]) : -1;
    }
    return done;
}

static int
write_map(Buffer *buffer, PyObject *id, const Query *query, const ShardValues *values)
{
    size_t head = buffer->used, pairs = 1;
    Span text;
    int done;

    if (!PyBytes_Check(values->of[RAW])) {
        return 0;
    }
    text = bytes_of(values->of[RAW]);
    if (text.start == text.end) { /* a client library parsed the fields */
        return 0;
    }
    if (!write_short_map(buffer, 0)) { /* the number of pairs is set below */
        return -1;
    }
    done = write_fields(buffer, text, query->names, query->kinds, &pairs);
    if (done == 1) {
        done = write_meta(buffer, id, values);
    }
    if (done == 1) {
        buffer->start[head] = (char)(0x80 | pairs);
    }
    return done;
}

/* Write maps until a shard is left to Python or a limit is reached. Returns the number of shards
 * processed; `maps` is the largest number of maps, then the number written. */
static Py_ssize_t
write_maps(Buffer *buffer, PyObject *ids, PyObject *shards, const Query *query, size_t room,
           Py_ssize_t *maps)
{
    Py_ssize_t index, most = *maps, searched = 0;

    *maps = 0;
    for (index = 0; index < PyList_Size(shards) && *maps < most && searched < MAX_SEARCHED;
         index++) {
        PyObject *shard = PyList_GetItem(shards, index);
        ShardValues values = {{NULL}, 0.0};
        size_t used = buffer->used;
        int has_reply = shard == Py_None ? 0 : read_shard(shard, query, &values);
        int done = has_reply;
        if (has_reply == 1) {
            done = write_map(buffer, PyList_GetItem(ids, index), query, &values);
            done = done == 1 && buffer->used > room ? 0 : done;
        }
        if (done == 1) {
            searched += PyBytes_Size(values.of[RAW]) * PyTuple_Size(query->names);
        }
        release(&values);
        if (has_reply != 0 && done != 1) {
            PyErr_Clear(); /* Python repeats it, and raises the error */
            buffer->used = used;
            break;
        }
        *maps += done;
    }
    return index;
}

static int
make_names(Query *query)
{
    int index;

    for (index = 0; index < ATTRIBUTES; index++) {
        query->attributes[index] = PyUnicode_InternFromString(attributes[index]);
        if (query->attributes[index] == NULL) {
            return 0;
        }
    }
    return 1;
}

PyObject *
encode_entries(PyObject *Py_UNUSED(module), PyObject *args)
{
    Query query = {{NULL}, NULL, {NULL, NULL}, 0.0, 0.0};
    Buffer buffer = {NULL, 0, 0};
    PyObject *ids, *shards, *kinds, *found = NULL;
    Py_ssize_t room, maps, taken;
    int index;

    if (!PyArg_ParseTuple(args, "O!O!OOddnn:encode_entries", &PyList_Type, &ids, &PyList_Type,
                          &shards, &query.names, &kinds, &query.now, &query.oldest, &maps,
                          &room)) {
        return NULL;
    }
    if (!are_names(query.names, kinds) || PyBytes_Size(kinds) + 1 > MAX_SHORT_MAP || room < 0 ||
        PyList_Size(ids) != PyList_Size(shards)) {
        PyErr_SetString(PyExc_TypeError,
                        "encode_entries takes an id for each shard, and names as bytes with a "
                        "kind for each");
        return NULL;
    }
    query.kinds = bytes_of(kinds);
    if (make_names(&query) && reserve(&buffer, 1)) {
        PyObject *packed;
        taken = write_maps(&buffer, ids, shards, &query, (size_t)room, &maps);
        packed = PyBytes_FromStringAndSize(buffer.start, (Py_ssize_t)buffer.used);
        found = packed == NULL ? NULL : Py_BuildValue("(Nnn)", packed, maps, taken);
    }
    for (index = 0; index < ATTRIBUTES; index++) {
        Py_XDECREF(query.attributes[index]);
    }
    PyMem_Free(buffer.start);
    return found;
}
