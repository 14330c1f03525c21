/* A reply's bytes: lines, numbers, pairs. Nothing here reads outside of a span, or keeps anything. */
#ifndef ZINFO_TEXT_H
#define ZINFO_TEXT_H

#ifndef Py_LIMITED_API
#error "Py_LIMITED_API is not defined: setup.py does, for all files alike"
#endif
#include <Python.h>

/* What is in a line, as Layout.kinds says it: the numbers of zinfo/info/values.py. */
enum { NO_FIELD = 0, VALUE = 1, STATS = 2, TEXT = 3, KEYSPACE = 4 };

typedef struct {
    const char *start;
    const char *end;
} Span;

/* What a text is, where it is a number as C prints them. */
typedef struct {
    enum { NONE, INTEGER, FRACTION, ERROR } kind; /* ERROR: an exception is set */
    long long whole;
    double fraction;
} Number;

/* One `name=number`. */
typedef struct {
    Span name;
    Number number; /* NONE where it is something else */
    int is_last;
} Pair;

/* The bytes of a bytes object. */
Span bytes_of(PyObject *bytes);

/* Take the next line off a text; its LF, if it has one, is not in it. */
Span next_line(Span *text, int *has_end);

/* A line without the CR that it may end with. */
Span without_cr(Span line);

/* Where a byte is; NULL where it is not. */
const char *find_byte(Span text, char byte);

/* Find what stands after the colon of a field; returns how often it is there, 2 or more if not once. */
int find_value(Span text, Span name, Span *value);

/* Whether a text can be nothing else: all ASCII, no map or list, and nothing of a number's. */
int is_text(Span text);

Number read_number(Span text);

/* Take the next pair off a text. */
Pair next_pair(Span *text);

/* Whether a line that is said to be no field is one. */
int is_field(Span line);

/* Take the name, a str, off a line, and the CR, so that the value is left.
 * 1: done; 0: it is another field's line; -1: an error. */
int take_name(Span *line, PyObject *name, int kind);

PyObject *count_marks(PyObject *module, PyObject *raw);
PyObject *find_fields(PyObject *module, PyObject *args);
PyObject *fits(PyObject *module, PyObject *args);
PyObject *encode_changes(PyObject *module, PyObject *args);
PyObject *encode_fields(PyObject *module, PyObject *args);
PyObject *encode_entry(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *encode_entries(PyObject *module, PyObject *args);
PyObject *discard_frames(PyObject *module, PyObject *args);
PyObject *count_containers(PyObject *module, PyObject *args);

#endif
