/* The fields of many shards, as fill_columns writes them to arrays. */
#ifndef ZINFO_COLUMNS_H
#define ZINFO_COLUMNS_H

#include "cells.h"

/* The attributes of a shard and of its snapshot. */
enum { SNAPSHOT, STATE, AT, CELLS, RAW, ATTRIBUTES };

typedef struct {
    PyObject *attributes[ATTRIBUTES]; /* names of the attributes */
    FieldSet fields;
    Span head;   /* that cells begin with if they have the fields of the plan */
    Span places; /* for each field its number in the plan */
    Py_ssize_t planned;
    double now;
    PyObject *states;
} Columns;

/* What the arrays get for one shard. */
typedef struct {
    double age;
    unsigned char code;
    Cells cells;
} Row;

/* Read a shard, and append its snapshot to a list. Returns the number of bytes searched; -1 with the
 * exception set. */
Py_ssize_t read_row(const Columns *columns, PyObject *shard, PyObject *snapshots, Row *row);

#endif
