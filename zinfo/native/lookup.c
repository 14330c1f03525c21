/* Some fields of a reply by name, and whether a reply has a layout: nothing is read but names. */
#include "text.h"

#include <string.h>

#define MAX_NAMES 64 /* more are no longer a few */

/* Where the value of a wanted line is; its start is NULL where the line was not there yet. */
typedef struct {
    Span names[MAX_NAMES];
    Span values[MAX_NAMES];
    Py_ssize_t count;
} Wanted;

/* 1: done; 0: not some names as bytes, with the exception set. */
static int
take_names(Wanted *wanted, PyObject *names)
{
    Py_ssize_t place;

    wanted->count = PyTuple_Size(names);
    if (wanted->count > MAX_NAMES) {
        PyErr_SetString(PyExc_ValueError, "too many names");
        return 0;
    }
    for (place = 0; place < wanted->count; place++) {
        PyObject *name = PyTuple_GetItem(names, place);
        if (!PyBytes_Check(name)) {
            PyErr_SetString(PyExc_TypeError, "a name is bytes");
            return 0;
        }
        wanted->names[place] = bytes_of(name);
        wanted->values[place].start = NULL;
    }
    return 1;
}

/* Note where the value of a line is, if its name is wanted; 0 where it was there already. */
static int
note_value(Wanted *wanted, Span line)
{
    Py_ssize_t place;

    for (place = 0; place < wanted->count; place++) {
        Span name = wanted->names[place];
        Py_ssize_t size = name.end - name.start;

        if (line.end - line.start > size && line.start[size] == ':' &&
            memcmp(line.start, name.start, (size_t)size) == 0) {
            if (wanted->values[place].start != NULL) {
                return 0;
            }
            line.start += size + 1;
            wanted->values[place] = without_cr(line);
            return 1;
        }
    }
    return 1;
}

static PyObject *
value_list(const Wanted *wanted)
{
    PyObject *found = PyList_New(wanted->count);
    Py_ssize_t place;

    for (place = 0; found != NULL && place < wanted->count; place++) {
        Span value = wanted->values[place];
        PyObject *object = value.start == NULL
                               ? Py_NewRef(Py_None)
                               : PyBytes_FromStringAndSize(value.start, value.end - value.start);
        if (object == NULL || PyList_SetItem(found, place, object) < 0) {
            Py_CLEAR(found);
        }
    }
    return found;
}

PyObject *
find_fields(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *raw, *names;
    Wanted wanted;
    int has_end = 1;
    Span text;

    if (!PyArg_ParseTuple(args, "SO!:find_fields", &raw, &PyTuple_Type, &names) ||
        !take_names(&wanted, names)) {
        return NULL;
    }
    text = bytes_of(raw);
    while (has_end) {
        if (!note_value(&wanted, next_line(&text, &has_end))) {
            return Py_NewRef(Py_None);
        }
    }
    return value_list(&wanted);
}

/* Whether a line that is said to be no field is one. */
int
is_field(Span line)
{
    return line.start < line.end && *line.start != '#' && *line.start != ':' &&
           find_byte(line, ':') != NULL;
}

int
take_name(Span *line, PyObject *name, int kind)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);

    if (text == NULL) {
        return -1;
    }
    if (line->end - line->start <= size || line->start[size] != ':' ||
        memcmp(line->start, text, (size_t)size) != 0) {
        return 0;
    }
    line->start += size + 1;
    *line = without_cr(*line);
    return kind != STATS || find_byte(*line, ':') == NULL;
}

PyObject *
fits(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *raw, *names, *kinds;
    Py_ssize_t number = 0;
    int done = 1, has_end = 1;
    Span text, kind;

    if (!PyArg_ParseTuple(args, "SO!S:fits", &raw, &PyTuple_Type, &names, &kinds)) {
        return NULL;
    }
    text = bytes_of(raw);
    kind = bytes_of(kinds);
    while (done == 1 && has_end && number < PyTuple_Size(names) && kind.start < kind.end) {
        Span line = next_line(&text, &has_end);
        done = *kind.start == NO_FIELD ? !is_field(line)
                                       : take_name(&line, PyTuple_GetItem(names, number),
                                                   *kind.start);
        number++;
        kind.start++;
    }
    if (done < 0) {
        return NULL;
    }
    return PyBool_FromLong(done && !has_end && kind.start == kind.end);
}
