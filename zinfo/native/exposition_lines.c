/* Lines: the samples of one scrape by metric, in a compact form.
 *
 * A record of a metric is:
 *   1 byte: NEW_SHARD, IS_TEXT and HAS_LABEL, and the number's length
 *   4 bytes if NEW_SHARD: the shard's place; it holds for the records that follow
 *   if IS_TEXT: 4 bytes length, and lines that Python wrote
 *   if HAS_LABEL: 1 byte kind, 1 byte length, and the label's value; or if the first byte is
 *   ALL_LABELS, 2 bytes length, and labels
 *   the number
 * That takes a sixth of the text's memory: the labels of a shard are stored once. */
#include "exposition.h"

#include <string.h>

#define NEW_SHARD 0x80
#define IS_TEXT 0x40
#define HAS_LABEL 0x20
#define LENGTH 0x1f
#define ALL_LABELS 0xff
#define HEAD 8           /* most bytes of a record beside label, number and text */
#define SMALL (64 << 10) /* bytes of a buffer that doubles; larger ones grow by a quarter */

static const char *const label_starts[MAP_KINDS] = {"cmd=\"", "err=\"", "cmd=\"", "db=\""};

/* Like `reserve`, for many buffers that grow large. */
static int
make_room(Buffer *buffer, size_t more)
{
    if (buffer->size - buffer->used < more) {
        size_t size = buffer->size + more + 64;
        char *start;
        size += size < SMALL ? size : size / 4;
        start = PyMem_Realloc(buffer->start, size);
        if (start == NULL) {
            PyErr_NoMemory();
            return 0;
        }
        buffer->start = start;
        buffer->size = size;
    }
    return 1;
}

static void
put(Buffer *buffer, const char *start, size_t size)
{
    memcpy(buffer->start + buffer->used, start, size);
    buffer->used += size;
}

Family *
lines_family(Lines *lines, int family)
{
    if (family < 0 || family > MAX_FAMILY) {
        PyErr_SetString(PyExc_ValueError, "no number of a metric");
        return NULL;
    }
    if (family >= lines->count) {
        int count = family + family / 2 + 64;
        Family *families = PyMem_Realloc(lines->families, (size_t)count * sizeof *families);
        if (families == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        memset(families + lines->count, 0, (size_t)(count - lines->count) * sizeof *families);
        lines->families = families;
        lines->count = count;
    }
    return lines->families + family;
}

/* Make room for a record and write its head; NULL if memory is exhausted. */
static Buffer *
start_record(Lines *lines, int number, int head, size_t more)
{
    Family *family = lines_family(lines, number);
    Buffer *buffer;

    if (family == NULL || !make_room(&family->records, HEAD + more)) {
        return NULL;
    }
    buffer = &family->records;
    if (family->stamp != lines->shards) {
        uint32_t shard = lines->shards - 1;
        family->stamp = lines->shards;
        family->mark = buffer->used;
        buffer->start[buffer->used++] = (char)(head | NEW_SHARD);
        put(buffer, (const char *)&shard, sizeof shard);
    }
    else {
        buffer->start[buffer->used++] = (char)head;
    }
    lines->written++;
    return buffer;
}

int
lines_add_number(Lines *lines, int family, const NumberText *number)
{
    Buffer *buffer = start_record(lines, family, number->size, (size_t)number->size);

    if (buffer == NULL) {
        return 0;
    }
    put(buffer, number->text, (size_t)number->size);
    return 1;
}

int
lines_add_part(Lines *lines, int family, int kind, Span label, Span extra,
               const NumberText *number)
{
    size_t size = (size_t)(label.end - label.start), more = (size_t)(extra.end - extra.start);
    Buffer *buffer = start_record(lines, family, HAS_LABEL | number->size,
                                  size + more + (size_t)number->size);

    if (buffer == NULL) {
        return 0;
    }
    buffer->start[buffer->used++] = (char)kind;
    buffer->start[buffer->used++] = (char)(size + more);
    put(buffer, label.start, size);
    put(buffer, extra.start, more);
    put(buffer, number->text, (size_t)number->size);
    return 1;
}

int
lines_add_labels(Lines *lines, int family, Span labels, const NumberText *number)
{
    uint16_t size = (uint16_t)(labels.end - labels.start);
    Buffer *buffer = start_record(lines, family, HAS_LABEL | number->size,
                                  (size_t)size + (size_t)number->size);

    if (buffer == NULL) {
        return 0;
    }
    buffer->start[buffer->used++] = (char)ALL_LABELS;
    put(buffer, (const char *)&size, sizeof size);
    put(buffer, labels.start, size);
    put(buffer, number->text, (size_t)number->size);
    return 1;
}

int
lines_add_text(Lines *lines, int family, Span text)
{
    uint32_t size = (uint32_t)(text.end - text.start);
    Buffer *buffer = start_record(lines, family, IS_TEXT, sizeof size + size);

    if (buffer == NULL) {
        return 0;
    }
    put(buffer, (const char *)&size, sizeof size);
    put(buffer, text.start, size);
    lines->written--; /* counted as one */
    while (text.start < text.end) {
        int has_end;
        next_line(&text, &has_end);
        lines->written += has_end;
    }
    return 1;
}

Span
lines_labels(const Lines *lines, uint32_t shard)
{
    size_t start = shard == 0 ? 0 : lines->ends[shard - 1];
    Span text = {lines->texts.start + start, lines->texts.start + lines->ends[shard]};
    return text;
}

static PyObject *
start_shard(PyObject *self, PyObject *text)
{
    Lines *lines = (Lines *)self;
    Span labels;

    if (!PyBytes_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "labels are bytes");
        return NULL;
    }
    labels = bytes_of(text);
    if (lines->shards == lines->size) {
        uint32_t size = lines->size * 2 + 16;
        size_t *ends = PyMem_Realloc(lines->ends, size * sizeof *ends);
        if (ends == NULL) {
            return PyErr_NoMemory();
        }
        lines->ends = ends;
        lines->size = size;
    }
    if (!make_room(&lines->texts, (size_t)(labels.end - labels.start) + 1)) {
        return NULL;
    }
    put(&lines->texts, labels.start, (size_t)(labels.end - labels.start));
    lines->ends[lines->shards++] = lines->texts.used;
    lines->written = 0;
    return Py_NewRef(Py_None);
}

