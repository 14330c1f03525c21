/* Fields of one kind, whose samples have labels that say which: distributions and threads; and
 * fields of certificates. */
#include "exposition_reply.h"

#include <string.h>

#define MAX_BINS 64
#define MAX_BIN 24        /* bytes of a name such as `256K` */
#define LABELS_ROOM (2 * MAX_FIELD_NAME) /* bytes; the name of a field is shorter */

static char *
put_text(char *to, const char *text, size_t size)
{
    memcpy(to, text, size);
    return to + size;
}

/* Return the size of a name of a bin, which is digits and perhaps one letter; 0 if it is not one. */
static size_t
bin_size(Span text)
{
    const char *at = text.start;

    while (at < text.end && *at >= '0' && *at <= '9') {
        at++;
    }
    if (at == text.start) {
        return 0;
    }
    at += at < text.end && *at >= 'A' && *at <= 'Z';
    return at < text.end && *at == '=' && at - text.start <= MAX_BIN ? (size_t)(at - text.start) : 0;
}

/* Return whether no bin before has this name. */
static int
is_new_bin(const Span *bins, int count)
{
    const Span *last = bins + count;
    size_t size = (size_t)(last->end - last->start);
    int index;

    for (index = 0; index < count; index++) {
        if ((size_t)(bins[index].end - bins[index].start) == size &&
            memcmp(bins[index].start, last->start, size) == 0) {
            return 0;
        }
    }
    return 1;
}

/* Write a distribution such as `db0_distrib_lists_items:1=2,4=1`. Its metric has other samples only
 * of distributions: of both marks, other fields and maps have one. */
static int
write_distribution(Writing *writing, const Field *field, Span name, Span value)
{
    Lines *lines = writing->lines;
    char text[LABELS_ROOM], *start = text;
    Span bins[MAX_BINS], labels;
    Family *family;
    int count;

    if (field->out[0] == NO_FAMILY) {
        return DONE;
    }
    family = lines_family(lines, field->out[0]);
    if (family == NULL) {
        return FAILED;
    }
    if ((family->claim == lines->shards) != (family->part == lines->shards)) {
        return CONFLICT;
    }
    family->claim = family->part = lines->shards;
    name.end = find_byte(name, '_');
    start = put_text(start, "db=\"", 4);
    start = put_text(start, name.start, (size_t)(name.end - name.start));
    start = put_text(start, "\",bin=\"", 7);
    labels.start = text;
    for (count = 0; count < MAX_BINS; count++) {
        NumberText number;
        size_t size = bin_size(value);
        Span part = {value.start + size + 1, value.end};
        char *end;
        if (size == 0) {
            return CONFLICT;
        }
        bins[count].start = value.start;
        bins[count].end = value.start + size;
        part.end = find_byte(part, ',');
        value.start = part.end ? part.end + 1 : value.end;
        part.end = part.end ? part.end : value.end;
        if (!is_new_bin(bins, count) || format_number(part, 0, &number) != 1) {
            return PyErr_Occurred() ? FAILED : CONFLICT;
        }
        end = put_text(start, bins[count].start, size);
        *end++ = '"';
        labels.end = end;
        if (!lines_add_labels(lines, field->out[0], labels, &number)) {
            return FAILED;
        }
        if (part.end == value.end) {
            return DONE;
        }
    }
    return CONFLICT;
}

/* Write a number with the label `thread`, which is what the name ends with. */
static int
write_of_thread(Writing *writing, const Field *field, Span name, const NumberText *number)
{
    char text[LABELS_ROOM], *end = put_text(text, "thread=\"", 8);
    const char *digits = name.end;
    Span labels = {text, NULL};

    while (digits > name.start && digits[-1] >= '0' && digits[-1] <= '9') {
        digits--;
    }
    end = put_text(end, digits, (size_t)(name.end - digits));
    *end++ = '"';
    labels.end = end;
    return field->out[0] == NO_FAMILY ||
                   lines_add_labels(writing->lines, field->out[0], labels, number)
               ? DONE
               : FAILED;
}

/* Read a number. LEFT if the value has no sample. */
static int
read_plain_number(Span value, NumberText *number)
{
    int done = format_number(value, 0, number);

    if (done == 1) {
        return DONE;
    }
    return done < 0 ? FAILED
           : is_text(value) && read_flag(value, number) == NO_FLAG ? LEFT
                                                                   : CONFLICT;
}

/* Store the number of a certificate until its serial is known. */
static int
store_expiry(Writing *writing, const Field *field, Span value)
{
    writing->expiries[field->item - ITEM_CERTIFICATE] = value;
    writing->expiry_families[field->item - ITEM_CERTIFICATE] = field->out[0];
    return DONE;
}

int
write_expiries(Writing *writing)
{
    int index;

    for (index = 0; index < MAX_CERTIFICATES; index++) {
        NumberText number;
        int done;
        if (writing->expiries[index].start == NULL || writing->absent & 1u << index) {
            continue;
        }
        done = read_plain_number(writing->expiries[index], &number);
        if (done == LEFT || (done == DONE && writing->expiry_families[index] == NO_FAMILY)) {
            continue;
        }
        if (done == DONE &&
            !lines_add_number(writing->lines, writing->expiry_families[index], &number)) {
            return FAILED;
        }
        if (done != DONE) {
            return done;
        }
    }
    return DONE;
}

int
write_labelled_field(Writing *writing, const Field *field, Span name, Span value, Span line)
{
    NumberText number;
    int done;

    switch (field->op) {
    case OP_DISTRIBUTION:
        return write_distribution(writing, field, name, value);
    case OP_THREAD:
        name.start += sizeof THREAD_PREFIX - 1;
        return write_map(writing, THREADS, name, value, line);
    case OP_OF_THREAD:
        done = read_plain_number(value, &number);
        return done == LEFT ? DONE : done == DONE ? write_of_thread(writing, field, name, &number)
                                                  : done;
    case OP_EXPIRY:
        return store_expiry(writing, field, value);
    default:
        return CONFLICT;
    }
}
