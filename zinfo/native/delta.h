/* Deltas of the bus as msgpack: read from a batch, and folded into one that has the changes of all.
 */
#ifndef ZINFO_DELTA_H
#define ZINFO_DELTA_H

#include "read.h"

/* A message in a batch; `shard` is a strong reference, or NULL. */
typedef struct {
    Span topic;
    Span body;
    long long revision;
    long long base;
    double time;
    PyObject *shard;
} Delta;

/* Read a message but for its body. `delta->base` is not set. */
int read_envelope(Span *packed, long long epoch, Delta *delta);

/* Return the shard whose deltas have this topic; `shards` raises an error if it is no such topic. */
PyObject *find_shard(PyObject *shards, Span topic);

#define MAX_WANTED 16 /* names of fields that listeners want */
#define MAX_FOUND 32  /* a delta may repeat a field */

/* Fields whose changes are reported to listeners. */
typedef struct {
    Span names[MAX_WANTED];
    size_t number;
    unsigned long long lengths; /* a bit for the length of each name, modulo 64 */
} Wanted;

typedef struct Fold Fold; /* memory for folding, used again for each delta */

Fold *new_fold(void);

/* Return a delta with the changes of another one and of a later one; NULL without an exception if
 * that is not one of the plain cases.
 *
 * old: What fold has returned before; empty for none.
 * delta: Its body is folded into `old`; its base is set.
 * wanted: Fields that are looked for in the later one. */
PyObject *fold(Fold *memory, Span old, Delta *delta, const Wanted *wanted);

/* Return a map of the wanted fields that the last delta has; NULL without an exception if it has
 * none of them. */
PyObject *found_fields(const Fold *memory);

#endif
