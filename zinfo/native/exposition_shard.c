/* The samples about a shard and its server. */
#include "exposition_reply.h"

#include <string.h>

/* Append text to a buffer that has room for it. */
static void
put_text(Buffer *buffer, const char *start, size_t size)
{
    memcpy(buffer->start + buffer->used, start, size);
    buffer->used += size;
}

/* Write the sample that describes the server. */
int
write_info(Writing *writing)
{
    const Plan *plan = writing->plan;
    Buffer *text = &writing->labels;
    NumberText number = {"1", 1, ""};
    Span labels;
    int index;

    if (plan->info_family == NO_FAMILY) {
        return DONE;
    }
    if (!reserve(text, (size_t)plan->fact_count * (MAX_PART_NAME + MAX_LABEL_BYTES + 4) + 1)) {
        return FAILED;
    }
    for (index = 0; index < plan->fact_count; index++) {
        const Fact *fact = plan->facts + index;
        Span value = writing->slots[fact->slot];
        if (value.start == NULL && fact->other >= 0) {
            value = writing->slots[fact->other];
        }
        if (value.end == value.start && fact->is_optional) {
            continue;
        }
        if (text->used > 0) {
            put_text(text, ",", 1);
        }
        put_text(text, fact->name, (size_t)fact->size);
        put_text(text, "=\"", 2);
        if (value.end > value.start) {
            put_text(text, value.start, (size_t)(value.end - value.start));
        }
        put_text(text, "\"", 1);
    }
    labels.start = text->start;
    labels.end = text->start + text->used;
    return lines_add_labels(writing->lines, plan->info_family, labels, &number) ? DONE : FAILED;
}

/* Write the time at which the server started. */
int
write_start(Writing *writing)
{
    NumberText number;
    long long uptime, started;

    if (writing->plan->start_family == NO_FAMILY || writing->items[ITEM_UPTIME].start == NULL) {
        return DONE;
    }
    uptime = read_number(writing->items[ITEM_UPTIME]).whole;
    started = writing->now - uptime; /* both have at most 18 digits */
    format_integer(started, &number);
    return lines_add_number(writing->lines, writing->plan->start_family, &number) ? DONE : FAILED;
}

/* Write the samples about the shard. */
int
write_state(const Writing *writing, const ShardFacts *facts)
{
    const int *families = writing->plan->state_families;
    Lines *lines = writing->lines;
    NumberText numbers[STATE_FAMILIES] = {{"1", 1, ""}, {"1", 1, ""}}, age;
    Span digits;
    int index;

    format_integer(facts->failures, &numbers[FAILURES]);
    format_integer(writing->bad_lines, &numbers[BAD_LINES]);
    format_integer(facts->age, &age);
    digits.start = age.start;
    digits.end = age.start + age.size;
    if (format_number(digits, 6, &numbers[AGE]) != 1) {
        return PyErr_Occurred() ? FAILED : CONFLICT;
    }
    for (index = 0; index < STATE_FAMILIES; index++) {
        int done = families[index] == NO_FAMILY ? 1
                   : index == STATE
                       ? lines_add_labels(lines, families[index], facts->state, &numbers[index])
                       : lines_add_number(lines, families[index], &numbers[index]);
        if (!done) {
            return FAILED;
        }
    }
    return DONE;
}
