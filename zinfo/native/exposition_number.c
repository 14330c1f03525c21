/* Numbers of INFO as Python prints them.
 *
 * A decimal with at most 15 significant digits is the shortest text of its nearest double: two such
 * decimals never have the same one (IEEE 754; D. Goldberg, "What every computer scientist should
 * know about floating-point arithmetic", 1991). So `repr` of the number has the same digits, except
 * for zeros at the end, and the text is copied. Division by a power of ten moves the point: both
 * numbers are exact doubles, so the quotient is the double nearest to that decimal. Python writes
 * numbers below 1e-4 with an exponent; these and all others are printed by Python's function. */
#include "exposition.h"

#include <string.h>

#define MAX_EXACT 15
#define MAX_INTEGER 18
#define LEAST_PLAIN 4 /* zeros after the point that Python writes */

static int
copy(NumberText *number, const char *start, Py_ssize_t size)
{
    memcpy(number->text, start, (size_t)size);
    number->start = number->text;
    number->size = (int)size;
    return 1;
}

static int
set_part(NumberText *number, const char *start, const char *end)
{
    number->start = start;
    number->size = (int)(end - start);
    return 1;
}

/* Return the end of the digits after the point, without zeros at the end but with one digit. */
static const char *
fraction_end(const char *start, const char *end)
{
    while (end - start > 1 && end[-1] == '0') {
        end--;
    }
    return end;
}

int
format_double(double value, NumberText *number)
{
    char *text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    size_t size;
    int done = 0;

    if (text == NULL) {
        return -1;
    }
    size = strlen(text);
    if (size <= MAX_NUMBER) {
        done = copy(number, text, (Py_ssize_t)size);
    }
    PyMem_Free(text);
    return done;
}

int
format_integer(long long value, NumberText *number)
{
    unsigned long long left = value < 0 ? 0ULL - (unsigned long long)value
                                        : (unsigned long long)value;
    char *end = number->text + sizeof number->text, *at = end;

    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        *--at = '-';
    }
    return set_part(number, at, end);
}

/* Write an integer of at most 15 digits, divided; 0 if Python writes an exponent. */
static int
shift_point(Span digits, int shift, NumberText *number)
{
    char *to = number->text;
    Py_ssize_t size = digits.end - digits.start, zeros = shift + 1 - size;

    zeros = zeros > 0 ? zeros : 0;
    if (zeros > LEAST_PLAIN && *digits.start != '0') {
        return 0;
    }
    memset(to, '0', (size_t)zeros);
    memcpy(to + zeros, digits.start, (size_t)size);
    to += zeros + size - shift;
    memmove(to + 1, to, (size_t)shift);
    *to = '.';
    return set_part(number, number->text, fraction_end(to + 1, to + 1 + shift));
}

/* Return whether the number 0.xxx is too small for Python to write it without an exponent. */
static int
is_tiny(const char *point, const char *end)
{
    const char *at = point + 1;

    while (at < end && *at == '0') {
        at++;
    }
    return at < end && at - point - 1 >= LEAST_PLAIN;
}

/* Write 1 to 99 millionths. */
static int
write_millionths(Span digits, NumberText *number)
{
    static const char ones[] = "e-06", tens[] = "e-05";
    int has_tens = digits.end - digits.start == 2;

    number->start = number->text;
    number->text[0] = digits.start[0];
    number->size = 1;
    if (has_tens && digits.start[1] != '0') {
        number->text[1] = '.';
        number->text[2] = digits.start[1];
        number->size = 3;
    }
    memcpy(number->text + number->size, has_tens ? tens : ones, sizeof ones - 1);
    number->size += (int)sizeof ones - 1;
    return 1;
}

static int
format_other(Span value, int shift, NumberText *number)
{
    Number found = read_number(value);
    double shown;

    if (found.kind == NONE || found.kind == ERROR) {
        return found.kind == NONE ? 0 : -1;
    }
    shown = found.kind == INTEGER ? (double)found.whole : found.fraction;
    if (shift == 0) {
        return format_double(shown, number);
    }
    if (shown < 0) {
        return 2;
    }
    return format_double(shown / (shift == 6 ? 1e6 : 1e3), number);
}

int
format_number(Span value, int shift, NumberText *number)
{
    int negative = value.start < value.end && *value.start == '-';
    Span digits = {value.start + negative, value.start + negative};

    while (digits.end < value.end && *digits.end >= '0' && *digits.end <= '9') {
        digits.end++;
    }
    if (digits.end == digits.start || (*digits.start == '0' && digits.end - digits.start > 1)) {
        return 0;
    }
    if (digits.end == value.end) {
        if (digits.end - digits.start > MAX_INTEGER || (negative && *digits.start == '0')) {
            return 0;
        }
        if (shift == 0) {
            return set_part(number, value.start, value.end);
        }
        if (negative) {
            return 2;
        }
        if (shift == 6 && digits.end - digits.start <= 2 && *digits.start != '0') {
            return write_millionths(digits, number);
        }
        if (digits.end - digits.start <= MAX_EXACT && shift_point(digits, shift, number)) {
            return 1;
        }
        return format_other(value, shift, number);
    }
    if (shift == 0 && *digits.end == '.' && value.end - digits.start <= MAX_EXACT + 1) {
        const char *at = digits.end + 1;
        while (at < value.end && *at >= '0' && *at <= '9') {
            at++;
        }
        if (at == value.end && at > digits.end + 1 &&
            !(*digits.start == '0' && is_tiny(digits.end, value.end))) {
            return set_part(number, value.start, fraction_end(digits.end + 1, value.end));
        }
    }
    return format_other(value, shift, number);
}
