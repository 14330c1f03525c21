/* count_containers: counts the arrays and maps of a msgpack document without decoding it. */
#include "text.h"

/* Bytes after the first one, for each type from 0xc0 to 0xdf (msgpack spec): bytes of the value, or
 * if negative, bytes of the length of the data that follow. */
static const signed char sizes[0x20] = {
    0, 0, 0, 0,     /* nil, never used, false, true */
    -1, -2, -4,     /* bin */
    -1, -2, -4,     /* ext */
    4, 8,           /* float */
    1, 2, 4, 8,     /* uint */
    1, 2, 4, 8,     /* int */
    2, 3, 5, 9, 17, /* fixext */
    -1, -2, -4,     /* str */
    2, 4, 2, 4,     /* array, map: the number of items, which are counted as further values */
};

static int
is_container(unsigned char type)
{
    return (type >= 0x80 && type < 0xa0) || (type >= 0xdc && type < 0xe0);
}

/* Bytes of a value after its first one; more than `left` if it is truncated. */
static Py_ssize_t
size_after(const unsigned char *value, Py_ssize_t left)
{
    unsigned char type = *value;
    Py_ssize_t size, index;
    size_t length = 0;

    if (type < 0xa0 || type >= 0xe0) {
        return 0;
    }
    if (type < 0xc0) {
        return type & 0x1f;
    }
    size = sizes[type - 0xc0];
    if (size >= 0) {
        return size;
    }
    size = -size;
    if (size > left) {
        return size;
    }
    for (index = 1; index <= size; index++) {
        length = length << 8 | value[index];
    }
    if (length > (size_t)left) {
        return left + 1;
    }
    return size + (Py_ssize_t)length + (type >= 0xc7 && type <= 0xc9 ? 1 : 0);
}

PyObject *
count_containers(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *packed;
    Py_ssize_t containers = 0;
    Span text;

    if (!PyArg_ParseTuple(args, "S:count_containers", &packed)) {
        return NULL;
    }
    text = bytes_of(packed);
    while (text.start < text.end) {
        Py_ssize_t left = text.end - text.start - 1;
        Py_ssize_t size = size_after((const unsigned char *)text.start, left);
        containers += is_container((unsigned char)*text.start);
        if (size > left) {
            break;
        }
        text.start += size + 1;
    }
    return PyLong_FromSsize_t(containers);
}
