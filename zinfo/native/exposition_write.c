/* write_reply: the samples of one reply, by a plan. Fields that are not plain cases are left to
 * Python; if that would change other samples, all of the reply is. */
#include "exposition.h"

#include <string.h>

#define MAX_MAPS 4096    /* statistics in a reply; one with more is left to Python */
#define MAX_STEPS 100000 /* comparisons of names of commands */
#define MAX_NAME 200     /* bytes of a name in a label, which Python cuts at 256 characters */
#define FEW_MAPS 64
#define MAX_CALLS 32     /* maps of a reply that Python writes while the event loop waits */

enum { DONE = 1, LEFT = 0, FAILED = -1, CONFLICT = -2 };

static const char *const prefixes[MAP_KINDS - 1] = {"cmdstat_", "errorstat_",
                                                    "latency_percentiles_usec_"};

/* One pair of a map: the part, and its number. */
typedef struct {
    const Part *part;
    NumberText number;
    int has_line;
} PartNumber;

/* The statistics of a command, for the sum and the count of its percentiles. */
typedef struct {
    Span name;
    Span usec;  /* empty if missing */
    Span calls; /* empty if missing */
    int is_left;
} Command;

typedef struct {
    Lines *lines;
    Plan *plan;
    long long now;
    Buffer left;     /* lines for Python, without maps */
    Buffer alone;    /* lines for Python whose samples depend on nothing else */
    Buffer unknown;  /* names of fields, each with LF */
    Buffer new_maps; /* lines of maps with unknown parts */
    Command *commands;
    Py_ssize_t command_count;
    Py_ssize_t command_size;
    Py_ssize_t next_command;
    long steps;
    int lacks_command; /* whether a summary came before the statistics of its command */
    int maps;          /* maps so far */
    PyObject *on_map;  /* writes a map in Python */
    int calls;         /* of `on_map` */
    Span slots[MAX_SLOTS];
    Span uptime;
    int is_info_left;
    long long bad_lines;
    int next_part[MAP_KINDS];
} Writing;

static int
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

/* Note that a reply has a field whose metric this is; CONFLICT if it has another one. */
static int
claim(Lines *lines, int number)
{
    Family *family;

    if (number == NO_FAMILY) {
        return DONE;
    }
    family = lines_family(lines, number);
    if (family == NULL) {
        return FAILED;
    }
    if (family->claim == lines->shards || family->part == lines->shards) {
        return CONFLICT;
    }
    family->claim = lines->shards;
    return DONE;
}

/* Return whether a text is in lower, upper or capitalised form one that Python reads as a number. */
static int
is_flag(Span text)
{
    static const char *const flags[] = {"err", "fail", "false", "no",   "down", "ok",  "true",
                                        "yes", "up",   "nan",   "-nan", "inf",  "-inf"};
    char lower[5];
    size_t size = (size_t)(text.end - text.start), index;

    if (size > sizeof lower) {
        return 0;
    }
    for (index = 0; index < size; index++) {
        char byte = text.start[index];
        lower[index] = byte >= 'A' && byte <= 'Z' ? (char)(byte + 'a' - 'A') : byte;
    }
    for (index = 0; index < sizeof flags / sizeof *flags; index++) {
        if (strlen(flags[index]) == size && memcmp(flags[index], lower, size) == 0) {
            return 1;
        }
    }
    return 0;
}

static int
write_numbers(Lines *lines, const Field *field, const NumberText *number)
{
    int index;

    for (index = 0; index < 2; index++) {
        if (field->out[index] != NO_FAMILY &&
            !lines_add_number(lines, field->out[index], number)) {
            return FAILED;
        }
    }
    return DONE;
}

static int
write_number_field(Writing *writing, const Field *field, Span value)
{
    NumberText number;
    int done = format_number(value, field->shift, &number);

    if (done == 1) {
        return write_numbers(writing->lines, field, &number);
    }
    if (done == 0 && is_text(value) && !(field->has_flags && is_flag(value))) {
        return DONE;
    }
    return done < 0 ? FAILED : LEFT;
}

