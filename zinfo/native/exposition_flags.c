/* Texts that are numbers: those that mean yes or no, and numbers that are not finite. */
#include "exposition_reply.h"

#include <string.h>

#define LONGEST 5

typedef struct {
    const char *text; /* in lower case */
    const char *number;
    int has_cases; /* whether it may also be capitalised, or in upper case */
} Flag;

static const Flag flags[] = {
    {"err", "0", 1},   {"fail", "0", 1},    {"false", "0", 1},   {"no", "0", 1},
    {"down", "0", 1},  {"ok", "1", 1},      {"true", "1", 1},    {"yes", "1", 1},
    {"up", "1", 1},    {"nan", "NaN", 0},   {"-nan", "NaN", 0},  {"inf", "+Inf", 0},
    {"-inf", "-Inf", 0},
};

static int
is_upper(char byte)
{
    return byte >= 'A' && byte <= 'Z';
}

/* Return whether a word is in lower, upper or capitalised form. */
static int
is_in_one_case(Span word, int has_cases)
{
    int uppers = 0, size = (int)(word.end - word.start), index;

    for (index = 0; index < size; index++) {
        uppers += is_upper(word.start[index]);
    }
    return uppers == 0 ||
           (has_cases && (uppers == size || (uppers == 1 && is_upper(*word.start))));
}

int
read_flag(Span text, NumberText *number)
{
    char lower[LONGEST];
    size_t size = (size_t)(text.end - text.start), index;

    if (size > sizeof lower) {
        return NO_FLAG;
    }
    for (index = 0; index < size; index++) {
        char byte = text.start[index];
        lower[index] = is_upper(byte) ? (char)(byte + 'a' - 'A') : byte;
    }
    for (index = 0; index < sizeof flags / sizeof *flags; index++) {
        const Flag *flag = flags + index;
        if (strlen(flag->text) == size && memcmp(flag->text, lower, size) == 0) {
            number->start = flag->number;
            number->size = (int)strlen(flag->number);
            return is_in_one_case(text, flag->has_cases) ? FLAG : MIXED_CASE;
        }
    }
    return NO_FLAG;
}
