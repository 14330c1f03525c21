/* Reads msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md) within a span.
 *
 * All functions remove what they read from the start of the span. They return 1, or 0 if that is
 * truncated, of another type, or not one of the plain cases; the span is undefined then. They are
 * inline, as a call for each value would take longer than reading it.
 */
#ifndef ZINFO_READ_H
#define ZINFO_READ_H

#include <limits.h>
#include <string.h>

#include "text.h"

static inline size_t
left_of(const Span *packed)
{
    return (size_t)(packed->end - packed->start);
}

/* Read a big-endian number of `size` bytes. */
static inline int
read_size(Span *packed, int size, unsigned long long *number)
{
    int index;

    if (left_of(packed) < (size_t)size) {
        return 0;
    }
    *number = 0;
    for (index = 0; index < size; index++) {
        *number = *number << 8 | (unsigned char)packed->start[index];
    }
    packed->start += size;
    return 1;
}

static inline int
read_type(Span *packed, unsigned char *type)
{
    if (packed->start == packed->end) {
        return 0;
    }
    *type = (unsigned char)*packed->start++;
    return 1;
}

/* Read the length of what follows a type that is the first of three, for 1, 2 and 4 bytes. */
static inline int
read_length(Span *packed, int power, unsigned long long *length)
{
    return power >= 0 && power <= 2 && read_size(packed, 1 << power, length);
}

static inline int
skip_bytes(Span *packed, unsigned long long size)
{
    if (size > left_of(packed)) {
        return 0;
    }
    packed->start += size;
    return 1;
}

/* Skip one value, with what is in it; no extension type. */
static inline int
skip_value(Span *packed)
{
    unsigned long long count, values;

    /* Each turn removes a byte at least, so that large numbers of values end with the span. */
    for (values = 1; values; values--) {
        unsigned char type;
        if (!read_type(packed, &type)) {
            return 0;
        }
        if (type < 0x80 || type >= 0xe0) {
            continue; /* a small integer */
        }
        if (type < 0xa0) {
            values += (type & 0x0f) * (type < 0x90 ? 2u : 1u);
            continue;
        }
        if (type < 0xc0) {
            count = type & 0x1f;
        }
        else if (type >= 0xcc && type <= 0xd3) {
            count = 1u << ((type - 0xcc) & 3);
        }
        else if (type == 0xca || type == 0xcb) {
            count = type == 0xca ? 4 : 8;
        }
        else if (type >= 0xdc) {
            if (!read_length(packed, (type & 1) + 1, &count)) {
                return 0;
            }
            values += count * (type >= 0xde ? 2 : 1);
            continue;
        }
        else if (type == 0xc0 || type == 0xc2 || type == 0xc3) {
            continue; /* nil, false, true */
        }
        else if (!read_length(packed, type >= 0xd9 ? type - 0xd9 : type - 0xc4, &count)) {
            return 0; /* truncated, an extension type, or what msgpack never uses */
        }
        if (!skip_bytes(packed, count)) {
            return 0;
        }
    }
    return 1;
}

/* Read the header of an array or map, whose types are `small` | size, and `large` and the next. */
static inline int
read_header(Span *packed, unsigned char small, unsigned char large, size_t least, size_t *size)
{
    unsigned long long count;
    unsigned char type;

    if (!read_type(packed, &type)) {
        return 0;
    }
    if ((type & 0xf0) == small) {
        count = type & 0x0f;
    }
    else if ((type != large && type != large + 1) ||
             !read_length(packed, type - large + 1, &count)) {
        return 0;
    }
    if (count > left_of(packed) / least) {
        return 0; /* each item has `least` bytes at least */
    }
    *size = (size_t)count;
    return 1;
}

static inline int
read_map(Span *packed, size_t *pairs)
{
    return read_header(packed, 0x80, 0xde, 2, pairs);
}

static inline int
read_array(Span *packed, size_t *items)
{
    return read_header(packed, 0x90, 0xdc, 1, items);
}

static inline int
read_span(Span *packed, unsigned long long size, Span *data)
{
    data->start = packed->start;
    if (!skip_bytes(packed, size)) {
        return 0;
    }
    data->end = packed->start;
    return 1;
}

static inline int
is_ascii(Span text)
{
    unsigned long long bits = 0, part;

    for (; text.end - text.start >= 8; text.start += 8) {
        memcpy(&part, text.start, 8);
        bits |= part;
    }
    for (; text.start < text.end; text.start++) {
        bits |= (unsigned char)*text.start;
    }
    return !(bits & 0x8080808080808080u);
}

/* Read text that is ASCII. */
static inline int
read_ascii(Span *packed, Span *text)
{
    unsigned long long size;
    unsigned char type;

    if (!read_type(packed, &type)) {
        return 0;
    }
    if (type >= 0xa0 && type < 0xc0) {
        size = type & 0x1f;
    }
    else if (type < 0xd9 || type > 0xdb || !read_length(packed, type - 0xd9, &size)) {
        return 0;
    }
    return read_span(packed, size, text) && is_ascii(*text);
}

static inline int
read_binary(Span *packed, Span *data)
{
    unsigned long long size;
    unsigned char type;

    return read_type(packed, &type) && type >= 0xc4 && type <= 0xc6 &&
           read_length(packed, type - 0xc4, &size) && read_span(packed, size, data);
}

static inline int
read_integer(Span *packed, long long *number)
{
    unsigned long long bits;
    unsigned char type;

    if (!read_type(packed, &type)) {
        return 0;
    }
    if (type < 0x80 || type >= 0xe0) {
        *number = (signed char)type;
        return 1;
    }
    if (type < 0xcc || type > 0xcf || !read_size(packed, 1 << (type - 0xcc), &bits) ||
        bits > (unsigned long long)LLONG_MAX) {
        return 0;
    }
    *number = (long long)bits;
    return 1;
}

/* Read a float of 64 bits. */
static inline int
read_double(Span *packed, double *number)
{
    unsigned long long bits;
    unsigned char type;

    if (!read_type(packed, &type) || type != 0xcb || !read_size(packed, 8, &bits)) {
        return 0;
    }
    memcpy(number, &bits, sizeof *number);
    return 1;
}

/* Return whether a span has exactly this text. */
static inline int
is_equal(Span text, const char *other, size_t size)
{
    return left_of(&text) == size && !memcmp(text.start, other, size);
}

/* Read text that is exactly this key of a map. */
static inline int
read_key(Span *packed, const char *key, size_t size)
{
    Span name;

    return read_ascii(packed, &name) && is_equal(name, key, size);
}

#endif
