/* The replicas of a server, and its primary. Servers of Redis, Valkey and KeyDB with at most one
 * primary are written here, others by Python: zinfo/metrics/replication.py. */
#include "exposition_reply.h"

#include <string.h>

#define LABELS_ROOM (3 * MAX_LABEL_BYTES + 64)

/* The parts of a replica. */
enum { IP, PORT, STATE_PART, OFFSET, LAG, TYPE, REPLICA_PARTS };

static const char *const part_names[] = {"ip", "port", "state", "offset", "lag", "type"};

static void
put_label(char **to, const char *name, Span value)
{
    size_t size = strlen(name);

    memcpy(*to, name, size);
    *to += size;
    *(*to)++ = '=';
    *(*to)++ = '"';
    if (value.end > value.start) {
        size = (size_t)(value.end - value.start);
        memcpy(*to, value.start, size);
        *to += size;
    }
    *(*to)++ = '"';
}

/* Return whether a label shows a value as it stands; `is_number` if it may be a number. */
static int
is_shown_as_is(Span value, int is_number)
{
    NumberText number;

    if (value.end - value.start > MAX_LABEL_BYTES || !is_plain_label(value)) {
        return 0;
    }
    if (!is_number || is_text(value)) {
        return 1;
    }
    if (format_number(value, 0, &number) == 1) {
        return number.size == value.end - value.start &&
               memcmp(number.start, value.start, (size_t)number.size) == 0;
    }
    PyErr_Clear();
    return 0;
}

/* Split the line of a replica. Returns whether each part stands there once, at least up to LAG. */
static int
read_replica(Span text, Span parts[REPLICA_PARTS])
{
    int count, index;

    memset(parts, 0, REPLICA_PARTS * sizeof *parts);
    for (count = 0; count < REPLICA_PARTS; count++) {
        const char *equals = find_byte(text, '='), *comma;
        Span value = {equals ? equals + 1 : text.end, text.end};
        if (equals == NULL) {
            return 0;
        }
        comma = find_byte(value, ',');
        value.end = comma ? comma : text.end;
        for (index = 0; index < REPLICA_PARTS; index++) {
            size_t size = strlen(part_names[index]);
            if (size == (size_t)(equals - text.start) &&
                memcmp(part_names[index], text.start, size) == 0) {
                break;
            }
        }
        if (index == REPLICA_PARTS || parts[index].start != NULL || value.start == value.end ||
            find_byte(value, '=') != NULL) {
            return 0;
        }
        parts[index] = value;
        if (comma == NULL) {
            return parts[TYPE].start == NULL ? count == TYPE - 1 : count == TYPE;
        }
        text.start = comma + 1;
    }
    return 0;
}

int
write_replica(Writing *writing, Span value)
{
    const int *families = writing->plan->replication_families;
    Span parts[REPLICA_PARTS], labels;
    NumberText offset, lag;
    char text[LABELS_ROOM], *end = text;

    if (writing->has_other || ++writing->replicas > MAX_REPLICAS || !read_replica(value, parts) ||
        !is_shown_as_is(parts[IP], 0) || !is_shown_as_is(parts[PORT], 1) ||
        !is_shown_as_is(parts[STATE_PART], 0) || find_byte(parts[IP], ' ') ||
        find_byte(parts[STATE_PART], ' ')) {
        return CONFLICT;
    }
    if (format_number(parts[OFFSET], 0, &offset) != 1 || format_number(parts[LAG], 0, &lag) != 1) {
        return PyErr_Occurred() ? FAILED : CONFLICT;
    }
    put_label(&end, "slave_ip", parts[IP]);
    *end++ = ',';
    put_label(&end, "slave_port", parts[PORT]);
    *end++ = ',';
    put_label(&end, "slave_state", parts[STATE_PART]);
    labels.start = text;
    labels.end = end;
    if (!is_first(writing, MAP_KINDS, labels)) { /* of two with equal labels, the worse is shown */
        return CONFLICT;
    }
    return (families[REPLICA_OFFSET] == NO_FAMILY ||
            lines_add_labels(writing->lines, families[REPLICA_OFFSET], labels, &offset)) &&
                   (families[REPLICA_LAG] == NO_FAMILY ||
                    lines_add_labels(writing->lines, families[REPLICA_LAG], labels, &lag))
               ? DONE
               : FAILED;
}

/* Read a number of the primary. LEFT if the value has no sample. */
static int
read_of_primary(const OfPrimary *of, NumberText *number)
{
    int done;

    if (of->field->op == OP_LINK) {
        int is_up = of->value.end - of->value.start == 2 && memcmp(of->value.start, "up", 2) == 0;
        number->start = is_up ? "1" : "0";
        number->size = 1;
        return is_text(of->value) ? DONE : CONFLICT;
    }
    done = format_number(of->value, 0, number);
    if (done == 0 && is_text(of->value)) {
        done = read_flag(of->value, number);
        return done == FLAG ? DONE : LEFT;
    }
    return done == 1 ? DONE : done < 0 ? FAILED : CONFLICT;
}

int
write_primary(const Writing *writing)
{
    const Span *items = writing->items;
    Span labels, port = items[ITEM_PORT];
    char text[LABELS_ROOM], *end = text;
    NumberText number = {"1", 1, ""};
    int index, family = writing->plan->replication_families[PRIMARY];

    if (items[ITEM_HOST].start == NULL) {
        port.end = port.start; /* without a host, a port is not shown */
    }
    if (!is_shown_as_is(items[ITEM_HOST], 0) || !is_shown_as_is(port, 1)) {
        return CONFLICT;
    }
    put_label(&end, "master_host", items[ITEM_HOST]);
    *end++ = ',';
    put_label(&end, "master_port", port);
    labels.start = text;
    labels.end = end;
    for (index = 0; index < writing->of_primary_count; index++) {
        const OfPrimary *of = writing->of_primary + index;
        NumberText shown;
        int done = read_of_primary(of, &shown);
        if (done == DONE && of->field->out[0] != NO_FAMILY &&
            !lines_add_labels(writing->lines, of->field->out[0], labels, &shown)) {
            done = FAILED;
        }
        if (done != DONE && done != LEFT) {
            return done;
        }
    }
    if (family == NO_FAMILY || !(writing->is_replica || items[ITEM_HOST].start != NULL)) {
        return DONE;
    }
    if (!is_shown_as_is(items[ITEM_READ_ONLY], 1)) {
        return CONFLICT;
    }
    *end++ = ',';
    put_label(&end, "read_only", items[ITEM_READ_ONLY]);
    labels.end = end;
    return lines_add_labels(writing->lines, family, labels, &number) ? DONE : FAILED;
}
