/* What the files that write the samples of a reply share. */
#ifndef ZINFO_EXPOSITION_REPLY_H
#define ZINFO_EXPOSITION_REPLY_H

#include "exposition.h"

/* What the functions below return. LEFT: Python writes these samples; CONFLICT: it writes all of
 * the reply; FAILED: an exception is set. */
enum { DONE = 1, LEFT = 0, FAILED = -1, CONFLICT = -2 };

/* The statistics of a command, for the sum and the count of its percentiles. */
typedef struct {
    Span name;
    Span usec;  /* empty if missing */
    Span calls; /* empty if missing */
    int is_left;
} Command;

#define MAX_OF_PRIMARY 16
#define MAX_REPLICAS 64

/* A number whose labels name the primary. */
typedef struct {
    const Field *field;
    Span value;
} OfPrimary;

typedef struct {
    Lines *lines;
    Plan *plan;
    PyObject *on_map; /* writes a map in Python */
    int is_plain;     /* whether what depends on several fields is written here */
    Buffer left;      /* lines for Python, without maps */
    Buffer alone;     /* lines for Python whose samples depend on nothing else */
    Buffer unknown;   /* names of fields, each with LF */
    Buffer new_maps;  /* lines of maps with unknown parts */
    Buffer labels;    /* of the sample that describes the server */
    Command *commands;
    Py_ssize_t command_size;
    /* The following are of one reply. */
    Py_ssize_t command_count;
    Py_ssize_t place; /* of the reply */
    long long now;
    Py_ssize_t next_command;
    long steps;
    int lacks_command; /* whether a summary came before the statistics of its command */
    int maps;          /* maps so far */
    int calls;         /* of `on_map` */
    Span slots[MAX_SLOTS];
    int is_info_left;
    long long bad_lines;
    int next_part[MAP_KINDS];
    int is_replica;
    int replicas;   /* of the server */
    int has_other;  /* whether it is another kind of server, whose replicas Python writes */
    Span items[ITEM_OTHER];
    OfPrimary of_primary[MAX_OF_PRIMARY];
    int of_primary_count;
    Span expiries[MAX_CERTIFICATES];
    int expiry_families[MAX_CERTIFICATES];
    uint32_t absent; /* certificates, a bit each */
} Writing;

/* Write the samples of a reply, and those about its shard. What Python has to write is in the
 * buffers. DONE, CONFLICT or FAILED. */
int write_reply(Writing *writing, Py_ssize_t place, Span raw, const ShardFacts *facts);

/* Append a text and an LF. */
int append(Buffer *buffer, Span text);

/* Write the samples of a field. */
int write_field_samples(Writing *writing, Field *field, Span name, Span value, Span line);

/* Return whether the map of this name is the first one in the reply. */
int is_first(Writing *writing, int kind, Span name);

/* Write a map whose parts are samples. `name` is what its label shows. */
int write_map(Writing *writing, int kind, Span name, Span value, Span line);

int store_command(Writing *writing, const Command *command);

/* Write the sum and the count of a summary. */
int write_totals(Writing *writing, Span name);

/* What a text is that has the words of a flag. MIXED_CASE: `yEs`, which is none. */
enum { NO_FLAG, FLAG, MIXED_CASE };

/* Read a text that means yes or no, or is a number that is not finite. */
int read_flag(Span text, NumberText *number);

/* Write a distribution, a field of a thread, or one of a certificate. */
int write_labelled_field(Writing *writing, const Field *field, Span name, Span value, Span line);

/* Write the numbers of the certificates that the server has. */
int write_expiries(Writing *writing);

/* Write a replica of the server. */
int write_replica(Writing *writing, Span value);

/* Write the samples of the server's primary. */
int write_primary(const Writing *writing);

/* Write the sample that describes the server. */
int write_info(Writing *writing);

/* Write the time at which the server started. */
int write_start(Writing *writing);

/* Write the samples about the shard. */
int write_state(const Writing *writing, const ShardFacts *facts);

#endif
