/* The same few fields of many shards: a msgpack map for each of them, one after the other.
 *
 * What is unusual in any way ends the row before it, and is Python's to write. */
#include "entry.h"

enum { SNAPSHOT, STATE, VALUE_OF_STATE, RAW, AT, REVISION, TIME, ATTRIBUTES };

static const char *const attributes[ATTRIBUTES] = {"snapshot", "state",    "_value_", "raw",
                                                   "at",       "revision", "time"};

#define META_PAIRS 5
#define MOST_SEARCHED (8 << 20) /* bytes, for all names together: one to two milliseconds */

typedef struct {
    PyObject *attributes[ATTRIBUTES]; /* their names */
    PyObject *names;                  /* of the wanted fields */
    Span kinds;
    double now;
    double oldest; /* when a reply came at the earliest */
} Wanted;

/* What is told of one shard; each is a reference of its own. */
typedef struct {
    PyObject *of[ATTRIBUTES];
    double age;
} Told;

static int
write_name(Buffer *buffer, const char *name, Py_ssize_t size)
{
    Span text = {name, name + size};
    return write_text(buffer, text);
}

#define WRITE_NAME(buffer, name) write_name(buffer, name, (Py_ssize_t)sizeof name - 1)

static void
forget(Told *told)
{
    int place;

    for (place = 0; place < ATTRIBUTES; place++) {
        Py_XDECREF(told->of[place]);
    }
}

/* 1: done; 0: there is no reply, or it is too old; -1: an error. */
static int
look_up(PyObject *shard, const Wanted *wanted, Told *told)
{
    double at;
    int place;

    for (place = 0; place < ATTRIBUTES; place++) {
        PyObject *owner = place >= RAW              ? told->of[SNAPSHOT]
                          : place == VALUE_OF_STATE ? told->of[STATE]
                                                    : shard;
        told->of[place] = PyObject_GetAttr(owner, wanted->attributes[place]);
        if (told->of[place] == NULL) {
            return -1;
        }
        if (place == SNAPSHOT && told->of[SNAPSHOT] == Py_None) {
            return 0;
        }
    }
    at = PyFloat_AsDouble(told->of[AT]);
    if (at == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    told->age = wanted->now - at;
    return at >= wanted->oldest;
}

/* As msgpack, in the order in which Python tells them. Returns as write_value does. */
static int
write_meta(Buffer *buffer, PyObject *id, const Told *told)
{
    int done;

    if (!WRITE_NAME(buffer, "meta") || !write_short_map(buffer, META_PAIRS) ||
        !WRITE_NAME(buffer, "shard_identifier")) {
        return -1;
    }
    done = write_plain(buffer, id);
    if (done == 1) {
        done = WRITE_NAME(buffer, "info_age") &&
                       write_fraction(buffer, told->age > 0 ? told->age : 0.0) &&
                       WRITE_NAME(buffer, "state")
                   ? write_plain(buffer, told->of[VALUE_OF_STATE])
                   : -1;
    }
    if (done == 1) {
        done = WRITE_NAME(buffer, "revision") ? write_plain(buffer, told->of[REVISION]) : -1;
    }
    if (done == 1) {
        done = WRITE_NAME(buffer, "time") ? write_plain(buffer, told->of[TIME]) : -1;
    }
    return done;
}

static int
write_row(Buffer *buffer, PyObject *id, const Wanted *wanted, const Told *told)
{
    size_t head = buffer->used, pairs = 1;
    Span text;
    int done;

    if (!PyBytes_Check(told->of[RAW])) {
        return 0;
    }
    text = bytes_of(told->of[RAW]);
    if (text.start == text.end) { /* its fields came without a reply */
        return 0;
    }
    if (!write_short_map(buffer, 0)) { /* its number is put right below */
        return -1;
    }
    done = write_fields(buffer, text, wanted->names, wanted->kinds, &pairs);
    if (done == 1) {
        done = write_meta(buffer, id, told);
    }
    if (done == 1) {
        buffer->start[head] = (char)(0x80 | pairs);
    }
    return done;
}

/* Write rows until one is Python's, or over the bounds. Returns how many shards that took. */
static Py_ssize_t
write_rows(Buffer *buffer, PyObject *ids, PyObject *shards, const Wanted *wanted, size_t room,
           Py_ssize_t *rows)
{
    Py_ssize_t place, most = *rows, searched = 0;

    *rows = 0;
    for (place = 0; place < PyList_Size(shards) && *rows < most && searched < MOST_SEARCHED;
         place++) {
        PyObject *shard = PyList_GetItem(shards, place);
        Told told = {{NULL}, 0.0};
        size_t used = buffer->used;
        int has_reply = shard == Py_None ? 0 : look_up(shard, wanted, &told);
        int done = has_reply;
        if (has_reply == 1) {
            done = write_row(buffer, PyList_GetItem(ids, place), wanted, &told);
            done = done == 1 && buffer->used > room ? 0 : done;
        }
        if (done == 1) {
            searched += PyBytes_Size(told.of[RAW]) * PyTuple_Size(wanted->names);
        }
        forget(&told);
        if (has_reply != 0 && done != 1) {
            PyErr_Clear(); /* Python meets it again, and says what it is */
            buffer->used = used;
            break;
        }
        *rows += done;
    }
    return place;
}

static int
make_names(Wanted *wanted)
{
    int place;

    for (place = 0; place < ATTRIBUTES; place++) {
        wanted->attributes[place] = PyUnicode_InternFromString(attributes[place]);
        if (wanted->attributes[place] == NULL) {
            return 0;
        }
    }
    return 1;
}

PyObject *
encode_entries(PyObject *Py_UNUSED(module), PyObject *args)
{
    Wanted wanted = {{NULL}, NULL, {NULL, NULL}, 0.0, 0.0};
    Buffer buffer = {NULL, 0, 0};
    PyObject *ids, *shards, *kinds, *found = NULL;
    Py_ssize_t room, rows, taken;
    int place;

    if (!PyArg_ParseTuple(args, "O!O!OOddnn:encode_entries", &PyList_Type, &ids, &PyList_Type,
                          &shards, &wanted.names, &kinds, &wanted.now, &wanted.oldest, &rows,
                          &room)) {
        return NULL;
    }
    if (!are_names(wanted.names, kinds) || PyBytes_Size(kinds) + 1 > MAX_SHORT_MAP || room < 0 ||
        PyList_Size(ids) != PyList_Size(shards)) {
        PyErr_SetString(PyExc_TypeError,
                        "encode_entries takes an id for each shard, and names as bytes with a "
                        "kind for each");
        return NULL;
    }
    wanted.kinds = bytes_of(kinds);
    if (make_names(&wanted) && reserve(&buffer, 1)) {
        PyObject *maps;
        taken = write_rows(&buffer, ids, shards, &wanted, (size_t)room, &rows);
        maps = PyBytes_FromStringAndSize(buffer.start, (Py_ssize_t)buffer.used);
        found = maps == NULL ? NULL : Py_BuildValue("(Nnn)", maps, rows, taken);
    }
    for (place = 0; place < ATTRIBUTES; place++) {
        Py_XDECREF(wanted.attributes[place]);
    }
    PyMem_Free(buffer.start);
    return found;
}
