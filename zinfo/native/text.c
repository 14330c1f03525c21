#include "text.h"

#include <string.h>

#define MAX_DIGITS 18 /* digits of an integer that always fits 64 bits */
#define MAX_EXACT 15  /* digits that a double always represents exactly */
#define MAX_FLOAT 64  /* bytes of a fraction; longer ones are left to Python */

/* All are exact as doubles. */
static const double POWERS[MAX_EXACT + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                             1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

Span
bytes_of(PyObject *bytes)
{
    const char *start = PyBytes_AsString(bytes);
    Span all = {start, start + PyBytes_Size(bytes)};
    return all;
}

static const char *
skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

/* Parse a text that has the form of a fraction. */
static Number
read_fraction(Span text)
{
    Number number = {NONE, 0, 0.0};
    char copy[MAX_FLOAT + 1];
    size_t size = (size_t)(text.end - text.start);

    if (size > MAX_FLOAT) {
        return number;
    }
    memcpy(copy, text.start, size);
    copy[size] = '\0';
    number.fraction = PyOS_string_to_double(copy, NULL, NULL);
    if (number.fraction == -1.0 && PyErr_Occurred()) {
        number.kind = ERROR;
    }
    else if (number.fraction - number.fraction == 0.0) { /* finite */
        number.kind = FRACTION;
    }
    return number;
}

Number
read_number(Span text)
{
    Number none = {NONE, 0, 0.0}, number = {INTEGER, 0, 0.0};
    int negative = text.start < text.end && *text.start == '-';
    const char *first = text.start + negative;
    const char *at = skip_digits(first, text.end);
    const char *part = at;
    int has_point = at < text.end && *at == '.';

    if (at == first || (*first == '0' && at - first > 1)) {
        return none;
    }
    if (at == text.end) {
        if (at - first > MAX_DIGITS || (negative && *first == '0')) {
            return none;
        }
        for (part = first; part < at; part++) {
            number.whole = 10 * number.whole + (*part - '0');
        }
        number.whole = negative ? -number.whole : number.whole;
        return number;
    }
    if (has_point) {
        part = at + 1;
        at = skip_digits(part, text.end);
        if (at == part) {
            return none;
        }
    }
    if (at == text.end && at - first <= MAX_EXACT) {
        /* Both are exact as doubles, so their quotient equals the result of strtod (W. D. Clinger,
         * "How to read floating point numbers accurately", PLDI 1990). */
        double whole = 0;
        const char *digit;
        for (digit = first; digit < at; digit++) {
            if (*digit != '.') {
                whole = 10 * whole + (*digit - '0');
            }
        }
        number.kind = FRACTION;
        number.fraction = whole / POWERS[at - part];
        number.fraction = negative ? -number.fraction : number.fraction;
        return number;
    }
    if (at < text.end && (*at == 'e' || *at == 'E')) {
        part = at + 1;
        if (part < text.end && (*part == '+' || *part == '-')) {
            part++;
        }
        else if (!has_point) { /* `7e12` may be an id */
            return none;
        }
        at = skip_digits(part, text.end);
        if (at == part) {
            return none;
        }
    }
    return at == text.end ? read_fraction(text) : none;
}

static int
is_part_of_number(char byte)
{
    return (byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '+' ||
           byte == 'e' || byte == 'E';
}

int
is_text(Span text)
{
    const char *at;
    int found = text.start == text.end;

    for (at = text.start; at < text.end; at++) {
        if (*at <= ' ' || *at > '~' || *at == '=' || *at == ',') {
            return 0;
        }
        found |= !is_part_of_number(*at);
    }
    return found;
}

/* Read a number in front of a comma or the end of a text; NONE if it has another form than digits,
 * or digits around a point, or more than MAX_EXACT + 1 bytes. So most numbers need one pass.
 * The results are those of read_number. */
static Number
read_short_number(Span text, const char **end)
{
    Number number = {NONE, 0, 0.0};
    const char *at = text.start, *first = text.start, *point = NULL;

    for (; at < text.end; at++) {
        unsigned digit = (unsigned char)*at - (unsigned)'0';
        if (digit < 10 && at - first <= MAX_EXACT) {
            number.whole = 10 * number.whole + (long long)digit;
        }
        else if (*at == '.' && point == NULL) {
            point = at;
        }
        else {
            break;
        }
    }
    *end = at;
    if ((at < text.end && *at != ',') || at == first || point == first || point == at - 1 ||
        (*first == '0' && at - first > 1 && point != first + 1)) {
        return number;
    }
    number.kind = point == NULL ? INTEGER : FRACTION;
    if (point != NULL) {
        number.fraction = (double)number.whole / POWERS[at - point - 1];
    }
    return number;
}

Pair
next_pair(Span *text)
{
    Pair pair = {{text->start, text->start}, {NONE, 0, 0.0}, 0};
    const char *at = text->start, *end;
    Span value;

    while (at < text->end && (unsigned char)(*at - '!') <= '~' - '!' && *at != '=' && *at != ',') {
        at++;
    }
    pair.name.end = at;
    if (at == text->end || *at != '=' || at == text->start) {
        return pair;
    }
    value.start = at + 1;
    value.end = text->end;
    pair.number = read_short_number(value, &end);
    if (pair.number.kind == NONE) {
        end = find_byte(value, ',');
        value.end = end == NULL ? text->end : end;
        pair.number = read_number(value);
        end = value.end;
    }
    pair.is_last = end == text->end;
    text->start = end + !pair.is_last;
    return pair;
}
