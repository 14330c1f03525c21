/* The lines that differ between two INFO replies, and their numbers: the native twin of
 * zinfo/info_changes.py, for `read_changes` is what most of a poll's time goes into where somebody
 * subscribed.
 *
 * It does the plain cases only. A value that is no number, or not one that Python's reader would
 * take for the same, is handed back as bytes, for Python to read. It keeps nothing, knows no field,
 * and reads no byte outside of the two replies.
 */
#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

/* What is in a line, as Layout.kinds says it. */
enum { NO_FIELD = 0, VALUE = 1, STATS = 2, TEXT = 3, KEYSPACE = 4 };

#define MAX_DIGITS 18  /* of an integer that is in 64 bits whatever its digits */
#define MAX_FLOAT 64   /* bytes of a fraction; longer ones are Python's */

typedef struct {
    const char *start;
    const char *end;
} Span;

static Span
bytes_of(PyObject *bytes)
{
    const char *start = PyBytes_AsString(bytes);
    Span all = {start, start + PyBytes_Size(bytes)};
    return all;
}

/* Take the next line off a text; its LF, if it has one, is not in it. */
static Span
next_line(Span *text, int *has_end)
{
    size_t left = (size_t)(text->end - text->start);
    const char *lf = left ? memchr(text->start, '\n', left) : NULL;
    Span line = {text->start, lf ? lf : text->end};

    *has_end = lf != NULL;
    text->start = lf ? lf + 1 : text->end;
    return line;
}

static int
is_same(Span one, Span other)
{
    Py_ssize_t size = one.end - one.start;
    return size == other.end - other.start && memcmp(one.start, other.start, (size_t)size) == 0;
}

static const char *
skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

/* Make a float of a text that is known to be written like one; NULL without an error where it is
 * beyond a double. */
static PyObject *
read_fraction(Span text)
{
    char copy[MAX_FLOAT + 1];
    Py_ssize_t size = text.end - text.start;
    double value;

    if (size > MAX_FLOAT) {
        return NULL;
    }
    memcpy(copy, text.start, (size_t)size);
    copy[size] = '\0';
    value = PyOS_string_to_double(copy, NULL, NULL);
    if (value == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (value - value != 0.0) { /* infinite */
        return NULL;
    }
    return PyFloat_FromDouble(value);
}

/* Make a number of a text; NULL without an error where it is none that is written as C prints it. */
static PyObject *
read_number(Span text)
{
    int negative = text.start < text.end && *text.start == '-';
    const char *first = text.start + negative;
    const char *at = skip_digits(first, text.end);
    const char *part;
    long long value = 0;

    if (at == first || (*first == '0' && at - first > 1)) {
        return NULL;
    }
    if (at == text.end) {
        if (at - first > MAX_DIGITS || (negative && *first == '0')) {
            return NULL;
        }
        for (part = first; part < at; part++) {
            value = 10 * value + (*part - '0');
        }
        return PyLong_FromLongLong(negative ? -value : value);
    }
    if (*at != '.') {
        return NULL;
    }
    part = at + 1;
    at = skip_digits(part, text.end);
    if (at == part) {
        return NULL;
    }
    if (at < text.end && (*at == 'e' || *at == 'E')) {
        part = at + 1;
        if (part < text.end && (*part == '+' || *part == '-')) {
            part++;
        }
        at = skip_digits(part, text.end);
        if (at == part) {
            return NULL;
        }
    }
    return at == text.end ? read_fraction(text) : NULL;
}

/* Make text of what can be nothing else: all ASCII, no map or list, and no number whatever is taken
 * for one. NULL without an error where that is not so sure. */
static PyObject *
read_text(Span text)
{
    const char *at;
    int is_text = text.start == text.end;

    for (at = text.start; at < text.end; at++) {
        if (*at <= ' ' || *at > '~' || *at == '=' || *at == ',') {
            return NULL;
        }
        is_text |= strchr("0123456789.-+eE", *at) == NULL;
    }
    return is_text ? PyUnicode_DecodeASCII(text.start, text.end - text.start, NULL) : NULL;
}

/* Put one `name=number` into a map. 1: done; 0: it is something else; -1: an error. */
static int
read_pair(PyObject *map, Span pair)
{
    const char *equals = pair.start;
    PyObject *name, *value;
    Span text;
    int done;

    while (equals < pair.end && *equals != '=') {
        if (*equals <= ' ' || *equals > '~') { /* also where char is signed: no ASCII */
            return 0;
        }
        equals++;
    }
    text.start = equals + 1;
    text.end = pair.end;
    if (equals == pair.start || equals == pair.end) {
        return 0;
    }
    value = read_number(text);
    if (value == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    name = PyUnicode_DecodeASCII(pair.start, equals - pair.start, NULL);
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
    Span pair = {text.start, text.start};
    int done = map == NULL ? -1 : 1;

    while (done == 1) {
        const char *comma = memchr(pair.start, ',', (size_t)(text.end - pair.start));
        pair.end = comma ? comma : text.end;
        done = read_pair(map, pair);
        if (comma == NULL) {
            break;
        }
        pair.start = comma + 1;
    }
    if (done != 1) {
        Py_CLEAR(map);
    }
    return map;
}

/* Find where the name of a field ends: at the first colon, or in statistics at the last one. */
static const char *
find_colon(Span line, int kind)
{
    const char *at;

    if (kind != STATS) {
        return line.start == line.end ? NULL
                                      : memchr(line.start, ':', (size_t)(line.end - line.start));
    }
    for (at = line.end; at > line.start; at--) {
        if (at[-1] == ':') {
            return at - 1;
        }
    }
    return NULL;
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
    if (line.end > line.start && line.end[-1] == '\r') {
        line.end--;
    }
    if (kind == STATS && line.end > line.start &&
        memchr(line.start, ':', (size_t)(line.end - line.start)) != NULL) {
        return 0;
    }
    if (kind == VALUE) {
        value = read_number(line);
        if (value == NULL && !PyErr_Occurred()) {
            value = read_text(line);
        }
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

PyDoc_STRVAR(read_changes_doc,
"read_changes(old, new, names, kinds)\n--\n\n"
"Read the lines that differ, where every line is still in its place.\n\n"
"Args:\n"
"    old: A reply.\n"
"    new: The next one of the same server.\n"
"    names: For each line of the old one the name of its field.\n"
"    kinds: For each a byte: what is in it.\n\n"
"Returns:\n"
"    Name to value; and number of a line and what stands after its colon, where that is left to\n"
"    Python. None where lines came, went or moved.");

static PyObject *
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

static PyMethodDef methods[] = {
    {"read_changes", read_changes, METH_VARARGS, read_changes_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "zinfo._changes",
    .m_doc = "Native twin of a part of zinfo.info_changes.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__changes(void)
{
    return PyModuleDef_Init(&definition);
}
