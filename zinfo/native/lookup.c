/* Finds fields of a reply by name, and checks whether a reply has a given layout. */
#include "text.h"

#include <stdint.h>
#include <string.h>

#define BLOCK 128 /* bytes that are checked together */

/* Skip blocks that cannot contain the start of a line with this name: its LF, the name's first byte
 * and the colon are compared in a loop that compilers turn into a few vector instructions. */
static const char *
skip_blocks(const char *at, const char *end, Span name)
{
    Py_ssize_t to_colon = name.end - name.start + 1;
    char first = to_colon > 1 ? *name.start : ':';

    while (end - at >= BLOCK + to_colon) {
        unsigned char least = 0xff; /* 0 if all three bytes match somewhere */
        int index;

        for (index = 0; index < BLOCK; index++) {
            unsigned char differ = (unsigned char)((at[index] ^ '\n') | (at[index + 1] ^ first) |
                                                   (at[index + to_colon] ^ ':'));
            least = differ < least ? differ : least;
        }
        if (least == 0) {
            break;
        }
        at += BLOCK;
    }
    return at;
}

/* Set `value` if the line at `at` has that name; returns whether it has. */
static int
take_value(const char *at, const char *end, Span name, Span *value)
{
    Py_ssize_t size = name.end - name.start;
    Span rest = {at + size + 1, end};
    int has_end;

    if (end - at <= size || at[size] != ':' || memcmp(at, name.start, (size_t)size) != 0) {
        return 0;
    }
    *value = without_cr(next_line(&rest, &has_end));
    return 1;
}

int
find_value(Span text, Span name, Span *value)
{
    const char *lf;
    int times = take_value(text.start, text.end, name, value);

    while (times < 2 && text.start < text.end) {
        Span block;
        text.start = skip_blocks(text.start, text.end, name);
        block.start = text.start;
        block.end = text.end - text.start > BLOCK ? text.start + BLOCK : text.end;
        while ((lf = find_byte(block, '\n')) != NULL) {
            times += take_value(lf + 1, text.end, name, value);
            block.start = lf + 1;
        }
        text.start = block.end;
    }
    return times;
}

/* 1: added; 0: the field is repeated; -1: an error. */
static int
add_value(PyObject *found, Span text, PyObject *name)
{
    Span value;
    PyObject *object;
    int times, done;

    if (!PyBytes_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "a name is bytes");
        return -1;
    }
    times = find_value(text, bytes_of(name), &value);
    if (times > 1) {
        return 0;
    }
    object = times == 0 ? Py_NewRef(Py_None)
                        : PyBytes_FromStringAndSize(value.start, value.end - value.start);
    if (object == NULL) {
        return -1;
    }
    done = PyList_Append(found, object) == 0 ? 1 : -1;
    Py_DECREF(object);
    return done;
}

PyObject *
find_fields(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *raw, *names, *found;
    Py_ssize_t index;
    int done = 1;

    if (!PyArg_ParseTuple(args, "SO!:find_fields", &raw, &PyTuple_Type, &names)) {
        return NULL;
    }
    found = PyList_New(0);
    if (found == NULL) {
        return NULL;
    }
    for (index = 0; done == 1 && index < PyTuple_Size(names); index++) {
        done = add_value(found, bytes_of(raw), PyTuple_GetItem(names, index));
    }
    if (done == 1) {
        return found;
    }
    Py_DECREF(found);
    return done == 0 ? Py_NewRef(Py_None) : NULL;
}

PyObject *
count_marks(PyObject *Py_UNUSED(module), PyObject *raw)
{
    Py_ssize_t lines = 0, commas = 0;
    Span text;

    if (!PyBytes_Check(raw)) {
        PyErr_SetString(PyExc_TypeError, "count_marks takes bytes");
        return NULL;
    }
    text = bytes_of(raw);
    while (text.start < text.end) {
        /* Counters of one byte, which compilers turn into vector instructions. */
        const char *end = text.end - text.start > UINT8_MAX ? text.start + UINT8_MAX : text.end;
        uint8_t some_lines = 0, some_commas = 0;
        for (; text.start < end; text.start++) {
            some_lines += *text.start == '\n';
            some_commas += *text.start == ',';
        }
        lines += some_lines;
        commas += some_commas;
    }
    return Py_BuildValue("(nn)", lines, commas);
}

/* Return whether a line is a field. */
int
is_field(Span line)
{
    return line.start < line.end && *line.start != '#' && *line.start != ':' &&
           find_byte(line, ':') != NULL;
}

int
is_module(Span line)
{
    return line.end - line.start >= (Py_ssize_t)sizeof MODULE - 1 &&
           memcmp(line.start, MODULE, sizeof MODULE - 1) == 0;
}

int
is_blank(Span line)
{
    for (; line.start < line.end; line.start++) {
        if (*line.start != ' ' && (*line.start < '\t' || *line.start > '\r')) {
            return 0;
        }
    }
    return 1;
}

PyObject *
count_bad_lines(PyObject *Py_UNUSED(module), PyObject *raw)
{
    Py_ssize_t lines = 0;
    int has_end = 1;
    Span text;

    if (!PyBytes_Check(raw)) {
        PyErr_SetString(PyExc_TypeError, "count_bad_lines takes bytes");
        return NULL;
    }
    text = bytes_of(raw);
    while (has_end) {
        Span line = next_line(&text, &has_end);
        lines += !is_field(line) && !is_blank(line) && *line.start != '#';
    }
    return PyLong_FromSsize_t(lines);
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
        done = *kind.start == NO_FIELD ? !is_field(line) || is_module(line)
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
