/* zinfo._native: the functions that take most of the time of a poll with a subscriber and of a
 * scrape, and those that handle hostile messages.
 *
 * Without this module, Python functions do the same. It has no state beside the objects of its types.
 */
#include "exposition.h"

PyDoc_STRVAR(count_marks_doc,
"count_marks(raw)\n--\n\n"
"Count the LF and the commas of a reply.");

PyDoc_STRVAR(count_bad_lines_doc,
"count_bad_lines(raw)\n--\n\n"
"Count the lines of a reply that are neither a field nor a header, a comment or blank.");

PyDoc_STRVAR(encode_fields_doc,
"encode_fields(raw, names, kinds, encode)\n--\n\n"
"Encode the fields of a reply as msgpack.\n\n"
"Args:\n"
"    raw: The reply.\n"
"    names: For each line the name of its field.\n"
"    kinds: For each name a byte, the kind of the field.\n"
"    encode: Called with the name and the text of a value that C does not encode; returns both as\n"
"        msgpack.\n\n"
"Returns:\n"
"    The number of fields, and msgpack: name, value, name, value, ... None if lines were added,\n"
"    removed or moved.");

PyDoc_STRVAR(encode_deltas_doc,
"encode_deltas(old, raw, names, kinds, masks, wanted, number, base, encode)\n--\n\n"
"Encode the fields whose line differs from that of an older reply, as bodies of deltas.\n\n"
"Args:\n"
"    old: The older reply.\n"
"    raw: The reply.\n"
"    names: For each line of the older reply the name of its field.\n"
"    kinds: For each name a byte, the kind of the field.\n"
"    masks: For each line a number of 64 bits, in the machine's order of bytes: the selections\n"
"        that have its field; None if all have all fields.\n"
"    wanted: A bit for each selection to encode.\n"
"    number: Number of selections, at most 64.\n"
"    base: Revision of the older reply.\n"
"    encode: As for encode_fields.\n\n"
"Returns:\n"
"    For each selection the body; None for one that is not wanted. None in place of the list if\n"
"    lines were added, removed or moved.");

PyDoc_STRVAR(encode_entry_doc,
"encode_entry(raw, names, kinds, more, /)\n--\n\n"
"Encode a few fields, and more values, as one msgpack map.\n\n"
"Args:\n"
"    raw: A reply.\n"
"    names: The fields' names, as bytes.\n"
"    kinds: For each name a byte, the kind of the field.\n"
"    more: Text to text, numbers, or dicts of them.\n\n"
"Returns:\n"
"    The map; None if Python has to encode it.");

PyDoc_STRVAR(encode_entries_doc,
"encode_entries(ids, shards, names, kinds, now, oldest, most, room)\n--\n\n"
"Encode a few fields of many shards, each with its `meta`, as a sequence of msgpack maps.\n\n"
"Shards without a reply, or whose reply is too old, are skipped.\n\n"
"Args:\n"
"    ids: A list of the shards' ids.\n"
"    shards: A list of the shards; None for one that was removed.\n"
"    names: The fields' names, as bytes.\n"
"    kinds: For each name a byte, the kind of the field.\n"
"    now: Monotonic clock, for the ages.\n"
"    oldest: Monotonic clock at which a reply must have arrived at the earliest.\n"
"    most: Largest number of maps.\n"
"    room: Largest number of bytes.\n\n"
"Returns:\n"
"    The maps; their number; and the number of shards processed. If there are fewer maps than\n"
"    `most`, Python has to encode the next shard, if there is one.");

PyDoc_STRVAR(find_fields_doc,
"find_fields(raw, names)\n--\n\n"
"Find the text after the colon of some fields.\n\n"
"Args:\n"
"    raw: A reply.\n"
"    names: The fields' names, as bytes.\n\n"
"Returns:\n"
"    For each name the text, or None without such a line. None if a field is repeated.");

PyDoc_STRVAR(fits_doc,
"fits(raw, names, kinds)\n--\n\n"
"Return whether a reply has a layout: the same fields in the same lines.");

PyDoc_STRVAR(discard_frames_doc,
"discard_frames(functions, socket, seconds)\n--\n\n"
"Discard the frames of a ZeroMQ message whose first frames were received.\n\n"
"Args:\n"
"    functions: Addresses of libzmq's zmq_msg_init, zmq_msg_close, zmq_msg_more, zmq_msg_recv.\n"
"    socket: Address of the socket, which is open.\n"
"    seconds: Time limit; after it the function returns even if the message has more frames.\n\n"
"Returns:\n"
"    The number of frames discarded, and whether the message has more.\n\n"
"Raises:\n"
"    OSError: libzmq's error, with its number.");