static PyObject *
add_text(PyObject *self, PyObject *args)
{
    PyObject *text;
    int family;

    if (!PyArg_ParseTuple(args, "iS:add_text", &family, &text)) {
        return NULL;
    }
    if (((Lines *)self)->shards == 0 || PyBytes_Size(text) > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "no shard, or a text over 2 GiB");
        return NULL;
    }
    return lines_add_text((Lines *)self, family, bytes_of(text)) ? Py_NewRef(Py_None) : NULL;
}

/* Return whether the text of a number fits into a record. */
static int
take_number(PyObject *object, NumberText *number)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(object, &size);

    if (text == NULL) {
        return 0;
    }
    if (size > MAX_NUMBER) {
        PyErr_SetString(PyExc_ValueError, "no text of a number");
        return 0;
    }
    memcpy(number->text, text, (size_t)size);
    number->size = (int)size;
    return 1;
}

static PyObject *
add_sample(PyObject *self, PyObject *args)
{
    Lines *lines = (Lines *)self;
    PyObject *labels, *text;
    NumberText number;
    int family, done;

    if (!PyArg_ParseTuple(args, "iSU:add_sample", &family, &labels, &text) ||
        !take_number(text, &number)) {
        return NULL;
    }
    if (lines->shards == 0 || PyBytes_Size(labels) > UINT16_MAX) {
        PyErr_SetString(PyExc_ValueError, "no shard, or labels over 64 KiB");
        return NULL;
    }
    done = PyBytes_Size(labels) > 0
               ? lines_add_labels(lines, family, bytes_of(labels), &number)
               : lines_add_number(lines, family, &number);
    return done ? Py_NewRef(Py_None) : NULL;
}

/* Remove the records of the last shard. */
static PyObject *
undo(PyObject *self, PyObject *Py_UNUSED(args))
{
    Lines *lines = (Lines *)self;
    int index;

    for (index = 0; index < lines->count; index++) {
        Family *family = lines->families + index;
        if (lines->shards > 0 && family->stamp == lines->shards) {
            family->records.used = family->mark;
            family->stamp = 0;
        }
        /* Shards are counted from 1, so that 0 is none. */
        family->claim = 0;
        family->part = 0;
    }
    lines->written = 0;
    return Py_NewRef(Py_None);
}

