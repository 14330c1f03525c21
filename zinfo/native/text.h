/* Lines, numbers and pairs in a reply's bytes. No function reads outside of a span. */
#ifndef ZINFO_TEXT_H
#define ZINFO_TEXT_H

#ifndef Py_LIMITED_API
#error "Py_LIMITED_API is not defined: setup.py defines it for all files"
#endif
#include <Python.h>

#include <string.h>

/* Kinds of fields, as in Layout.kinds: the numbers of zinfo/info/kinds.py. */
enum { NO_FIELD = 0, VALUE = 1, STATS = 2, TEXT = 3, KEYSPACE = 4 };

typedef struct {
    const char *start;
    const char *end;
} Span;

/* A number as C prints it. */
typedef struct {
    enum { NONE, INTEGER, FRACTION, ERROR } kind; /* ERROR: an exception is set */
    long long whole;
    double fraction;
} Number;

/* One `name=number`. */
typedef struct {
    Span name;
    Number number; /* NONE if the value is not a number */
    int is_last;
} Pair;

/* Return the contents of a bytes object. */
Span bytes_of(PyObject *bytes);

/* Return the first such byte; NULL if there is none. */
static inline const char *
find_byte(Span text, char byte)
{
    size_t size = (size_t)(text.end - text.start);
    return size ? memchr(text.start, byte, size) : NULL;
}

/* Remove the next line from a text and return it without its LF. */
static inline Span
next_line(Span *text, int *has_end)
{
    const char *lf = find_byte(*text, '\n');
    Span line = {text->start, lf ? lf : text->end};

    *has_end = lf != NULL;
    text->start = lf ? lf + 1 : text->end;
    return line;
}

/* Return a line without a CR at its end. */
static inline Span
without_cr(Span line)
{
    if (line.end > line.start && line.end[-1] == '\r') {
        line.end--;
    }
    return line;
}

/* Find the text after a field's colon; returns 0, 1, or at least 2 if the field is repeated. */
int find_value(Span text, Span name, Span *value);

/* Return whether a value is certainly text: ASCII, not a map, a list or a number. */
int is_text(Span text);

Number read_number(Span text);

/* Remove the next pair from a text and return it. */
Pair next_pair(Span *text);

/* Return whether a line is a field. */
int is_field(Span line);

/* Start of a line of `module`, the field that is a list even of one line: it has no name in a
 * layout. ALWAYS_LISTS of zinfo/info/parser.py. */
#define MODULE "module:"

/* Return whether a line is one of the field `module`. */
int is_module(Span line);

/* Return whether a line has only white space. */
int is_blank(Span line);

/* Remove the name, a str, its colon and a CR from a line, so that the value is left.
 * 1: done; 0: the line is another field's; -1: an error. */
int take_name(Span *line, PyObject *name, int kind);

PyObject *count_marks(PyObject *module, PyObject *raw);
PyObject *count_bad_lines(PyObject *module, PyObject *raw);
PyObject *find_fields(PyObject *module, PyObject *args);
PyObject *fits(PyObject *module, PyObject *args);
PyObject *encode_deltas(PyObject *module, PyObject *args);
PyObject *encode_fields(PyObject *module, PyObject *args);
PyObject *encode_entry(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *encode_entries(PyObject *module, PyObject *args);
PyObject *discard_frames(PyObject *module, PyObject *args);
PyObject *count_containers(PyObject *module, PyObject *args);
PyObject *merge_deltas(PyObject *module, PyObject *args);
PyObject *read_deltas(PyObject *module, PyObject *args);
PyObject *pack_batched(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *fold_delta(PyObject *module, PyObject *args);
PyObject *apply_deltas(PyObject *module, PyObject *args);
PyObject *untrack(PyObject *module, PyObject *object);
PyObject *fill_columns(PyObject *module, PyObject *args);
PyObject *write_row(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *write_point(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *gather_rows(PyObject *module, PyObject *args);

#endif