PyDoc_STRVAR(count_containers_doc,
"count_containers(packed)\n--\n\n"
"Count the arrays and maps of a msgpack document; a truncated one is counted up to its end.");

PyDoc_STRVAR(untrack_doc,
"untrack(object)\n--\n\n"
"Have the garbage collector never visit an object, which is part of no reference cycle.");

PyDoc_STRVAR(write_row_doc,
"write_row(rows, position, raw, names, kinds, at, /)\n--\n\n"
"Write the numbers of some fields of a reply to a row: a byte 1; a mark for each field (0: absent,\n"
"1: integer, 2: fraction, 3: Python has to parse it); the time, a float64; and 8 bytes for each\n"
"field, an int64 or float64. All are little-endian.\n\n"
"Args:\n"
"    rows: A bytearray of rows.\n"
"    position: Number of the row.\n"
"    raw: The reply.\n"
"    names: The fields' names, as bytes; at most 64.\n"
"    kinds: For each name a byte, the kind of the field.\n"
"    at: Monotonic clock of the reply's arrival.");

PyDoc_STRVAR(write_point_doc,
"write_point(ring, size, position, raw, names, kinds, seconds, /)\n--\n\n"
"Write the values of a reply to a step of a ring, whose layout is in zinfo/history/ring.py.\n\n"
"Args:\n"
"    ring: A bytearray, which may become longer.\n"
"    size: Number of its steps.\n"
"    position: Of the step.\n"
"    raw: The reply.\n"
"    names: Names of the fields of a history, as bytes.\n"
"    kinds: For each name a byte, the kind of the field.\n"
"    seconds: Since the reply whose values were written before; 0 for no rates.");

PyDoc_STRVAR(gather_rows_doc,
"gather_rows(rows, states, fields, positions, places, now)\n--\n\n"
"Copy some fields of some rows to columns.\n\n"
"Args:\n"
"    rows: A bytearray of rows.\n"
"    states: A bytearray with a byte for each row, the state of its shard.\n"
"    fields: Number of fields in a row.\n"
"    positions: Numbers of the rows, as packed uint32.\n"
"    places: For each wanted field a byte, its number in a row.\n"
"    now: Monotonic clock, for the ages.\n\n"
"Returns:\n"
"    A bytearray of the ages, 8 bytes each; one of the states; and a list with two bytearrays for\n"
"    each field, its values and its marks. None if one of the rows is not filled.");

PyDoc_STRVAR(fill_columns_doc,
"fill_columns(shards, fields, arrays, states, now, first)\n--\n\n"
"Fill arrays with the ages, states and fields of some shards.\n\n"
"Args:\n"
"    shards: A list of the shards; None for one that was removed.\n"
"    fields: A tuple: names as bytes; for each name a byte, the kind of the field.\n"
"    arrays: A tuple of bytearrays: of the ages, 8 bytes each; of the states, a byte each; and two\n"
"        tuples of one for each name: of its values, 8 bytes each; of its marks, a byte each.\n"
"    states: A tuple of the states; a removed shard has the last one.\n"
"    now: Monotonic clock, for the ages.\n"
"    first: Position of the first shard in the arrays.\n\n"
"Returns:\n"
"    A list of the snapshots of the shards processed; all of them unless their replies are large.");

PyDoc_STRVAR(merge_deltas_doc,
"merge_deltas(info, bodies)\n--\n\n"
"Apply deltas to an INFO, all of them msgpack, without decoding them.\n\n"
"Args:\n"
"    info: A msgpack map.\n"
"    bodies: A tuple of the deltas' bodies.\n\n"
"Returns:\n"
"    The INFO; None if Python has to do it.");

PyDoc_STRVAR(read_deltas_doc,
"read_deltas(batch, epoch, shards)\n--\n\n"
"Read the deltas of a batch; their fields are checked, not decoded.\n\n"
"Args:\n"
"    batch: The body of the batch.\n"
"    epoch: The epoch that all of them have to have.\n"
"    shards: Mapping of topics to ids of shards; its errors are passed on.\n\n"
"Returns:\n"
"    A list of tuples: shard, revision, base, time and body. None if Python has to do it.");