static PyObject *
write_method(PyObject *self, PyObject *args)
{
    PyObject *plan, *raw, *on_map, *state;
    ShardFacts facts;
    long long now;

    if (!PyArg_ParseTuple(args, "OSLOSLd:write", &plan, &raw, &now, &on_map, &state,
                          &facts.failures, &facts.age)) {
        return NULL;
    }
    if (((Lines *)self)->shards == 0) {
        PyErr_SetString(PyExc_ValueError, "no shard");
        return NULL;
    }
    if (!is_plan(plan)) {
        PyErr_SetString(PyExc_TypeError, "write takes a plan");
        return NULL;
    }
    facts.state = bytes_of(state);
    if (facts.state.end - facts.state.start > UINT16_MAX) {
        PyErr_SetString(PyExc_ValueError, "labels over 64 KiB");
        return NULL;
    }
    return write_reply((Lines *)self, (Plan *)plan, bytes_of(raw), now, on_map, &facts);
}

static PyObject *
written(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((Lines *)self)->written);
}

static PyObject *
size_of(PyObject *self, PyObject *args)
{
    Lines *lines = (Lines *)self;
    int family;

    if (!PyArg_ParseTuple(args, "i:size", &family)) {
        return NULL;
    }
    return PyLong_FromSize_t(
        family >= 0 && family < lines->count ? lines->families[family].records.used : 0);
}

/* Where a piece begins: a record, and the shard that it is of. */
typedef struct {
    size_t at;
    unsigned int shard;
} Place;

static uint32_t
take_uint32(const Buffer *records, size_t *at)
{
    uint32_t number;

    memcpy(&number, records->start + *at, sizeof number);
    *at += sizeof number;
    return number;
}

/* The label of a record: `start`, its value, `end`. */
typedef struct {
    const char *start;
    Span value;
    const char *end;
} Label;

static Label
take_label(const Buffer *records, size_t *at)
{
    Label label = {"", {"", ""}, ""};
    int kind = (unsigned char)records->start[(*at)++];
    size_t size;

    if (kind == ALL_LABELS) {
        uint16_t length;
        memcpy(&length, records->start + *at, sizeof length);
        *at += sizeof length;
        size = length;
    }
    else {
        size = (unsigned char)records->start[(*at)++];
        label.start = label_starts[kind];
        label.end = "\"";
    }
    label.value.start = records->start + *at;
    label.value.end = label.value.start + size;
    *at += size;
    return label;
}

static void
put_span(Buffer *buffer, Span text)
{
    put(buffer, text.start, (size_t)(text.end - text.start));
}

static void
put_string(Buffer *buffer, const char *text)
{
    put(buffer, text, strlen(text));
}

/* Write the line of a record that is not text, whose head ends before `at`. */
static int
write_line(Buffer *text, const Buffer *records, size_t *at, int head, Span name, Span labels)
{
    size_t number = (size_t)(head & LENGTH);
    Label label = {"", {"", ""}, ""};

    if (head & HAS_LABEL) {
        label = take_label(records, at);
    }
    if (!make_room(text, (size_t)(name.end - name.start) + (size_t)(labels.end - labels.start) +
                             (size_t)(label.value.end - label.value.start) + number + 32)) {
        return 0;
    }
    put_span(text, name);
    put_string(text, "{");
    put_span(text, labels);
    if (head & HAS_LABEL) {
        put_string(text, labels.end > labels.start ? "," : "");
        put_string(text, label.start);
        put_span(text, label.value);
        put_string(text, label.end);
    }
    put_string(text, "} ");
    put(text, records->start + *at, number);
    *at += number;
    put_string(text, "\n");
    return 1;
}

static int
expand(const Lines *lines, const Buffer *records, Span name, size_t room, Place *place,
       Buffer *text)
{
    Span labels = {"", ""};
    int has_labels = 0;

    while (place->at < records->used && text->used < room) {
        int head = (unsigned char)records->start[place->at++];
        if (head & NEW_SHARD) {
            place->shard = take_uint32(records, &place->at);
            has_labels = 0;
        }
        if (head & IS_TEXT) {
            size_t size = take_uint32(records, &place->at);
            if (!make_room(text, size)) {
                return 0;
            }
            put(text, records->start + place->at, size);
            place->at += size;
            continue;
        }
        if (!has_labels) {
            labels = lines_labels(lines, place->shard);
            has_labels = 1;
        }
        if (!write_line(text, records, &place->at, head, name, labels)) {
            return 0;
        }
    }
    return 1;
}

