/* The samples of single fields: numbers, states, and facts of the sample about the server. */
#include "exposition_reply.h"

#include <string.h>

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
    NumberText number;
    int is_ok = value.end - value.start == 2 && memcmp(value.start, "ok", 2) == 0;

    if (!is_text(value) && format_number(value, 0, &number) != 1) {
        return PyErr_Occurred() ? FAILED : LEFT;
    }
    number.start = is_ok ? "1" : "0";
    number.size = 1;
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
                   memcmp(number.start, value.start, (size_t)number.size) == 0;
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

int
write_field_samples(Writing *writing, Field *field, Span name, Span value, Span line)
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
