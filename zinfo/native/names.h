/* Names of fields: their hash, and headers of msgpack. */
#ifndef ZINFO_NAMES_H
#define ZINFO_NAMES_H

#include <string.h>

#include "text.h"

#define MAX_PROBES 64 /* a server chooses the names of fields, and so may choose their hashes */

static inline size_t
hash_of(Span name)
{
    size_t left = (size_t)(name.end - name.start);
    unsigned long long hash = left, part;

    for (; left > 8; left -= 8, name.start += 8) {
        memcpy(&part, name.start, 8);
        hash = (hash ^ part) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    if (left == 8) {
        memcpy(&part, name.start, 8);
    }
    else {
        for (part = 0; left; left--, name.start++) {
            part = part << 8 | (unsigned char)*name.start;
        }
    }
    hash = (hash ^ part) * 0x9e3779b97f4a7c15u;
    return (size_t)(hash ^ hash >> 32);
}

/* Write a header of msgpack: `small` | size below `limit`, else one of the types for 1, 2 and 4
 * bytes (0: there is none). Returns its end. */
static inline char *
put_header(char *to, size_t size, size_t limit, int small, const unsigned char types[3])
{
    int bytes, power;

    if (size < limit) {
        *to++ = (char)(small | (int)size);
        return to;
    }
    power = size < 256 && types[0] ? 0 : size < 65536 ? 1 : 2;
    *to++ = (char)types[power];
    for (bytes = 1 << power; bytes; bytes--) {
        *to++ = (char)(size >> (8 * (bytes - 1)));
    }
    return to;
}

static inline char *
put_map_header(char *to, size_t pairs)
{
    static const unsigned char types[3] = {0, 0xde, 0xdf};
    return put_header(to, pairs, 16, 0x80, types);
}

#endif
