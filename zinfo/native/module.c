/* zinfo._native: what takes most of a poll's time where somebody subscribed, and hostile messages.
 *
 * Python does the same where this could not be compiled. It keeps nothing from call to call.
 */
#include "text.h"

PyDoc_STRVAR(count_marks_doc,
"count_marks(raw)\n--\n\n"
"Count the LF of a reply, and its commas.");

PyDoc_STRVAR(encode_fields_doc,
"encode_fields(raw, names, kinds)\n--\n\n"
"Write the fields of a reply as msgpack.\n\n"
"Args:\n"
"    raw: The reply.\n"
"    names: For each line the name of its field.\n"
"    kinds: For each a byte: what is in it.\n\n"
"Returns:\n"
"    The number of fields; and a list of msgpack (name, value, name, value, ...) and, in between,\n"
"    number of a line and what stands after its colon, where that is left to Python. None where\n"
"    lines came, went or moved.");

PyDoc_STRVAR(encode_changes_doc,
"encode_changes(old, raw, names, kinds)\n--\n\n"
"Write the fields whose line is another than in an older reply, as encode_fields does.");

PyDoc_STRVAR(encode_entry_doc,
"encode_entry(raw, names, kinds, told, /)\n--\n\n"
"Write a few fields, and what else is told of a shard, as one msgpack map.\n\n"
"Args:\n"
"    raw: A reply.\n"
"    names: The fields' names, as bytes.\n"
"    kinds: For each a byte: what is in it.\n"
"    told: Text to text, numbers, or dicts of such.\n\n"
"Returns:\n"
"    The map; None where it is left to Python.");

PyDoc_STRVAR(encode_entries_doc,
"encode_entries(ids, shards, names, kinds, now, oldest, most, room)\n--\n\n"
"Write a few fields of many shards, each with its `meta`, as msgpack maps one after the other.\n\n"
"Shards without a reply, or with one that is too old, get none.\n\n"
"Args:\n"
"    ids: A list of the shards' ids.\n"
"    shards: A list of the shards; None where there is none.\n"
"    names: The fields' names, as bytes.\n"
"    kinds: For each a byte: what is in it.\n"
"    now: The monotonic clock, from which ages count.\n"
"    oldest: By that clock, when a reply came at the earliest.\n"
"    most: Maps, at most.\n"
"    room: Bytes, at most.\n\n"
"Returns:\n"
"    The maps; how many; and how many shards that took. After these is one, where `most` was not\n"
"    reached, that is left to Python.");

PyDoc_STRVAR(find_fields_doc,
"find_fields(raw, names)\n--\n\n"
"Find what stands after the colon of some fields.\n\n"
"Args:\n"
"    raw: A reply.\n"
"    names: The fields' names, as bytes.\n\n"
"Returns:\n"
"    For each name the bytes, None where there is no such line. None where one stands twice.");

PyDoc_STRVAR(fits_doc,
"fits(raw, names, kinds)\n--\n\n"
"Say whether a reply has a layout: the same fields in the same lines.");

PyDoc_STRVAR(discard_frames_doc,
"discard_frames(functions, socket, seconds)\n--\n\n"
"Discard the frames of a ZeroMQ message whose first frames were received.\n\n"
"Args:\n"
"    functions: Addresses of libzmq's zmq_msg_init, zmq_msg_close, zmq_msg_more, zmq_msg_recv.\n"
"    socket: Address of the socket, which is open.\n"
"    seconds: After these it returns, also where the message has more frames.\n\n"
"Returns:\n"
"    The number of frames discarded, and whether the message has more.\n\n"
"Raises:\n"
"    OSError: libzmq's error, with its number.");

PyDoc_STRVAR(count_containers_doc,
"count_containers(packed)\n--\n\n"
"Count the arrays and maps of a msgpack document, up to where it is cut short.");

static PyMethodDef methods[] = {
    {"count_marks", count_marks, METH_O, count_marks_doc},
    {"encode_entry", (PyCFunction)(void (*)(void))encode_entry, METH_FASTCALL, encode_entry_doc},
    {"count_containers", count_containers, METH_VARARGS, count_containers_doc},
    {"discard_frames", discard_frames, METH_VARARGS, discard_frames_doc},
    {"encode_entries", encode_entries, METH_VARARGS, encode_entries_doc},
    {"find_fields", find_fields, METH_VARARGS, find_fields_doc},
    {"fits", fits, METH_VARARGS, fits_doc},
    {"encode_changes", encode_changes, METH_VARARGS, encode_changes_doc},
    {"encode_fields", encode_fields, METH_VARARGS, encode_fields_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "zinfo._native",
    .m_doc = "Native twins of functions of zinfo.info, zinfo.sockets and zinfo.query.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
