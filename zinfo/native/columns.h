/* The fields of many shards, as fill_columns writes them to arrays. */
#ifndef ZINFO_COLUMNS_H
#define ZINFO_COLUMNS_H

#include "cells.h"

/* The attributes of a shard and of its snapshot. */
enum { SNAPSHOT, STATE, AT, RAW, ATTRIBUTES };

typedef struct {
    PyObject *attributes[ATTRIBUTES]; /* names of the attributes */
    FieldSet fields;
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
