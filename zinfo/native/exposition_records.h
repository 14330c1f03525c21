/* Records: the samples of one scrape by metric, in a compact form.
 *
 * A record of a metric is:
 *   1 byte: NEW_SHARD, IS_TEXT and HAS_LABEL, and the number's length
 *   4 bytes if NEW_SHARD: the shard's place; it holds for the records that follow
 *   if IS_TEXT: 4 bytes length, and lines that Python wrote
 *   if HAS_LABEL: 1 byte kind, 1 byte length, and the label's value; or if the first byte is
 *   ALL_LABELS, 2 bytes length, and labels
 *   the number
 * That takes a sixth of the text's memory: the labels of a shard are stored once. */
#ifndef ZINFO_EXPOSITION_RECORDS_H
#define ZINFO_EXPOSITION_RECORDS_H

#include "exposition.h"

#include <string.h>

#define NEW_SHARD 0x80
#define IS_TEXT 0x40
#define HAS_LABEL 0x20
#define LENGTH 0x1f
#define ALL_LABELS 0xff

/* Make room in a buffer that grows large; 0 if memory is exhausted, with the exception set. */
int grow(Buffer *buffer, size_t more);

/* The same, without a call where there is room. */
static inline int
make_room(Buffer *buffer, size_t more)
{
    return buffer->size - buffer->used >= more || grow(buffer, more);
}

/* Copy a text, most likely a short one, and return where it ends. Two moves that overlap copy 8 to
 * 16 bytes, which takes less time than a call of memcpy. */
static inline char *
put(char *to, const char *start, size_t size)
{
    if (size > 16) {
        memcpy(to, start, size);
    }
    else if (size >= 8) {
        uint64_t first, last;
        memcpy(&first, start, 8);
        memcpy(&last, start + size - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + size - 8, &last, 8);
    }
    else if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, start, 4);
        memcpy(&last, start + size - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + size - 4, &last, 4);
    }
    else if (size > 0) {
        to[0] = start[0];
        to[size / 2] = start[size / 2];
        to[size - 1] = start[size - 1];
    }
    return to + size;
}

#endif
