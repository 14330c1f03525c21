/* The lines that differ between two INFO replies: the twin of `read_changes` in info_changes.py.
 *
 * It does the plain cases only. A value that is no number or plain text, or not one that Python's
 * reader would take for the same, is handed back as bytes, for Python to read.
 */
#include "text.h"

#include <string.h>

static int
is_same(Span one, Span other)
{
    Py_ssize_t size = one.end - one.start;
    return size == other.end - other.start && memcmp(one.start, other.start, (size_t)size) == 0;
}

/* NULL, without an error where there is none. */
static PyObject *
number_object(Number number)
{
    switch (number.kind) {
    case INTEGER:
        return PyLong_FromLongLong(number.whole);
    case FRACTION:
        return PyFloat_FromDouble(number.fraction);
    default:
        return NULL;
    }
}

/* Put a pair into a map. 1: done; 0: it is something else; -1: an error. */
static int
add_pair(PyObject *map, Pair pair)
{
    PyObject *name, *value = number_object(pair.number);
    int done;

    if (value == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    name = PyUnicode_DecodeASCII(pair.name.start, pair.name.end - pair.name.start, NULL);
    if (name == NULL) {
        Py_DECREF(value);
        return -1;
    }
    PyUnicode_InternInPlace(&name); /* every server has the same few */
    done = PyDict_Contains(map, name);
    if (done == 0) {
        done = PyDict_SetItem(map, name, value) < 0 ? -1 : 1;
    }
    else if (done == 1) {
        done = 0; /* a name that stands twice has a list */
    }
    Py_DECREF(name);
    Py_DECREF(value);
    return done;
}

/* Make a map of pairs; NULL without an error where they are not all of a name and a number. */
static PyObject *
read_pairs(Span text)
{
    PyObject *map = PyDict_New();
    int done = map == NULL ? -1 : 1, is_last = 0;

    while (done == 1 && !is_last) {
        Pair pair = next_pair(&text);
        is_last = pair.is_last;
        done = add_pair(map, pair);
    }
    if (done != 1) {
        Py_CLEAR(map);
    }
    return map;
}

/* Read one line that differs. 1: done; 0: it is not the same field any more; -1: an error. */
static int
read_line(Span old, Span line, int kind, PyObject *name, Py_ssize_t number, PyObject *changed,
          PyObject *rest)
{
    const char *colon = find_colon(old, kind);
    PyObject *value = NULL;
    Py_ssize_t stem;
    int done;

    if (colon == NULL) {
        return 0;
    }
    stem = colon + 1 - old.start;
    if (line.end - line.start < stem || memcmp(old.start, line.start, (size_t)stem) != 0) {
        return 0;
    }
    line.start += stem;
    line = without_cr(line);
    if (kind == STATS && find_byte(line, ':') != NULL) {
        return 0;
    }
    if (kind == VALUE) {
        value = is_text(line) ? PyUnicode_DecodeASCII(line.start, line.end - line.start, NULL)
                              : number_object(read_number(line));
    }
    else if (kind == STATS || kind == KEYSPACE) {
        value = read_pairs(line);
    }
    if (value != NULL) {
        done = PyDict_SetItem(changed, name, value);
        Py_DECREF(value);
        return done < 0 ? -1 : 1;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    value = Py_BuildValue("(ny#)", number, line.start, line.end - line.start);
    if (value == NULL) {
        return -1;
    }
    done = PyList_Append(rest, value);
    Py_DECREF(value);
    return done < 0 ? -1 : 1;
}

/* Read all lines that differ. 1: done; 0: lines came, went or moved; -1: an error. */
static int
read_lines(Span old, Span new, PyObject *names, Span kinds, PyObject *changed, PyObject *rest)
{
    Py_ssize_t number, count = kinds.end - kinds.start;
    int old_has_end = 1, has_end = 1;

    for (number = 0; number < count; number++) {
        Span old_line, line;
        int done;

        if (!old_has_end || !has_end) {
            return 0;
        }
        old_line = next_line(&old, &old_has_end);
        line = next_line(&new, &has_end);
        if (is_same(old_line, line)) {
            continue;
        }
        if (kinds.start[number] == NO_FIELD) {
            return 0;
        }
        done = read_line(old_line, line, kinds.start[number], PyTuple_GetItem(names, number),
                         number, changed, rest);
        if (done != 1) {
            return done;
        }
    }
    return !old_has_end && !has_end;
}

PyObject *
read_changes(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *old, *new, *names, *kinds, *changed, *rest, *result = NULL;
    int done = -1;

    if (!PyArg_ParseTuple(args, "SSO!S:read_changes", &old, &new, &PyTuple_Type, &names, &kinds)) {
        return NULL;
    }
    changed = PyDict_New();
    rest = PyList_New(0);
    if (changed != NULL && rest != NULL) {
        if (PyTuple_Size(names) != PyBytes_Size(kinds)) {
            PyErr_SetString(PyExc_ValueError, "names and kinds are not of the same lines");
        }
        else {
            done = read_lines(bytes_of(old), bytes_of(new), names, bytes_of(kinds), changed, rest);
        }
    }
    if (done == 1) {
        result = PyTuple_Pack(2, changed, rest);
    }
    else if (done == 0) {
        result = Py_NewRef(Py_None);
    }
    Py_XDECREF(changed);
    Py_XDECREF(rest);
    return result;
}
