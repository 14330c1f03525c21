/* pack_batched: one delta as it is in the body of a batch of the bus. */
#include <stdint.h>
#include <string.h>

#include "write.h"

#define MOST_HEADS 32 /* bytes: two lengths, the number and the time */

/* Write the header of a byte string (msgpack bin). */
static void
write_binary_header(char **at, size_t size)
{
    int bytes = size < 0x100 ? 1 : size < 0x10000 ? 2 : 4;

    *(*at)++ = (char)(bytes == 1 ? 0xc4 : bytes == 2 ? 0xc5 : 0xc6);
    while (bytes-- > 0) {
        *(*at)++ = (char)(size >> (8 * bytes));
    }
}

static void
write_span(char **at, Span bytes)
{
    size_t size = (size_t)(bytes.end - bytes.start);

    memcpy(*at, bytes.start, size);
    *at += size;
}

static PyObject *
join_parts(Span head, Span start, Span numbers, Span body)
{
    char heads[MOST_HEADS], *at = heads, *middle;
    size_t header = (size_t)(start.end - start.start) + (size_t)(numbers.end - numbers.start);
    PyObject *packed;

    write_binary_header(&at, header);
    middle = at;
    write_binary_header(&at, (size_t)(body.end - body.start));
    packed = PyBytes_FromStringAndSize(
        NULL, (head.end - head.start) + (Py_ssize_t)header + (body.end - body.start) + (at - heads));
    if (packed != NULL) {
        Span first = {heads, middle}, second = {middle, at};
        char *to = PyBytes_AsString(packed);
        write_span(&to, head);
        write_span(&to, first);
        write_span(&to, start);
        write_span(&to, numbers);
        write_span(&to, second);
        write_span(&to, body);
    }
    return packed;
}

PyObject *
pack_batched(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Buffer numbers = {NULL, 0, 0};
    PyObject *packed = NULL;
    int done;

    if (count != 5 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[1]) ||
        !PyLong_Check(args[2]) || !PyFloat_Check(args[3]) || !PyBytes_Check(args[4])) {
        PyErr_SetString(PyExc_TypeError, "pack_batched takes bytes, bytes, int, float, bytes");
        return NULL;
    }
    if ((uint64_t)PyBytes_Size(args[1]) > UINT32_MAX / 2 ||
        (uint64_t)PyBytes_Size(args[4]) > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "longer than a byte string of msgpack");
        return NULL;
    }
    done = write_plain(&numbers, args[2]);
    if (done == 1) {
        done = write_plain(&numbers, args[3]);
    }
    if (done == 1) {
        Span both = {numbers.start, numbers.start + numbers.used};
        packed = join_parts(bytes_of(args[0]), bytes_of(args[1]), both, bytes_of(args[4]));
    }
    PyMem_Free(numbers.start);
    return done == 0 ? Py_NewRef(Py_None) : packed;
}