static int
write_status(Writing *writing, const Field *field, Span value)
{
    NumberText number = {"0", 1};

    if (!is_text(value) && format_number(value, 0, &number) != 1) {
        return PyErr_Occurred() ? FAILED : LEFT;
    }
    number.size = 1;
    number.text[0] = value.end - value.start == 2 && memcmp(value.start, "ok", 2) == 0 ? '1' : '0';
    return write_numbers(writing->lines, field, &number);
}

/* Store the value of a field that the sample about the server shows. */
static void
take_fact(Writing *writing, const Field *field, Span value)
{
    NumberText number;
    int is_plain = is_plain_label(value) && value.end - value.start <= MAX_LABEL_BYTES;

    if (field->op != OP_TEXT && !is_text(value)) { /* a number may be shown in another form */
        is_plain = format_number(value, 0, &number) == 1 &&
                   number.size == value.end - value.start &&
                   memcmp(number.text, value.start, (size_t)number.size) == 0;
        PyErr_Clear();
    }
    if (field->slot >= 0) {
        writing->slots[field->slot] = value;
        writing->is_info_left |= !is_plain;
    }
    if (field->is_uptime) {
        Number seconds = read_number(value);
        writing->uptime = value;
        writing->is_info_left |= seconds.kind != INTEGER;
        PyErr_Clear();
    }
}

/* Return whether the map of this name is the first one in the reply. */
static int
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
        index = writing->next_part[kind] + tried; /* most servers write them in one order */
        index -= index >= count ? count : 0;
        if ((size_t)parts[index].size == size &&
            memcmp(parts[index].name, name.start, size) == 0) {
            writing->next_part[kind] = index + 1 == count ? 0 : index + 1;
            return parts + index;
        }
    }
    return NULL;
}

