/* The samples of replies in the Prometheus text format.
 *
 * A plan says what each field becomes. Lines holds the samples of one scrape by metric, in a compact
 * form: records, from which `lines_write_text` makes the text. */
#ifndef ZINFO_EXPOSITION_H
#define ZINFO_EXPOSITION_H

#include "write.h"

#include <stdint.h>

/* What a field becomes; zinfo/metrics/native_plan.py has the same numbers. */
enum {
    OP_LEFT = 0,   /* Python writes its samples */
    OP_NUMBER = 1, /* a number is a sample; other values are left, certain texts have none */
    OP_TEXT = 2,   /* never has samples */
    OP_STATUS = 3, /* 1 for `ok`, 0 for other texts and numbers */
    OP_ROLE = 4,   /* never has samples, but is left if it is `slave` */
    OP_MAP = 5,    /* a database, whose parts are samples */
    OP_ALONE = 6,  /* Python writes its samples, which depend on the line alone */
    OP_ITEMS = 7,  /* the same, also if the field is repeated */
    OP_SERIAL = 8, /* as OP_ALONE, of a certificate; `none` has no samples */
    /* The following are left, too, if the reply is not plain. */
    OP_REPLICA = 9,       /* a replica of the server */
    OP_OF_PRIMARY = 10,   /* a number, with labels that name the primary */
    OP_LINK = 11,         /* the same: 1 for `up`, 0 for other texts */
    OP_DISTRIBUTION = 12, /* a map of a database, with a sample for each part */
    OP_THREAD = 13,       /* a map whose parts are samples of a thread */
    OP_OF_THREAD = 14,    /* a number of a thread */
    OP_EXPIRY = 15,       /* a number, unless the serial of the certificate is `none` */
    OP_ODD = 16,          /* never written natively; the reply is not plain */
};

/* What else a field says. */
enum {
    NO_ITEM = 0,
    ITEM_HOST = 1,      /* of the primary */
    ITEM_PORT = 2,      /* of the primary */
    ITEM_READ_ONLY = 3, /* the mode of a replica */
    ITEM_UPTIME = 4,    /* the time since the server started */
    ITEM_OTHER = 5,     /* the lines of replicas have another meaning */
    ITEM_CERTIFICATE = 6, /* this and higher numbers: the certificate */
};

/* What a field has beside numbers, if any. */
enum {
    NO_FLAGS = 0,
    FLAGS_LEFT = 1,  /* a text may mean yes or no, or be a number that is not finite: left */
    FLAGS_SHOWN = 2, /* the same, and is a sample of the first metric */
};

/* Kinds of maps whose parts are samples. */
enum { COMMANDS = 0, ERRORS = 1, PERCENTILES = 2, DATABASES = 3, THREADS = 4, MAP_KINDS = 5 };

/* Whether the fields of a kind of maps are exposed. */
enum { SHOWN = 0, HIDDEN = 1, BY_NAME = 2 };

/* The metrics about a shard. */
enum { UP, STATE, FAILURES, AGE, BAD_LINES, STATE_FAMILIES };

/* The metrics of replication whose samples combine several values. */
enum { PRIMARY, REPLICA_OFFSET, REPLICA_LAG, REPLICATION_FAMILIES };

#define NO_FAMILY (-1)
#define MAX_FIELD_NAME 128 /* bytes; longer names are left to Python */
#define MAX_FIELDS 8192    /* as MAX_RULES of zinfo/metrics/plan.py */
#define MAX_PARTS 64       /* of one kind of maps: a bit each in a mask */
#define MAX_PART_NAME 64   /* bytes */
#define MAX_EXTRA 32       /* bytes */
#define MAX_SLOTS 16       /* labels of the sample that describes the server */
#define MAX_FAMILY 65535   /* largest number of a metric */
#define MAX_CERTIFICATES 8 /* numbers of ITEM_CERTIFICATE and higher ones */
#define THREAD_PREFIX "io_thread_"
#define MAX_NUMBER 31      /* bytes of a number in a record */
#define MAX_LABEL_BYTES 255

typedef struct {
    char name[MAX_FIELD_NAME];
    int size;
    int op;
    int is_visible;   /* of OP_MAP */
    int out[2];       /* metrics of the number, or NO_FAMILY */
    int claims[2];    /* metrics of which a reply has one source, or NO_FAMILY */
    int shift;        /* the number is divided by ten to this power; it may be 0 */
    int flags;
    int slot;         /* label of the server's sample, or -1 */
    int item;         /* what else it says */
    uint32_t stamp;   /* of the last reply that has the field */
    int32_t next;     /* the field that came after it */
} Field;

/* The metric of one part of a map. */
typedef struct {
    char name[MAX_PART_NAME];
    int size;
    int family;            /* or NO_FAMILY */
    char extra[MAX_EXTRA]; /* text after the value of the first label */
    int extra_size;
    int shift;
    int same; /* the first part with the same metric and labels */
} Part;

