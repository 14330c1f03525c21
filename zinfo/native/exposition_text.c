/* The text of the records of a metric, in pieces. */
#include "exposition_records.h"

static const char label_starts[MAP_KINDS][8] = {
    "cmd=\"", "err=\"", "cmd=\"", "db=\"", "thread=\"", /* the last one without its NUL */
};
static const unsigned char label_sizes[MAP_KINDS] = {5, 5, 5, 4, 8};

/* More than a line has beside name, labels, label and number: `{`, `,`, `thread="`, `"`, `} `, LF. */
#define BESIDE 24

static const char *
take_uint32(const char *at, uint32_t *number)
{
    memcpy(number, at, sizeof *number);
    return at + sizeof *number;
}

static char *
put_span(char *to, Span text)
{
    return put(to, text.start, (size_t)(text.end - text.start));
}

/* Write the label of a record, which begins at `at` and ends before `number`. */
static char *
put_label(char *to, const char *at, const char *number)
{
    int kind = (unsigned char)*at++;

    if (kind == ALL_LABELS) {
        at += sizeof(uint16_t);
        return put(to, at, (size_t)(number - at));
    }
    at++; /* its length */
    memcpy(to, label_starts[kind], sizeof label_starts[kind]); /* what is too much is overwritten */
    to = put(to + label_sizes[kind], at, (size_t)(number - at));
    *to++ = '"';
    return to;
}

/* Return where the number begins of a record whose head ends before `at`. */
static const char *
find_number(int head, const char *at)
{
    uint16_t size;

    if (!(head & HAS_LABEL)) {
        return at;
    }
    if ((unsigned char)*at != ALL_LABELS) {
        return at + 2 + (unsigned char)at[1];
    }
    memcpy(&size, at + 1, sizeof size);
    return at + 1 + sizeof size + size;
}

/* Write the line of a record whose head ends before `at`; returns where it ends, or NULL. */
static const char *
write_line(Buffer *text, const char *at, int head, Span name, Span labels)
{
    const char *number = find_number(head, at);
    size_t size = (size_t)(head & LENGTH);
    char *to;

    if (!make_room(text, (size_t)(name.end - name.start) + (size_t)(labels.end - labels.start) +
                             (size_t)(number - at) + size + BESIDE)) {
        return NULL;
    }
    to = put_span(text->start + text->used, name);
    *to++ = '{';
    to = put_span(to, labels);
    if (head & HAS_LABEL) {
        *to = ',';
        to = put_label(to + (labels.end > labels.start), at, number);
    }
    *to++ = '}';
    *to++ = ' ';
    to = put(to, number, size);
    *to++ = '\n';
    text->used = (size_t)(to - text->start);
    return number + size;
}

int
lines_write_text(const Lines *lines, int family, Span name, size_t room, Place *place, Buffer *text)
{
    const Buffer *records = &lines->families[family].records;
    const char *at = records->start + place->at, *end = records->start + records->used;
    Span labels = {NULL, NULL};

    if (at == end) {
        return 1;
    }
    if (text->size < room && !make_room(text, room + 1024 - text->used)) {
        return 0;
    }
    labels = lines_labels(lines, place->shard);
    while (at < end && text->used < room) {
        int head = (unsigned char)*at++;
        uint32_t size;
        if (head & NEW_SHARD) {
            at = take_uint32(at, &place->shard);
            labels = lines_labels(lines, place->shard);
        }
        if (!(head & IS_TEXT)) {
            at = write_line(text, at, head, name, labels);
            if (at == NULL) {
                return 0;
            }
            continue;
        }
        at = take_uint32(at, &size);
        if (!make_room(text, size)) {
            return 0;
        }
        memcpy(text->start + text->used, at, size);
        text->used += size;
        at += size;
    }
    place->at = (size_t)(at - records->start);
    return 1;
}