/* Remove the next pair from a text, and return its name, or an empty one if it is not plain. */
static Span
take_pair(Span *text, Span *value, int *is_last)
{
    Span name = {text->start, text->start};
    const char *at = text->start;

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
    while (!is_last) {
        Span value, name = take_pair(&text, &value, &is_last);
        PartNumber *one = found + *count;
        int done;
        if (name.end == name.start || *count == MAX_PARTS) {
            return LEFT;
        }
        one->part = find_part(writing, kind, name);
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

static int
store_command(Writing *writing, const Command *command)
{
    if (writing->lacks_command) { /* its summary may have been written without totals */
        return CONFLICT;
    }
    if (writing->command_count == writing->command_size) {
        Py_ssize_t size = 2 * writing->command_size + FEW_MAPS;
        Command *commands = PyMem_Realloc(writing->commands, (size_t)size * sizeof *commands);
        if (commands == NULL) {
            PyErr_NoMemory();
            return FAILED;
        }
        writing->commands = commands;
        writing->command_size = size;
    }
    writing->commands[writing->command_count++] = *command;
    return DONE;
}

/* Find the statistics of a command; NULL if there are none so far, or after too many steps. */
static const Command *
find_command(Writing *writing, Span name)
{
    Py_ssize_t tried, size = name.end - name.start;

    for (tried = 0; tried < writing->command_count; tried++) {
        Py_ssize_t index = writing->next_command + tried; /* both lists have one order */
        const Command *command;
        index -= index >= writing->command_count ? writing->command_count : 0;
        command = writing->commands + index;
        writing->steps++;
        if (command->name.end - command->name.start == size &&
            memcmp(command->name.start, name.start, (size_t)size) == 0) {
            writing->next_command = index + 1 == writing->command_count ? 0 : index + 1;
            return command;
        }
    }
    return NULL;
}

/* Write the sum and the count of a summary. */
static int
write_totals(Writing *writing, Span name)
{
    const Command *command = find_command(writing, name);
    Span none = {"", ""};
    int index;

    if (writing->steps > MAX_STEPS) {
        return CONFLICT;
    }
    if (command == NULL) {
        writing->lacks_command = 1;
        return DONE;
    }
    if (command->is_left) {
        return CONFLICT;
    }
    for (index = 0; index < 2; index++) {
        Span value = index == 0 ? command->usec : command->calls;
        NumberText number;
        if (writing->plan->totals[index] == NO_FAMILY || value.start == value.end) {
            continue;
        }
        if (format_number(value, 0, &number) != 1) {
            return PyErr_Occurred() ? FAILED : CONFLICT;
        }
        if (!lines_add_part(writing->lines, writing->plan->totals[index], PERCENTILES, name, none,
                            &number)) {
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
    result = PyObject_CallFunctionObjArgs(writing->on_map, text, NULL);
    Py_DECREF(text);
    Py_XDECREF(result);
    return result == NULL ? FAILED : DONE;
}

/* Write a map whose parts are samples. `name` is what its label shows. */
static int
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
               : kind == PERCENTILES      ? CONFLICT
                                          : call_python(writing, line);
    }
    if (done == DONE) {
        done = write_parts(writing, kind, name, found, count);
    }
    return done == DONE && kind == PERCENTILES ? write_totals(writing, name) : done;
}

/* Return the kind of statistics that a line has, or -1. */
static int
statistics_kind(Span line)
{
    int kind;

    if (line.start == line.end || strchr("cel", *line.start) == NULL) {
        return -1;
    }
    for (kind = 0; kind < MAP_KINDS - 1; kind++) {
        size_t size = strlen(prefixes[kind]);
        if ((size_t)(line.end - line.start) > size &&
            memcmp(line.start, prefixes[kind], size) == 0) {
            return kind;
        }
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
    Span value = without_cr(line), name = {line.start, value.end}, label;

    while (name.end > name.start && name.end[-1] != ':') {
        name.end--;
    }
    if (name.end == name.start) { /* not a field */
        writing->bad_lines++;
        return DONE;
    }
    value.start = name.end--;
    label.start = name.start + strlen(prefixes[kind]);
    label.end = name.end;
    if (label.end < label.start) {
        return CONFLICT; /* the colon is in the prefix, which is impossible */
    }
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

static int
write_field(Writing *writing, Field *field, Span name, Span value, Span line)
{
    int done, index;

    if (field->stamp == writing->plan->stamp && field->op != OP_LEFT && field->op != OP_ITEMS) {
        return CONFLICT; /* repeated: its value is a list */
    }
    if (field->stamp != writing->plan->stamp) {
        field->stamp = writing->plan->stamp;
        for (index = 0; index < 2; index++) {
            done = claim(writing->lines, field->claims[index]);
            if (done != DONE) {
                return done;
            }
        }
    }
    if (field->slot >= 0 || field->is_uptime) {
        take_fact(writing, field, value);
    }
    switch (field->op) {
    case OP_NUMBER:
        return write_number_field(writing, field, value);
    case OP_TEXT:
        return DONE;
    case OP_STATUS:
        return write_status(writing, field, value);
    case OP_ROLE:
        return is_text(value) && !is_flag(value) &&
                       (value.end - value.start != 5 || memcmp(value.start, "slave", 5) != 0)
                   ? DONE
                   : LEFT;
    case OP_MAP:
        return write_map(writing, DATABASES, name, value, line);
    case OP_ALONE:
    case OP_ITEMS:
        return append(&writing->alone, line);
    default:
        return LEFT;
    }
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
                done = write_field(writing, plan->fields + index, name, value, line);
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

/* Append text to a buffer that has room for it. */
static void
put_text(Buffer *buffer, const char *start, size_t size)
{
    memcpy(buffer->start + buffer->used, start, size);
    buffer->used += size;
}

/* Write the sample that describes the server. */
static int
write_info(Writing *writing)
{
    const Plan *plan = writing->plan;
    Buffer text = {NULL, 0, 0};
    NumberText number = {"1", 1};
    Span labels;
    int index, done;

    if (plan->info_family == NO_FAMILY) {
        return DONE;
    }
    if (!reserve(&text, (size_t)plan->fact_count * (MAX_PART_NAME + MAX_LABEL_BYTES + 4) + 1)) {
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
        if (text.used > 0) {
            put_text(&text, ",", 1);
        }
        put_text(&text, fact->name, (size_t)fact->size);
        put_text(&text, "=\"", 2);
        if (value.end > value.start) {
            put_text(&text, value.start, (size_t)(value.end - value.start));
        }
        put_text(&text, "\"", 1);
    }
    labels.start = text.start;
    labels.end = text.start + text.used;
    done = lines_add_labels(writing->lines, plan->info_family, labels, &number);
    PyMem_Free(text.start);
    return done ? DONE : FAILED;
}

/* Write the time at which the server started. */
static int
write_start(Writing *writing)
{
    NumberText number;
    long long uptime, started;

    if (writing->plan->start_family == NO_FAMILY || writing->uptime.start == NULL) {
        return DONE;
    }
    uptime = read_number(writing->uptime).whole;
    started = writing->now - uptime; /* both have at most 18 digits */
    format_integer(started, &number);
    return lines_add_number(writing->lines, writing->plan->start_family, &number) ? DONE : FAILED;
}

/* Write the samples about the shard. */
static int
write_state(const Writing *writing, const ShardFacts *facts)
{
    const int *families = writing->plan->state_families;
    Lines *lines = writing->lines;
    NumberText numbers[STATE_FAMILIES] = {{"1", 1}, {"1", 1}};
    int index;

    format_integer(facts->failures, &numbers[FAILURES]);
    format_integer(writing->bad_lines, &numbers[BAD_LINES]);
    if (format_double(facts->age, &numbers[AGE]) != 1) {
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

static PyObject *
result_of(const Writing *writing)
{
    PyObject *left = PyBytes_FromStringAndSize(writing->left.start,
                                               (Py_ssize_t)writing->left.used);
    PyObject *alone = PyBytes_FromStringAndSize(writing->alone.start,
                                                (Py_ssize_t)writing->alone.used);
    PyObject *unknown = PyBytes_FromStringAndSize(writing->unknown.start,
                                                  (Py_ssize_t)writing->unknown.used);
    PyObject *maps = PyBytes_FromStringAndSize(writing->new_maps.start,
                                               (Py_ssize_t)writing->new_maps.used);

    if (left == NULL || alone == NULL || unknown == NULL || maps == NULL) {
        Py_XDECREF(left);
        Py_XDECREF(alone);
        Py_XDECREF(unknown);
        Py_XDECREF(maps);
        return NULL;
    }
    return Py_BuildValue("(NNNNNL)", left, alone, unknown, maps,
                         PyBool_FromLong(writing->is_info_left), writing->bad_lines);
}

PyObject *
write_reply(Lines *lines, Plan *plan, Span raw, long long now, PyObject *on_map,
            const ShardFacts *facts)
{
    Writing writing;
    PyObject *result = NULL;
    int done;

    memset(&writing, 0, sizeof writing);
    writing.lines = lines;
    writing.plan = plan;
    writing.now = now;
    writing.on_map = on_map;
    if (++plan->stamp == 0) { /* after 2^32 replies */
        PyErr_SetString(PyExc_OverflowError, "the plan is used up");
        return NULL;
    }
    done = write_lines(&writing, raw);
    if (done == DONE) {
        done = write_state(&writing, facts);
    }
    if (done == DONE && !writing.is_info_left) {
        done = write_start(&writing);
        if (done == DONE) {
            done = write_info(&writing);
        }
    }
    if (done == DONE && reserve(&writing.left, 1) && reserve(&writing.alone, 1) && reserve(&writing.unknown, 1) &&
        reserve(&writing.new_maps, 1)) {
        result = result_of(&writing);
    }
    else if (done == CONFLICT) {
        result = Py_NewRef(Py_None);
    }
    PyMem_Free(writing.left.start);
    PyMem_Free(writing.alone.start);
    PyMem_Free(writing.unknown.start);
    PyMem_Free(writing.new_maps.start);
    PyMem_Free(writing.commands);
    return result;
}
