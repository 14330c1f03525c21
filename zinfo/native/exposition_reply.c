/* The samples of one reply, by a plan. Fields that are not plain cases are left to
 * Python; if that would change other samples, all of the reply is. */
#include "exposition_reply.h"

#include <stddef.h>
#include <string.h>

#define COMMANDS_PREFIX "cmdstat_"
#define ERRORS_PREFIX "errorstat_"
#define PERCENTILES_PREFIX "latency_percentiles_usec_"

static const int prefix_sizes[] = {
    [COMMANDS] = sizeof COMMANDS_PREFIX - 1,
    [ERRORS] = sizeof ERRORS_PREFIX - 1,
    [PERCENTILES] = sizeof PERCENTILES_PREFIX - 1,
};

int
append(Buffer *buffer, Span text)
{
    size_t size = (size_t)(text.end - text.start);

    if (!reserve(buffer, size + 1)) {
        return FAILED;
    }
    memcpy(buffer->start + buffer->used, text.start, size);
    buffer->used += size;
    buffer->start[buffer->used++] = '\n';
    return DONE;
}

/* Return the kind of statistics that a line has, or -1. */
static int
statistics_kind(Span line)
{
    Py_ssize_t size = line.end - line.start;

    /* The compiler replaces memcmp where the size is a constant. */
    if (size > prefix_sizes[COMMANDS] &&
        memcmp(line.start, COMMANDS_PREFIX, sizeof COMMANDS_PREFIX - 1) == 0) {
        return COMMANDS;
    }
    if (size > prefix_sizes[ERRORS] &&
        memcmp(line.start, ERRORS_PREFIX, sizeof ERRORS_PREFIX - 1) == 0) {
        return ERRORS;
    }
    if (size > prefix_sizes[PERCENTILES] &&
        memcmp(line.start, PERCENTILES_PREFIX, sizeof PERCENTILES_PREFIX - 1) == 0) {
        return PERCENTILES;
    }
    return -1;
}

/* Note a name that the plan does not know. LEFT if the plan cannot know it. */
static int
add_unknown(Writing *writing, Span name)
{
    if (!is_plain_label(name) || name.end - name.start > MAX_FIELD_NAME) {
        return CONFLICT;
    }
    return append(&writing->unknown, name);
}

static int
write_statistics(Writing *writing, int kind, Span line)
{
    Span value = without_cr(line), name = {line.start, NULL}, label;
    const char *colon;

    label.start = value.start = line.start + prefix_sizes[kind];
    while ((colon = find_byte(value, ':')) != NULL) { /* names may have colons, too */
        name.end = colon;
        value.start = colon + 1;
    }
    if (name.end == NULL) { /* not a field */
        writing->bad_lines++;
        return DONE;
    }
    label.end = name.end;
    if (writing->plan->shown[kind] == HIDDEN) {
        return is_first(writing, kind, label) ? DONE : CONFLICT;
    }
    if (writing->plan->shown[kind] == BY_NAME) {
        int32_t index = plan_find(writing->plan, name);
        if (index < 0) {
            return add_unknown(writing, name);
        }
        if (!writing->plan->fields[index].is_visible) {
            return is_first(writing, kind, label) ? DONE : CONFLICT;
        }
    }
    return write_map(writing, kind, label, value, line);
}

/* Find the field of a line: most likely the one that came after the field before in a former
 * reply. Returns its place, or -1, and sets `name`; an empty name if the line is not a field. */
static int32_t
find_field_of(const Writing *writing, Span line, int32_t likely, Span *name)
{
    name->start = name->end = line.start;
    if (likely >= 0) {
        const Field *field = writing->plan->fields + likely;
        if (line.end - line.start > field->size && line.start[field->size] == ':' &&
            memcmp(line.start, field->name, (size_t)field->size) == 0) {
            name->end += field->size;
            return likely;
        }
    }
    if (line.start < line.end && *line.start != '#') {
        const char *colon = find_byte(line, ':');
        name->end = colon ? colon : line.start;
    }
    return name->end > name->start ? plan_find(writing->plan, *name) : -1;
}

static int
write_lines(Writing *writing, Span raw)
{
    Plan *plan = writing->plan;
    int32_t *next = &plan->first;
    int has_end = 1, done;

    while (has_end) {
        Span line = next_line(&raw, &has_end), value = without_cr(line), name;
        int kind = statistics_kind(line);
        if (kind >= 0) {
            done = write_statistics(writing, kind, line);
        }
        else {
            int32_t index = find_field_of(writing, value, *next, &name);
            if (name.end == name.start) {
                writing->bad_lines += !is_blank(line) && *line.start != '#';
                continue;
            }
            value.start = name.end + 1;
            if (index >= 0) {
                *next = index;
                next = &plan->fields[index].next;
                done = write_field_samples(writing, plan->fields + index, name, value, line);
            }
            else {
                done = add_unknown(writing, name);
            }
        }
        if (done == LEFT) {
            done = append(&writing->left, line);
        }
        if (done != DONE) {
            return done;
        }
    }
    return DONE;
}

/* Forget the reply before; the memory of the buffers is used again. */
static void
reset(Writing *writing)
{
    size_t start = offsetof(Writing, command_count);

    memset((char *)writing + start, 0, sizeof *writing - start);
    writing->left.used = writing->alone.used = 0;
    writing->unknown.used = writing->new_maps.used = writing->labels.used = 0;
}

int
write_reply(Writing *writing, Py_ssize_t place, Span raw, const ShardFacts *facts)
{
    int done;

    reset(writing);
    writing->place = place;
    writing->now = facts->now;
    if (++writing->plan->stamp == 0) { /* after 2^32 replies */
        PyErr_SetString(PyExc_OverflowError, "the plan is used up");
        return FAILED;
    }
    done = write_lines(writing, raw);
    if (done == DONE && writing->is_plain) {
        done = write_primary(writing);
        done = done == DONE ? write_expiries(writing) : done;
    }
    if (done == DONE) {
        done = write_state(writing, facts);
    }
    if (done == DONE && !writing->is_info_left) {
        done = write_start(writing);
        done = done == DONE ? write_info(writing) : done;
    }
    return done;
}
