/* discard_frames: discards the rest of a ZeroMQ message, 10 to 20 times as fast as pyzmq.
 *
 * libzmq is not linked, as each pyzmq has its own copy: Python passes its functions' addresses.
 */
#include "text.h"

#include <errno.h>
#include <stdint.h>
#include <time.h>

#define DONT_WAIT 1     /* ZMQ_DONTWAIT */
#define CHECK_EVERY 32  /* frames between two checks of the time; the largest frame is 1 MiB */
#define MESSAGE_WORDS 8 /* a zmq_msg_t has 64 bytes (zmq.h); before libzmq 4.1 it had fewer */

typedef int (*OnMessage)(void *message);
typedef int (*Receive)(void *message, void *socket, int flags);

/* Functions of libzmq. */
typedef struct {
    OnMessage init;
    OnMessage close;
    OnMessage more;
    Receive receive;
} Library;

static double
monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Discard frames until the last one of the message, or until `seconds` have passed.
 * 1: there are more; 0: that was the last; -1: libzmq's error is in errno. */
static int
discard(const Library *library, void *socket, double seconds, Py_ssize_t *frames)
{
    uint64_t message[MESSAGE_WORDS];
    double until = monotonic() + seconds;
    int more = 1, problem;

    if (library->init(message) != 0) {
        return -1;
    }
    while (more == 1) {
        if (library->receive(message, socket, DONT_WAIT) < 0) {
            if (errno == EINTR) {
                continue;
            }
            more = -1;
            break;
        }
        ++*frames;
        more = library->more(message) != 0;
        if (*frames % CHECK_EVERY == 0 && monotonic() >= until) {
            break;
        }
    }
    problem = errno;
    library->close(message);
    errno = problem;
    return more;
}

PyObject *
discard_frames(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long long init, close, more, receive, socket;
    Library library;
    Py_ssize_t frames = 0;
    double seconds;
    int left;

    if (!PyArg_ParseTuple(args, "(KKKK)Kd:discard_frames", &init, &close, &more, &receive, &socket,
                          &seconds)) {
        return NULL;
    }
    library.init = (OnMessage)(uintptr_t)init;
    library.close = (OnMessage)(uintptr_t)close;
    library.more = (OnMessage)(uintptr_t)more;
    library.receive = (Receive)(uintptr_t)receive;
    left = discard(&library, (void *)(uintptr_t)socket, seconds, &frames);
    if (left < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("(nN)", frames, PyBool_FromLong(left));
}