PyDoc_STRVAR(pack_batched_doc,
"pack_batched(head, start, seq, time, body, /)\n--\n\n"
"Pack a delta as it is in the body of a batch of the bus.\n\n"
"Args:\n"
"    head: The array of its frames, and its topic.\n"
"    start: The first elements of its header, of which the number and the time are the last.\n"
"    seq: The number.\n"
"    time: Seconds, a float.\n"
"    body: Its body.\n\n"
"Returns:\n"
"    The bytes; None if Python has to do it.");

PyDoc_STRVAR(fold_delta_doc,
"fold_delta(old, body)\n--\n\n"
"Return a delta with the changes of an earlier delta and of a later one.\n\n"
"Args:\n"
"    old: What this function has returned before; empty if there is no earlier delta.\n"
"    body: Body of the later delta.\n\n"
"Returns:\n"
"    The body of a delta; its base has no meaning. None if Python has to do it.");

PyDoc_STRVAR(apply_deltas_doc,
"apply_deltas(batch, epoch, shards, records, last, suspects, offset, now, most, names, found)\n"
"--\n\n"
"Apply the deltas of a batch to the shards of a Mirror, up to the first that is not plain.\n\n"
"A plain delta is the next one of a stored shard that is not suspect.\n\n"
"Args:\n"
"    batch: The body of the batch.\n"
"    epoch: The epoch that all of them have to have.\n"
"    shards: Mapping of topics to ids of shards; its errors are passed on.\n"
"    records: Shard to its record; of that, `revision`, `time`, `polled_at` and `_delta` are set.\n"
"    last: Shard to the newest revision received, which is set.\n"
"    suspects: Set of the shards of which a message may be lost.\n"
"    offset: Local clock minus the daemon's wall clock, in seconds.\n"
"    now: Local clock.\n"
"    most: Largest sum of the bytes of a shard's `_delta` and a delta.\n"
"    names: At most 16 names of fields, as bytes.\n"
"    found: For each delta that has one of these fields, a tuple is appended: shard, revision,\n"
"        base, time, and a msgpack map of these fields.\n\n"
"Returns:\n"
"    The number of deltas applied, and of those left. None if Python has to read the batch.");

static PyMethodDef methods[] = {
    {"write_row", (PyCFunction)(void (*)(void))write_row, METH_FASTCALL, write_row_doc},
    {"write_point", (PyCFunction)(void (*)(void))write_point, METH_FASTCALL, write_point_doc},
    {"gather_rows", gather_rows, METH_VARARGS, gather_rows_doc},
    {"fill_columns", fill_columns, METH_VARARGS, fill_columns_doc},
    {"merge_deltas", merge_deltas, METH_VARARGS, merge_deltas_doc},
    {"read_deltas", read_deltas, METH_VARARGS, read_deltas_doc},
    {"pack_batched", (PyCFunction)(void (*)(void))pack_batched, METH_FASTCALL, pack_batched_doc},
    {"fold_delta", fold_delta, METH_VARARGS, fold_delta_doc},
    {"apply_deltas", apply_deltas, METH_VARARGS, apply_deltas_doc},
    {"untrack", untrack, METH_O, untrack_doc},
    {"count_marks", count_marks, METH_O, count_marks_doc},
    {"count_bad_lines", count_bad_lines, METH_O, count_bad_lines_doc},
    {"encode_entry", (PyCFunction)(void (*)(void))encode_entry, METH_FASTCALL, encode_entry_doc},
    {"count_containers", count_containers, METH_VARARGS, count_containers_doc},
    {"discard_frames", discard_frames, METH_VARARGS, discard_frames_doc},
    {"encode_entries", encode_entries, METH_VARARGS, encode_entries_doc},
    {"find_fields", find_fields, METH_VARARGS, find_fields_doc},
    {"fits", fits, METH_VARARGS, fits_doc},
    {"encode_deltas", encode_deltas, METH_VARARGS, encode_deltas_doc},
    {"encode_fields", encode_fields, METH_VARARGS, encode_fields_doc},
    {NULL, NULL, 0, NULL},
};

static int
add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int done;

    if (type == NULL) {
        return -1;
    }
    done = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return done;
}

static int
add_types(PyObject *module)
{
    return add_type(module, &plan_spec) < 0 || add_type(module, &lines_spec) < 0 ? -1 : 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_types}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "zinfo._native",
    .m_doc = "C versions of functions of zinfo.info, zinfo.history, zinfo.query, zinfo.metrics, ...",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