/* One label of the sample that describes the server. */
typedef struct {
    char name[MAX_PART_NAME];
    int size;
    int slot;
    int other; /* slot that is used if the first is missing, or -1 */
    int is_optional;
} Fact;

typedef struct {
    PyObject_HEAD
    Field *fields;
    int32_t *buckets; /* indexes of fields, or -1 */
    int count;
    Part parts[MAP_KINDS][MAX_PARTS];
    int part_count[MAP_KINDS];
    int shown[MAP_KINDS];
    int totals[2];    /* of a summary's sum and count, or NO_FAMILY */
    int start_family;  /* of the time at which the server started, or NO_FAMILY */
    int info_family;   /* of the sample that describes the server, or NO_FAMILY */
    int state_families[STATE_FAMILIES];
    int replication_families[REPLICATION_FAMILIES];
    Fact facts[MAX_SLOTS];
    int fact_count;
    uint32_t stamp;
    int32_t first;           /* the first field of the last reply, or -1 */
    uint64_t *seen;          /* hashes of the names of maps in this reply */
    uint32_t *seen_stamps;
} Plan;

/* The records of one metric. */
typedef struct {
    Buffer records;
    uint32_t stamp; /* of the last shard with a record */
    size_t mark;    /* bytes before that shard */
    uint32_t claim; /* of the last shard with a field whose metric it is */
    uint32_t part;  /* of the last shard with a part whose metric it is */
} Family;

typedef struct {
    PyObject_HEAD
    Family *families;
    int count;
    Buffer texts; /* the labels of the shards */
    size_t *ends; /* where they end in `texts` */
    uint32_t shards;
    uint32_t size;        /* of `ends` */
    Py_ssize_t written;   /* lines of the last shard */
    Buffer piece;         /* the text of the last piece: its memory is used again */
} Lines;

/* The text of a number: a part of the reply, or `text`. An object is not copied. */
typedef struct {
    const char *start;
    int size; /* at most MAX_NUMBER */
    char text[MAX_NUMBER + 1];
} NumberText;

/* Where a piece of text begins: a record of a metric, and the shard that it is of. */
typedef struct {
    size_t at;
    uint32_t shard;
} Place;

/* What Python knows about a shard that replies. */
typedef struct {
    Span state; /* the labels of its state, in the text format */
    long long failures;
    long long age; /* of the reply, in microseconds */
    long long now; /* when the reply arrived, in seconds since the Unix epoch */
} ShardFacts;

/* Write a number as Python does, divided by ten to the power of `shift`.
 * 2: it is negative and `shift` is not 0; 1: done; 0: not a plain number; -1: an error. */
int format_number(Span value, int shift, NumberText *number);

/* Write a number as `repr` does. 1: done; 0: it is too long; -1: an error. */
int format_double(double value, NumberText *number);

int format_integer(long long value, NumberText *number);

/* Return the place of a field, or -1. */
int32_t plan_find(const Plan *plan, Span name);

/* Return whether an object is a plan that is initialised. */
int is_plan(PyObject *object);

/* Return a number of 64 bits that depends on the text. */
uint64_t hash_text(Span text);

/* Return whether a text needs no escape in a label: printable ASCII, no quotes and backslashes. */
int is_plain_label(Span text);

/* The following functions return 0 if memory is exhausted, with the exception set. */

int lines_add_number(Lines *lines, int family, const NumberText *number);

/* Add the sample of a part, with a label of this kind. */
int lines_add_part(Lines *lines, int family, int kind, Span label, Span extra,
                   const NumberText *number);

/* Add a sample with these labels, at most 64 KiB. */
int lines_add_labels(Lines *lines, int family, Span labels, const NumberText *number);

int lines_add_text(Lines *lines, int family, Span text);

/* Return the metric, or NULL with an exception. */
Family *make_family(Lines *lines, int family);

static inline Family *
lines_family(Lines *lines, int family)
{
    return family >= 0 && family < lines->count ? lines->families + family
                                                : make_family(lines, family);
}

/* Return the labels of a shard, which exists. */
Span lines_labels(const Lines *lines, uint32_t shard);

/* Write the text of a metric from a place on until there are `room` bytes, and set the place where
 * it continues. The place and the metric are valid ones. */
int lines_write_text(const Lines *lines, int family, Span name, size_t room, Place *place,
                     Buffer *text);

/* Start a shard that has these labels, in the text format. */
int lines_start_shard(Lines *lines, Span labels);

/* The method `write` of Lines. */
PyObject *write_replies(PyObject *self, PyObject *args);

extern PyType_Spec plan_spec;
extern PyType_Spec lines_spec;

#endif
