/* The samples of maps: statistics of commands, errors and percentiles, and databases. */
#include "exposition_reply.h"

#include <string.h>

#define MAX_MAPS 4096 /* statistics in a reply; one with more is left to Python */
#define MAX_NAME 200  /* bytes of a name in a label, which Python cuts at 256 characters */
#define MAX_CALLS 32  /* maps of a reply that Python writes while the event loop waits */

/* One pair of a map: the part, and its number. */
typedef struct {
    const Part *part;
    NumberText number;
    int has_line;
} PartNumber;

/* Return whether the map of this name is the first one in the reply. */
int
is_first(Writing *writing, int kind, Span name)
{
    Plan *plan = writing->plan;
    uint64_t hash = hash_text(name) ^ (uint64_t)kind << 60;
    size_t at = hash % (2 * MAX_MAPS);

    if (++writing->maps > MAX_MAPS) {
        return 0;
    }
    while (plan->seen_stamps[at] == plan->stamp) {
        if (plan->seen[at] == hash) {
            return 0;
        }
        at = (at + 1) % (2 * MAX_MAPS);
    }
    plan->seen_stamps[at] = plan->stamp;
    plan->seen[at] = hash;
    return 1;
}

static const Part *
find_part(Writing *writing, int kind, Span name)
{
    const Part *parts = writing->plan->parts[kind];
    int count = writing->plan->part_count[kind], index, tried;
    size_t size = (size_t)(name.end - name.start);

    for (tried = 0; tried < count; tried++) {
        index = writing->next_part[kind] + tried;
        index -= index >= count ? count : 0;
        if ((size_t)parts[index].size == size &&
            memcmp(parts[index].name, name.start, size) == 0) {
            writing->next_part[kind] = index + 1;
            return parts + index;
        }
    }
    return NULL;
}

/* Return the part that is likely the next one if a text begins with its name and `=`, else NULL. */
static const Part *
find_likely_part(Writing *writing, int kind, Span text)
{
    const Part *part = writing->plan->parts[kind] + writing->next_part[kind];

    if (writing->next_part[kind] < writing->plan->part_count[kind] &&
        text.end - text.start > part->size && text.start[part->size] == '=' &&
        memcmp(text.start, part->name, (size_t)part->size) == 0) {
        writing->next_part[kind]++;
        return part;
    }
    return NULL;
}

/* Remove the next pair from a text, and return its name, or an empty one if it is not plain. The
 * name has `known` bytes, or an unknown number if that is 0. */
static Span
take_pair(Span *text, Py_ssize_t known, Span *value, int *is_last)
{
    Span name = {text->start, text->start};
    const char *at = text->start + known;

    while (at < text->end && *at > ' ' && *at <= '~' && *at != '=' && *at != ',') {
        at++;
    }
    if (at == text->end || *at != '=') {
        return name;
    }
    name.end = at;
    value->start = ++at;
    while (at < text->end && *at != ',') {
        at++;
    }
    value->end = at;
    *is_last = at == text->end;
    text->start = at + !*is_last;
    return name;
}

/* Read the pairs of a map. LEFT if it is not plain, or has a part that the plan does not know. */
static int
read_parts(Writing *writing, int kind, Span text, Span line, PartNumber *found, int *count,
           Command *command)
{
    uint64_t seen = 0;
    int is_last = 0;

    *count = 0;
    writing->next_part[kind] = 0; /* most maps of a kind have the same parts in one order */
    while (!is_last) {
        const Part *part = find_likely_part(writing, kind, text);
        Span value, name = take_pair(&text, part ? part->size : 0, &value, &is_last);
        PartNumber *one = found + *count;
        int done;
        if (name.end == name.start || *count == MAX_PARTS) {
            return LEFT;
        }
        one->part = part ? part : find_part(writing, kind, name);
        if (one->part == NULL) {
            return append(&writing->new_maps, line) == DONE ? LEFT : FAILED;
        }
        if (seen & (uint64_t)1 << one->part->same) {
            return LEFT;
        }
        seen |= (uint64_t)1 << one->part->same;
        done = format_number(value, one->part->shift, &one->number);
        if (done <= 0) {
            return done == 0 ? LEFT : FAILED;
        }
        one->has_line = done == 1 && one->part->family != NO_FAMILY;
        ++*count;
        if (kind == COMMANDS) {
            if (name.end - name.start == 4 && memcmp(name.start, "usec", 4) == 0) {
                command->usec = value;
            }
            else if (name.end - name.start == 5 && memcmp(name.start, "calls", 5) == 0) {
                command->calls = value;
            }
        }
    }
    return DONE;
}

static int
write_parts(Writing *writing, int kind, Span name, const PartNumber *found, int count)
{
    Lines *lines = writing->lines;
    int index;

    for (index = 0; index < count; index++) {
        const Part *part = found[index].part;
        Span extra = {part->extra, part->extra + part->extra_size};
        Family *family;
        if (!found[index].has_line) {
            continue;
        }
        family = lines_family(lines, part->family);
        if (family == NULL) {
            return FAILED;
        }
        if (family->claim == lines->shards) {
            return CONFLICT;
        }
        family->part = lines->shards;
        if (!lines_add_part(lines, part->family, kind, name, extra, &found[index].number)) {
            return FAILED;
        }
    }
    return DONE;
}

/* Have Python write a map, so that its samples stand between those of the others. */
static int
call_python(Writing *writing, Span line)
{
    PyObject *text, *result;

    if (++writing->calls > MAX_CALLS) {
        return CONFLICT;
    }
    text = PyBytes_FromStringAndSize(line.start, line.end - line.start);
    if (text == NULL) {
        return FAILED;
    }
    result = PyObject_CallFunction(writing->on_map, "On", text, writing->place);
    Py_DECREF(text);
    Py_XDECREF(result);
    return result == NULL ? FAILED : DONE;
}

/* Write a map whose parts are samples. `name` is what its label shows. */
int
write_map(Writing *writing, int kind, Span name, Span value, Span line)
{
    PartNumber found[MAX_PARTS];
    Command command = {name, {"", ""}, {"", ""}, 0};
    int count = 0, done = LEFT;

    if (!is_first(writing, kind, name)) {
        return CONFLICT;
    }
    if (is_plain_label(name) && name.end - name.start <= MAX_NAME) {
        done = read_parts(writing, kind, value, line, found, &count, &command);
    }
    if (kind == COMMANDS && done >= LEFT) {
        int stored;
        command.is_left = done == LEFT;
        stored = store_command(writing, &command);
        if (stored != DONE) {
            return stored;
        }
    }
    if (done == LEFT) {
        return writing->new_maps.used > 0 ? DONE /* the reply is written again */
               : kind == PERCENTILES || kind == THREADS ? CONFLICT
                                                        : call_python(writing, line);
    }
    if (done == DONE) {
        done = write_parts(writing, kind, name, found, count);
    }
    return done == DONE && kind == PERCENTILES ? write_totals(writing, name) : done;
}
