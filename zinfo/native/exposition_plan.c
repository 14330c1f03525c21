/* Plan: what each field becomes, by its name. Python adds the fields that it has seen. */
#include "exposition.h"

#include <string.h>

#define BUCKETS (4 * MAX_FIELDS)
#define MAX_PROBES 64 /* servers choose names, and so how many have one hash */
#define SEEN 8192     /* of which half are used */

uint64_t
hash_text(Span text)
{
    uint64_t hash = 0x9e3779b97f4a7c15u ^ (uint64_t)(text.end - text.start);

    while (text.end - text.start >= 8) {
        uint64_t word;
        memcpy(&word, text.start, 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
        text.start += 8;
    }
    if (text.start < text.end) {
        uint64_t word = 0;
        memcpy(&word, text.start, (size_t)(text.end - text.start));
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    hash *= 0xc4ceb9fe1a85ec53u; /* constants of MurmurHash3, which is in the public domain */
    return hash ^ hash >> 29;
}

int
is_plain_label(Span text)
{
    for (; text.start < text.end; text.start++) {
        if (*text.start < ' ' || *text.start > '~' || *text.start == '"' || *text.start == '\\') {
            return 0;
        }
    }
    return 1;
}

int32_t
plan_find(const Plan *plan, Span name)
{
    size_t bucket = hash_text(name) % BUCKETS, size = (size_t)(name.end - name.start);
    int probes;

    for (probes = 0; probes < MAX_PROBES; probes++) {
        int32_t index = plan->buckets[bucket];
        if (index < 0) {
            return -1;
        }
        if ((size_t)plan->fields[index].size == size &&
            memcmp(plan->fields[index].name, name.start, size) == 0) {
            return index;
        }
        bucket = (bucket + 1) % BUCKETS;
    }
    return -1;
}

static int
init(PyObject *self, PyObject *args, PyObject *Py_UNUSED(named))
{
    Plan *plan = (Plan *)self;
    int shown[3], *state = plan->state_families, *replication = plan->replication_families;

    if (!PyArg_ParseTuple(args, "(iii)(ii)ii(iiiii)(iii):Plan", &shown[0], &shown[1], &shown[2],
                          &plan->totals[0], &plan->totals[1], &plan->start_family,
                          &plan->info_family, &state[UP], &state[STATE], &state[FAILURES],
                          &state[AGE], &state[BAD_LINES], &replication[PRIMARY],
                          &replication[REPLICA_OFFSET], &replication[REPLICA_LAG])) {
        return -1;
    }
    if (plan->fields != NULL) {
        PyErr_SetString(PyExc_TypeError, "a plan is initialised once");
        return -1;
    }
    memcpy(plan->shown, shown, sizeof shown);
    plan->first = -1;
    plan->fields = PyMem_Malloc(MAX_FIELDS / 8 * sizeof *plan->fields);
    plan->buckets = PyMem_Malloc(BUCKETS * sizeof *plan->buckets);
    plan->seen = PyMem_Calloc(SEEN, sizeof *plan->seen);
    plan->seen_stamps = PyMem_Calloc(SEEN, sizeof *plan->seen_stamps);
    if (!plan->fields || !plan->buckets || !plan->seen || !plan->seen_stamps) {
        PyErr_NoMemory();
        return -1;
    }
    memset(plan->buckets, 0xff, BUCKETS * sizeof *plan->buckets);
    return 0;
}

static void
dealloc(PyObject *self)
{
    Plan *plan = (Plan *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyMem_Free(plan->fields);
    PyMem_Free(plan->buckets);
    PyMem_Free(plan->seen);
    PyMem_Free(plan->seen_stamps);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

int
is_plan(PyObject *object)
{
    return PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) == (void *)dealloc &&
           ((Plan *)object)->seen_stamps != NULL;
}

/* Make room for one more field; the array doubles. */
static int
has_room(Plan *plan)
{
    int count = plan->count;

    if (count >= MAX_FIELDS / 8 && (count & (count - 1)) == 0) {
        Field *fields = PyMem_Realloc(plan->fields, 2 * (size_t)count * sizeof *fields);
        if (fields == NULL) {
            PyErr_NoMemory();
            return 0;
        }
        plan->fields = fields;
    }
    return 1;
}

/* Return whether numbers can be divided by ten to this power. */
static int
is_shift(int shift)
{
    return shift == 0 || shift == 3 || shift == 6;
}

/* Return whether the functions for an operation can be called with this field. */
static int
is_consistent(const Field *field, Span name)
{
    static const char prefix[] = THREAD_PREFIX;
    int has_certificate = field->item >= ITEM_CERTIFICATE;

    if (field->item < NO_ITEM || field->item >= ITEM_CERTIFICATE + MAX_CERTIFICATES ||
        has_certificate != (field->op == OP_SERIAL || field->op == OP_EXPIRY)) {
        return 0;
    }
    if (field->op == OP_THREAD) {
        return field->size > (int)sizeof prefix - 1 &&
               memcmp(field->name, prefix, sizeof prefix - 1) == 0;
    }
    return field->op != OP_DISTRIBUTION || find_byte(name, '_') != NULL;
}

static PyObject *
add_field(PyObject *self, PyObject *args)
{
    Plan *plan = (Plan *)self;
    PyObject *raw;
    Field field;
    Span name;
    size_t bucket;
    int probes;

    memset(&field, 0, sizeof field);
    if (!PyArg_ParseTuple(args, "Sii(ii)(ii)iiii:add_field", &raw, &field.op, &field.is_visible,
                          &field.out[0], &field.out[1], &field.claims[0], &field.claims[1],
                          &field.shift, &field.flags, &field.slot, &field.item)) {
        return NULL;
    }
    name = bytes_of(raw);
    if (!is_plan(self) || !is_shift(field.shift) || name.end == name.start ||
        name.end - name.start > MAX_FIELD_NAME || plan->count >= MAX_FIELDS ||
        plan_find(plan, name) >= 0) {
        return PyBool_FromLong(0);
    }
    field.size = (int)(name.end - name.start);
    memcpy(field.name, name.start, (size_t)field.size);
    field.next = -1;
    if (!is_consistent(&field, name)) {
        return PyBool_FromLong(0);
    }
    bucket = hash_text(name) % BUCKETS;
    for (probes = 0; plan->buckets[bucket] >= 0; probes++) {
        if (probes == MAX_PROBES - 1) {
            return PyBool_FromLong(0);
        }
        bucket = (bucket + 1) % BUCKETS;
    }
    if (!has_room(plan)) {
        return NULL;
    }
    plan->fields[plan->count] = field;
    plan->buckets[bucket] = plan->count++;
    return PyBool_FromLong(1);
}

static PyObject *
add_part(PyObject *self, PyObject *args)
{
    Plan *plan = (Plan *)self;
    PyObject *raw_name, *raw_extra;
    Span name, extra;
    Part part;
    int kind, index;

    memset(&part, 0, sizeof part);
    if (!PyArg_ParseTuple(args, "iSiSi:add_part", &kind, &raw_name, &part.family, &raw_extra,
                          &part.shift)) {
        return NULL;
    }
    name = bytes_of(raw_name);
    extra = bytes_of(raw_extra);
    if (kind < 0 || kind >= MAP_KINDS || !is_shift(part.shift) ||
        plan->part_count[kind] >= MAX_PARTS || name.end - name.start > MAX_PART_NAME || extra.end - extra.start > MAX_EXTRA) {
        return PyBool_FromLong(0);
    }
    part.size = (int)(name.end - name.start);
    memcpy(part.name, name.start, (size_t)part.size);
    part.extra_size = (int)(extra.end - extra.start);
    memcpy(part.extra, extra.start, (size_t)part.extra_size);
    part.same = plan->part_count[kind];
    for (index = 0; index < plan->part_count[kind]; index++) {
        const Part *other = &plan->parts[kind][index];
        if (other->size == part.size && memcmp(other->name, part.name, (size_t)part.size) == 0) {
            return PyBool_FromLong(0);
        }
        if (part.family != NO_FAMILY && other->family == part.family &&
            other->extra_size == part.extra_size &&
            memcmp(other->extra, part.extra, (size_t)part.extra_size) == 0) {
            part.same = other->same;
        }
    }
    plan->parts[kind][plan->part_count[kind]++] = part;
    return PyBool_FromLong(1);
}

static PyObject *
add_fact(PyObject *self, PyObject *args)
{
    Plan *plan = (Plan *)self;
    PyObject *raw;
    Span name;
    Fact fact;

    memset(&fact, 0, sizeof fact);
    if (!PyArg_ParseTuple(args, "Siii:add_fact", &raw, &fact.slot, &fact.other,
                          &fact.is_optional)) {
        return NULL;
    }
    name = bytes_of(raw);
    if (plan->fact_count == MAX_SLOTS || name.end - name.start > MAX_PART_NAME || fact.slot < 0 ||
        fact.slot >= MAX_SLOTS || fact.other >= MAX_SLOTS) {
        PyErr_SetString(PyExc_ValueError, "too many labels, or a slot out of range");
        return NULL;
    }
    fact.size = (int)(name.end - name.start);
    memcpy(fact.name, name.start, (size_t)fact.size);
    plan->facts[plan->fact_count++] = fact;
    return Py_NewRef(Py_None);
}

static PyMethodDef plan_methods[] = {
    {"add_field", add_field, METH_VARARGS,
     "add_field(name, op, is_visible, out, claims, shift, flags, slot, item)\n--\n\n"
     "Add a field; `zinfo/native/exposition.h` describes the values.\n\n"
     "Returns:\n"
     "    Whether there was room, and the plan did not have it."},
    {"add_part", add_part, METH_VARARGS,
     "add_part(kind, name, family, extra, shift)\n--\n\n"
     "Add a part of maps.\n\n"
     "Args:\n"
     "    kind: of the maps.\n"
     "    name: of the part.\n"
     "    family: number of its metric; -1 for none.\n"
     "    extra: text after the value of the first label.\n"
     "    shift: the number is divided by ten to this power.\n\n"
     "Returns:\n"
     "    Whether there was room, and the plan did not have it."},
    {"add_fact", add_fact, METH_VARARGS,
     "add_fact(label, slot, other, is_optional)\n--\n\n"
     "Add a label of the sample that describes the server.\n\n"
     "Args:\n"
     "    label: its name.\n"
     "    slot: of the field that it shows.\n"
     "    other: slot of the field that it shows otherwise; -1 for none.\n"
     "    is_optional: whether it is left out if its text is empty."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, "Plan(shown, totals, start_family, info_family, state_families,\n"
                "     replication_families)\n--\n\n"
                "What each field becomes, by its name.\n\n"
                "Args:\n"
                "    shown: for commands, errors and percentiles 0 if all are exposed, 1 if none\n"
                "        are, 2 if that depends on the name.\n"
                "    totals: numbers of the metrics of a summary's sum and count; -1 for none.\n"
                "    start_family: of the metric of the time at which the server started.\n"
                "    info_family: of the metric that describes the server.\n"
                "    state_families: of the metrics about a shard.\n"
                "    replication_families: of the primary, and of offset and lag of replicas."},
    {Py_tp_init, init},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, plan_methods},
    {0, NULL},
};

PyType_Spec plan_spec = {
    .name = "zinfo._native.Plan",
    .basicsize = sizeof(Plan),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = plan_slots,
};
