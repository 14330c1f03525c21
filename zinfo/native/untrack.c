/* untrack: removes an object from those that the garbage collector visits. */
#include "text.h"

PyObject *
untrack(PyObject *Py_UNUSED(module), PyObject *object)
{
    if (PyObject_GC_IsTracked(object)) {
        PyObject_GC_UnTrack(object);
    }
    Py_RETURN_NONE;
}
