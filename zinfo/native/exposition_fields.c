/* The samples of single fields: numbers and states; and what fields say beside them. */
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
    if (done != 0 || !is_text(value)) {
        return done < 0 ? FAILED : LEFT;
    }
    switch (field->flags == NO_FLAGS ? NO_FLAG : read_flag(value, &number)) {
    case NO_FLAG:
        return DONE;
    case FLAG:
        if (field->flags == FLAGS_SHOWN) {
            return field->out[0] == NO_FAMILY ||
                           lines_add_number(writing->lines, field->out[0], &number)
                       ? DONE
                       : FAILED;
        }
        return LEFT;
    default:
        return LEFT;
    }
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
    writing->slots[field->slot] = value;
    writing->is_info_left |= !is_plain;
}

/* Note what a field says beside its samples. CONFLICT if that comes too late. */
static int
take_item(Writing *writing, const Field *field, Span value)
{
    if (field->item == ITEM_OTHER) {
        writing->has_other = 1;
        return writing->is_plain && writing->replicas > 0 ? CONFLICT : DONE;
    }
    if (field->item < ITEM_OTHER) {
        writing->items[field->item] = value;
        if (field->item == ITEM_UPTIME) {
            writing->is_info_left |= read_number(value).kind != INTEGER;
            PyErr_Clear();
        }
        return !writing->is_plain && (field->item == ITEM_HOST || field->item == ITEM_PORT) ? LEFT
                                                                                           : DONE;
    }
    if (field->op == OP_SERIAL && value.end - value.start == 4 &&
        memcmp(value.start, "none", 4) == 0) {
        writing->absent |= 1u << (field->item - ITEM_CERTIFICATE);
    }
    return DONE;
}

static int
write_role(Writing *writing, Span value)
{
    NumberText number;

    if (!is_text(value) || read_flag(value, &number) != NO_FLAG) {
        return LEFT;
    }
    if (value.end - value.start == 5 && memcmp(value.start, "slave", 5) == 0) {
        writing->is_replica = 1;
        return writing->is_plain ? DONE : LEFT;
    }
    return DONE;
}

static int
store_of_primary(Writing *writing, const Field *field, Span value)
{
    OfPrimary *of = writing->of_primary + writing->of_primary_count;

    if (writing->of_primary_count++ == MAX_OF_PRIMARY) {
        return CONFLICT;
    }
    of->field = field;
    of->value = value;
    return DONE;
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
    if (field->slot >= 0) {
        take_fact(writing, field, value);
    }
    if (field->item != NO_ITEM) {
        done = take_item(writing, field, value);
        if (done != DONE) {
            return done;
        }
    }
    if (field->op >= OP_REPLICA && !writing->is_plain) {
        return LEFT;
    }
    switch (field->op) {
    case OP_NUMBER:
        return write_number_field(writing, field, value);
    case OP_TEXT:
        return DONE;
    case OP_STATUS:
        return write_status(writing, field, value);
    case OP_ROLE:
        return write_role(writing, value);
    case OP_MAP:
        return write_map(writing, DATABASES, name, value, line);
    case OP_SERIAL:
        if (value.end - value.start == 4 && memcmp(value.start, "none", 4) == 0) {
            return DONE;
        }
        return append(&writing->alone, line);
    case OP_ALONE:
    case OP_ITEMS:
        return append(&writing->alone, line);
    case OP_REPLICA:
        return write_replica(writing, value);
    case OP_OF_PRIMARY:
    case OP_LINK:
        return store_of_primary(writing, field, value);
    case OP_LEFT:
        return LEFT;
    default:
        return write_labelled_field(writing, field, name, value, line);
    }
}