static PyObject *
piece(PyObject *self, PyObject *args)
{
    Lines *lines = (Lines *)self;
    Buffer text = {NULL, 0, 0};
    PyObject *name, *found = NULL;
    Py_ssize_t at, room;
    Place place;
    int family;

    if (!PyArg_ParseTuple(args, "iSnIn:piece", &family, &name, &at, &place.shard, &room)) {
        return NULL;
    }
    if (family < 0 || family >= lines->count || at < 0 || place.shard >= lines->shards ||
        (size_t)at > lines->families[family].records.used || room < 1) {
        PyErr_SetString(PyExc_ValueError, "no such place");
        return NULL;
    }
    place.at = (size_t)at;
    if (make_room(&text, (size_t)room + 1024) &&
        expand(lines, &lines->families[family].records, bytes_of(name), (size_t)room, &place,
               &text)) {
        PyObject *bytes = PyBytes_FromStringAndSize(text.start, (Py_ssize_t)text.used);
        found = bytes == NULL
                    ? NULL
                    : Py_BuildValue("(NnI)", bytes, (Py_ssize_t)place.at, place.shard);
    }
    PyMem_Free(text.start);
    return found;
}

static void
dealloc(PyObject *self)
{
    Lines *lines = (Lines *)self;
    PyTypeObject *type = Py_TYPE(self);
    int index;

    for (index = 0; index < lines->count; index++) {
        PyMem_Free(lines->families[index].records.start);
    }
    PyMem_Free(lines->families);
    PyMem_Free(lines->texts.start);
    PyMem_Free(lines->ends);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef lines_methods[] = {
    {"start_shard", start_shard, METH_O,
     "start_shard(labels)\n--\n\nStart a shard that has these labels, in the text format."},
    {"write", write_method, METH_VARARGS,
     "write(plan, raw, now, on_map, state, failures, age)\n--\n\n"
     "Write the samples of a reply, and those about its shard.\n\n"
     "Args:\n"
     "    plan: says what each field becomes.\n"
     "    raw: the reply.\n"
     "    now: when it arrived, in seconds since the Unix epoch.\n"
     "    on_map: called with the line of a map that Python has to write at once.\n"
     "    state: labels of the shard's state, in the text format.\n"
     "    failures: its consecutive failed polls.\n"
     "    age: of the reply, in seconds.\n\n"
     "Returns:\n"
     "    None if Python has to write all samples of the shard; else a tuple: the lines that are\n"
     "    left to Python; those of them whose samples depend on the line alone; names that the plan does not know; lines of maps with unknown parts;\n"
     "    whether Python has to write the samples about the server itself; and the number of bad lines."},
    {"add_text", add_text, METH_VARARGS,
     "add_text(family, text)\n--\n\nAdd lines of the shard, each with its LF."},
    {"add_sample", add_sample, METH_VARARGS,
     "add_sample(family, labels, number)\n--\n\n"
     "Add a sample of the shard, with labels of its own in the text format, at most 64 KiB."},
    {"undo", undo, METH_NOARGS, "undo()\n--\n\nRemove the samples of the last shard."},
    {"size", size_of, METH_VARARGS,
     "size(family)\n--\n\nReturn the bytes that the samples of a metric take here."},
    {"piece", piece, METH_VARARGS,
     "piece(family, name, at, shard, room)\n--\n\n"
     "Return a piece of the text of a metric, and where the next one begins.\n\n"
     "Args:\n"
     "    family: number of the metric.\n"
     "    name: its name.\n"
     "    at: where the piece begins; 0 for the first.\n"
     "    shard: the shard there; 0 for the first.\n"
     "    room: the piece ends after the line that reaches this number of bytes.\n\n"
     "Returns:\n"
     "    The text, and `at` and `shard` of the next piece; `at` is `size(family)` at the end."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef lines_attributes[] = {
    {"written", written, NULL, "Lines of the last shard.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot lines_slots[] = {
    {Py_tp_doc, "Lines()\n--\n\nThe samples of one scrape by metric, in a compact form."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, lines_methods},
    {Py_tp_getset, lines_attributes},
    {0, NULL},
};

PyType_Spec lines_spec = {
    .name = "zinfo._native.Lines",
    .basicsize = sizeof(Lines),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = lines_slots,
};
