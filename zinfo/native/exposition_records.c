/* Adds records of samples; exposition_records.h describes them. */
#include "exposition_records.h"

#define HEAD 8           /* most bytes of a record beside label, number and text */
#define SMALL (64 << 10) /* bytes of a buffer that doubles; larger ones grow by a quarter */

int
grow(Buffer *buffer, size_t more)
{
    size_t size = buffer->size + more + 64;
    char *start;

    size += size < SMALL ? size : size / 4;
    start = PyMem_Realloc(buffer->start, size);
    if (start == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    buffer->start = start;
    buffer->size = size;
    return 1;
}

Family *
make_family(Lines *lines, int family)
{
    if (family < 0 || family > MAX_FAMILY) {
        PyErr_SetString(PyExc_ValueError, "no number of a metric");
        return NULL;
    }
    if (family >= lines->count) {
        int count = family + family / 2 + 64;
        Family *families = PyMem_Realloc(lines->families, (size_t)count * sizeof *families);
        if (families == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        memset(families + lines->count, 0, (size_t)(count - lines->count) * sizeof *families);
        lines->families = families;
        lines->count = count;
    }
    return lines->families + family;
}

/* Make room for a record with `more` bytes beside its head, and write the head. Returns where the
 * record continues, NULL if memory is exhausted, and sets `buffer`. */
static inline char *
start_record(Lines *lines, int number, int head, size_t more, Buffer **buffer)
{
    Family *family = lines_family(lines, number);
    char *to;

    if (family == NULL || !make_room(&family->records, HEAD + more)) {
        return NULL;
    }
    *buffer = &family->records;
    to = family->records.start + family->records.used;
    if (family->stamp != lines->shards) {
        uint32_t shard = lines->shards - 1;
        family->stamp = lines->shards;
        family->mark = family->records.used;
        *to++ = (char)(head | NEW_SHARD);
        memcpy(to, &shard, sizeof shard);
        to += sizeof shard;
    }
    else {
        *to++ = (char)head;
    }
    lines->written++;
    return to;
}

/* Write the number, the last part of a record. */
static inline int
end_record(Buffer *buffer, char *to, const NumberText *number)
{
    to = put(to, number->start, (size_t)number->size);
    buffer->used = (size_t)(to - buffer->start);
    return 1;
}

int
lines_add_number(Lines *lines, int family, const NumberText *number)
{
    Buffer *buffer;
    char *to = start_record(lines, family, number->size, (size_t)number->size, &buffer);

    return to != NULL && end_record(buffer, to, number);
}

int
lines_add_part(Lines *lines, int family, int kind, Span label, Span extra,
               const NumberText *number)
{
    size_t size = (size_t)(label.end - label.start), more = (size_t)(extra.end - extra.start);
    Buffer *buffer;
    char *to = start_record(lines, family, HAS_LABEL | number->size,
                            size + more + (size_t)number->size, &buffer);

    if (to == NULL) {
        return 0;
    }
    *to++ = (char)kind;
    *to++ = (char)(size + more);
    to = put(to, label.start, size);
    return end_record(buffer, put(to, extra.start, more), number);
}

int
lines_add_labels(Lines *lines, int family, Span labels, const NumberText *number)
{
    uint16_t size = (uint16_t)(labels.end - labels.start);
    Buffer *buffer;
    char *to = start_record(lines, family, HAS_LABEL | number->size,
                            (size_t)size + (size_t)number->size, &buffer);

    if (to == NULL) {
        return 0;
    }
    *to++ = (char)ALL_LABELS;
    memcpy(to, &size, sizeof size);
    return end_record(buffer, put(to + sizeof size, labels.start, size), number);
}

int
lines_add_text(Lines *lines, int family, Span text)
{
    uint32_t size = (uint32_t)(text.end - text.start);
    Buffer *buffer;
    char *to = start_record(lines, family, IS_TEXT, sizeof size + size, &buffer);

    if (to == NULL) {
        return 0;
    }
    memcpy(to, &size, sizeof size);
    to = put(to + sizeof size, text.start, size);
    buffer->used = (size_t)(to - buffer->start);
    lines->written--; /* counted as one */
    while (text.start < text.end) {
        int has_end;
        next_line(&text, &has_end);
        lines->written += has_end;
    }
    return 1;
}

Span
lines_labels(const Lines *lines, uint32_t shard)
{
    size_t start = shard == 0 ? 0 : lines->ends[shard - 1];
    Span text = {lines->texts.start + start, lines->texts.start + lines->ends[shard]};
    return text;
}
