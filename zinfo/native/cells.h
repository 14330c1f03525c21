/* The numbers of some fields of a reply, found in one pass over its lines. */
#ifndef ZINFO_CELLS_H
#define ZINFO_CELLS_H

#include "text.h"

#include <stdint.h>

#define MAX_CELLS 64 /* fields, as many as get_columns allows */
#define CELL_BYTES 8 /* of a value: a little-endian int64 or float64 */
#define BUCKETS 256  /* of the hash table of names */

/* Marks of values, as in zinfo/info/columns.py; INTEGER and FRACTION are marks as well. */
enum { ABSENT = 0, OTHER = 3 };

/* Names of fields in a hash table, by the first bytes of their lines. */
typedef struct {
    Py_ssize_t count;
    Span names[MAX_CELLS];
    Span kinds;
    uint64_t mask;                 /* selects as many bytes as each line of a field has */
    unsigned char first[BUCKETS];  /* number of the first name of a bucket, from 1; 0: none */
    unsigned char next[MAX_CELLS]; /* number of the next name of the same bucket */
} FieldSet;

/* What a reply has of the fields of a set, in their order. */
typedef struct {
    unsigned char marks[MAX_CELLS];
    char values[MAX_CELLS][CELL_BYTES]; /* 0 where the value is not a number */
} Cells;

/* Make a set of names, a tuple of bytes, with a kind for each.
 * 0: too many names, or other types, with the exception set. The objects must outlive the set. */
int make_field_set(FieldSet *set, PyObject *names, PyObject *kinds);

/* Read the fields of a reply; returns 0 if memory is exhausted, with the exception set. */
int read_text_cells(const FieldSet *set, Span text, Cells *cells);

/* Write the bits of a number in little-endian order. */
void write_bits(char *to, uint64_t bits);

#endif
