/* Lines: the type whose objects hold the samples of one scrape. */
#include "exposition_records.h"

int
lines_start_shard(Lines *lines, Span labels)
{
    size_t size = (size_t)(labels.end - labels.start);

    if (lines->shards == lines->size) {
        uint32_t count = lines->size * 2 + 16;
        size_t *ends = PyMem_Realloc(lines->ends, count * sizeof *ends);
        if (ends == NULL) {
            PyErr_NoMemory();
            return 0;
        }
        lines->ends = ends;
        lines->size = count;
    }
    if (!make_room(&lines->texts, size + 1)) {
        return 0;
    }
    put(lines->texts.start + lines->texts.used, labels.start, size);
    lines->texts.used += size;
    lines->ends[lines->shards++] = lines->texts.used;
    lines->written = 0;
    return 1;
}

static PyObject *
start_shard(PyObject *self, PyObject *text)
{
    if (!PyBytes_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "labels are bytes");
        return NULL;
    }
    return lines_start_shard((Lines *)self, bytes_of(text)) ? Py_NewRef(Py_None) : NULL;
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
    number->start = text; /* the object outlives the record */
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

/* Remove all shards, and return the bytes of the memory that is used again. */
static PyObject *
clear(PyObject *self, PyObject *Py_UNUSED(args))
{
    Lines *lines = (Lines *)self;
    size_t size = lines->texts.size + lines->piece.size + lines->size * sizeof *lines->ends;
    int index;

    for (index = 0; index < lines->count; index++) {
        Family *family = lines->families + index;
        Buffer records = family->records;
        memset(family, 0, sizeof *family);
        records.used = 0;
        family->records = records;
        size += records.size;
    }
    lines->texts.used = 0;
    lines->shards = 0;
    lines->written = 0;
    return PyLong_FromSize_t(size);
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

/* Write the text of a metric, with its head, from a place on. Sets the place where it continues. */
static int
write_part(Lines *lines, PyObject *part, size_t room, Place *place)
{
    PyObject *head, *name;
    Family *family;
    int number;

    if (!PyTuple_Check(part)) {
        PyErr_SetString(PyExc_TypeError, "a part is a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(part, "SiS:part", &head, &number, &name)) {
        return 0;
    }
    family = number >= 0 && number < lines->count ? lines->families + number : NULL;
    if (family == NULL || place->at > family->records.used ||
        (place->shard >= lines->shards && family->records.used > 0)) {
        PyErr_SetString(PyExc_ValueError, "no such place");
        return 0;
    }
    if (place->at == 0 && family->records.used > 0) {
        Span text = bytes_of(head);
        size_t size = (size_t)(text.end - text.start);
        if (!make_room(&lines->piece, size + 1)) {
            return 0;
        }
        put(lines->piece.start + lines->piece.used, text.start, size);
        lines->piece.used += size;
        /* A line follows, as the next piece would begin with the head, too. */
        room = room > lines->piece.used ? room : lines->piece.used + 1;
    }
    return lines_write_text(lines, number, bytes_of(name), room, place, &lines->piece);
}

static PyObject *
piece(PyObject *self, PyObject *args)
{
    Lines *lines = (Lines *)self;
    PyObject *parts, *bytes;
    Py_ssize_t index, at, room, count;
    Place place;

    if (!PyArg_ParseTuple(args, "OnnIn:piece", &parts, &index, &at, &place.shard, &room)) {
        return NULL;
    }
    if (!PyTuple_Check(parts) || index < 0 || at < 0 || room < 1 || room > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "no such place");
        return NULL;
    }
    count = PyTuple_Size(parts);
    place.at = (size_t)at;
    lines->piece.used = 0;
    while (index < count && lines->piece.used < (size_t)room) {
        PyObject *part = PyTuple_GetItem(parts, index);
        int number;
        if (part == NULL || !write_part(lines, part, (size_t)room, &place)) {
            return NULL;
        }
        number = PyLong_AsLong(PyTuple_GetItem(part, 1));
        if (place.at == lines->families[number].records.used) {
            index++;
            place.at = 0;
            place.shard = 0;
        }
    }
    bytes = PyBytes_FromStringAndSize(lines->piece.start, (Py_ssize_t)lines->piece.used);
    return bytes == NULL
               ? NULL
               : Py_BuildValue("(NnnI)", bytes, index, (Py_ssize_t)place.at, place.shard);
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
    PyMem_Free(lines->piece.start);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef lines_methods[] = {
    {"start_shard", start_shard, METH_O,
     "start_shard(labels)\n--\n\nStart a shard that has these labels, in the text format."},
    {"write", write_replies, METH_VARARGS,
     "write(plan, replies, place, on_map, most, is_plain, is_started)\n--\n\n"
     "Write the samples of some replies, and those about their shards.\n\n"
     "It ends after 128 KiB of replies, and after the first one that needs more work.\n\n"
     "Args:\n"
     "    plan: says what each field becomes.\n"
     "    replies: a list of tuples: the labels of the shard, in the text format; the reply; when\n"
     "        it arrived, in seconds since the Unix epoch; labels of the shard's state, in the\n"
     "        text format; consecutive failed polls; the age of the reply, in microseconds; a\n"
     "        tuple, and if it is not empty, the reply needs more work. There may be more items.\n"
     "    place: of the first reply that is written.\n"
     "    on_map: called with the line of a map that Python has to write at once, and the place\n"
     "        of its reply.\n"
     "    most: lines of a shard; one with more needs more work.\n"
     "    is_plain: whether fields are written whose samples depend on others, such as those of\n"
     "        a replica; else they are left.\n"
     "    is_started: whether the first reply is that of the last shard.\n\n"
     "Returns:\n"
     "    The place of the next reply, and what is missing of the last one: None if nothing is;\n"
     "    () if a sample depends on others in a way that only Python knows; else a tuple: the\n"
     "    lines that are left to Python; those of them whose samples depend on the line alone;\n"
     "    names that the plan does not know; lines of maps with unknown parts; whether Python\n"
     "    has to write the samples about the server itself; and the number of bad lines."},
    {"add_text", add_text, METH_VARARGS,
     "add_text(family, text)\n--\n\nAdd lines of the shard, each with its LF."},
    {"add_sample", add_sample, METH_VARARGS,
     "add_sample(family, labels, number)\n--\n\n"
     "Add a sample of the shard, with labels of its own in the text format, at most 64 KiB."},
    {"undo", undo, METH_NOARGS, "undo()\n--\n\nRemove the samples of the last shard."},
    {"clear", clear, METH_NOARGS,
     "clear()\n--\n\n"
     "Remove all shards. Return the bytes of the memory, which is used again."},
    {"size", size_of, METH_VARARGS,
     "size(family)\n--\n\nReturn the bytes that the samples of a metric take here."},
    {"piece", piece, METH_VARARGS,
     "piece(parts, index, at, shard, room)\n--\n\n"
     "Return a piece of the text of metrics, and where the next one begins.\n\n"
     "Args:\n"
     "    parts: a tuple for each metric: the text before its samples, its number, its name. One\n"
     "        without samples has no text.\n"
     "    index: of the part where the piece begins; 0 for the first piece.\n"
     "    at: where it begins there; 0 for the first piece.\n"
     "    shard: the shard there; 0 for the first piece.\n"
     "    room: the piece ends after the line that reaches this number of bytes.\n\n"
     "Returns:\n"
     "    The text, and `index`, `at` and `shard` of the next piece; `index` is the number of\n"
     "    parts at the end."},
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
