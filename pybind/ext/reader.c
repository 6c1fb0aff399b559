/* StreamReaderProtocol.data_received and StreamReader.feed_data, as asyncio has them, without their frames and
 * without bytes in between.
 *
 * Exact are: the classes of both objects, and in them what these two methods call; no attribute of that name may
 * stand in an object; the buffer is a bytearray that nobody has exported; the end has not been fed; and the bytes
 * do not reach the limit at which the transport is paused. Each is looked at with each call, for a program may change
 * any of them on the way. All else goes to data_received. */
#include "reader.h"

/* Places in the lists of state.h. */
enum { DATA_RECEIVED, STREAM_READER, FEED_DATA, WAKEUP_WAITER };
enum { LIMIT, BUFFER = 2, EOF_FED, WAITER };
enum { READER_WR = 4 };

/* ---- the classes ---- */

static bool has(PyObject *class, PyObject *name) {
    PyObject *found = new_attribute(class, name);
    Py_XDECREF(found);
    return found != NULL;
}

/* Attributes that are read must be the object's own. */
static bool look_at_classes(Streams *s) {
    bool own = true;
    for (int i = 0; own && i < STREAM_METHODS; i++) {
        PyObject *class = i < FEED_DATA ? s->protocol : s->reader;
        own = attribute_is(class, s->method_names[i], s->methods[i]);
    }
    for (int i = 0; own && i < 2; i++) {
        PyTypeObject *type = (PyTypeObject *)(i ? s->reader : s->protocol);
        own = type->tp_getattro == PyObject_GenericGetAttr && type->tp_setattro == PyObject_GenericSetAttr;
    }
    for (int i = 0; own && i < READER_FIELDS; i++) own = !has(s->reader, s->reader_fields[i]);
    return own && !has(s->protocol, s->protocol_fields[READER_WR]);
}

/* A function may have got other code, which changes no class. */
static bool codes_are_own(Streams *s) {
    for (int i = 0; i < STREAM_METHODS; i++)
        if (PyFunction_GET_CODE(s->functions[i]) != s->codes[i]) return false;
    return true;
}

/* What was found is known while the versions of both classes are the same (compat.h): (both, and whether all was
 * asyncio's own); 0: not known. */
static bool classes_are_own(State *state) {
    Streams *s = &state->streams;
    enum { BITS = 31 };
    uint64_t protocol = class_version((PyTypeObject *)s->protocol), reader = class_version((PyTypeObject *)s->reader);
    uint64_t seen = atomic_load_explicit(&state->streams_seen, memory_order_relaxed);
    if (protocol && reader && seen >> 1 == (protocol << BITS | reader)) return (seen & 1) && codes_are_own(s);
    bool own = look_at_classes(s);
    protocol = class_version((PyTypeObject *)s->protocol);
    reader = class_version((PyTypeObject *)s->reader);
    seen = protocol && reader && !(protocol >> BITS) && !(reader >> BITS) ? (protocol << BITS | reader) << 1 | own : 0;
    atomic_store_explicit(&state->streams_seen, seen, memory_order_relaxed);
    return own && codes_are_own(s);
}

/* ---- the objects ---- */

/* From 3.13 on the values of an object's attributes lie behind it (pycore_dict.h), as long as nothing
 * out of the ordinary has happened to them, and the place of each name is the class's. An object all of whose values are those
 * of known names has no others. */
#if PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x03100000 && !defined(Py_GIL_DISABLED)
typedef struct {
    uint8_t capacity, size, embedded, valid;
    PyObject *values[];
} Inline;

static Inline *inline_of(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    if (!PyType_HasFeature(type, Py_TPFLAGS_INLINE_VALUES)) return NULL;
    Inline *values = (Inline *)((char *)o + type->tp_basicsize);
    return values->valid ? values : NULL;
}

/* Asks an object of the class, made and not initialised, where it keeps them. */
static int find_places(PyObject *class, PyObject **names, int n, int8_t *places) {
    PyObject *o = ((PyTypeObject *)class)->tp_alloc((PyTypeObject *)class, 0);
    Inline *values = o ? inline_of(o) : NULL;
    int rc = o ? 0 : -1, found = 0;
    for (int i = 0; values && rc == 0 && i < n; i++) {
        PyObject *value = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
        rc = value ? PyObject_GenericSetAttr(o, names[i], value) : -1;
        for (int at = 0; rc == 0 && values->valid && at < values->capacity && at <= INT8_MAX; at++)
            if (values->values[at] == value) {
                places[i] = (int8_t)at;
                found++;
            }
        Py_XDECREF(value);
    }
    if (!values || found != n || values->size != n) memset(places, -1, (size_t)n);
    for (int i = 0; o && i < n; i++) /* or __del__ takes them for what they are not */
        if (PyObject_GenericSetAttr(o, names[i], NULL) < 0) PyErr_Clear();
    Py_XDECREF(o);
    return rc;
}

/* Its values, if it has no attributes but these. */
static PyObject **only_values(PyObject *o, const int8_t *places, int n) {
    Inline *values = places[0] >= 0 ? inline_of(o) : NULL;
    if (!values) return NULL;
    int known = 0;
    for (int i = 0; i < n; i++) known += places[i] < values->capacity && values->values[places[i]];
    return known == values->size ? values->values : NULL;
}
#else
static int find_places(PyObject *class, PyObject **names, int n, int8_t *places) {
    (void)class;
    (void)names;
    memset(places, -1, (size_t)n);
    return 0;
}
static PyObject **only_values(PyObject *o, const int8_t *places, int n) {
    (void)o;
    (void)places;
    (void)n;
    return NULL;
}
#endif

/* Whether o.name is the method of its class. */
static bool is_own_method(Streams *s, PyObject *o, int method) {
    PyObject *found = new_attribute(o, s->method_names[method]);
    bool own = found && PyMethod_Check(found) && PyMethod_GET_FUNCTION(found) == s->methods[method];
    Py_XDECREF(found);
    return own;
}

/* What the protocol's weak reference leads to: a new reference, or NULL; *none: there is no reader any more. */
static PyObject *new_reader(State *state, PyObject *protocol, bool *none) {
    Streams *s = &state->streams;
    PyObject **values = only_values(protocol, state->protocol_places, PROTOCOL_FIELDS);
    PyObject *weak, *reader = NULL;
    if (values) {
        weak = Py_XNewRef(values[state->protocol_places[READER_WR]]);
    } else {
        if (!is_own_method(s, protocol, DATA_RECEIVED)) return NULL;
        weak = new_attribute(protocol, s->protocol_fields[READER_WR]);
    }
    if (weak == Py_None) {
        *none = true;
    } else if (weak && PyWeakref_CheckRefExact(weak)) {
#if PY_VERSION_HEX >= 0x030D0000
        if (PyWeakref_GetRef(weak, &reader) < 0) PyErr_Clear();
#else
        reader = Py_NewRef(PyWeakref_GET_OBJECT(weak));
        if (reader == Py_None) Py_CLEAR(reader);
#endif
        *none = !reader;
    }
    Py_XDECREF(weak);
    return reader;
}

typedef struct {
    PyObject *limit, *buffer, *eof, *waiter;
} Fields;

static void get_fields(State *state, PyObject *reader, Fields *f) {
    Streams *s = &state->streams;
    PyObject **values = only_values(reader, state->reader_places, READER_FIELDS);
    if (values) {
        const int8_t *at = state->reader_places;
        *f = (Fields){Py_XNewRef(values[at[LIMIT]]), Py_XNewRef(values[at[BUFFER]]), Py_XNewRef(values[at[EOF_FED]]),
                      Py_XNewRef(values[at[WAITER]])};
    } else if (is_own_method(s, reader, FEED_DATA) && is_own_method(s, reader, WAKEUP_WAITER)) {
        *f = (Fields){new_attribute(reader, s->reader_fields[LIMIT]), new_attribute(reader, s->reader_fields[BUFFER]),
                      new_attribute(reader, s->reader_fields[EOF_FED]), new_attribute(reader, s->reader_fields[WAITER])};
    }
}

/* ---- feeding ---- */

static enum fed append(PyObject *buffer, PyObject *limit, const char *p, Py_ssize_t n) {
    enum fed rc = NOT_FED;
    Py_BEGIN_CRITICAL_SECTION(buffer);
    Py_ssize_t len = PyByteArray_GET_SIZE(buffer), most = PyLong_AsSsize_t(limit);
    if (most < 0) {
        PyErr_Clear(); /* more than memory has */
    } else if (((PyByteArrayObject *)buffer)->ob_exports == 0 && len <= PY_SSIZE_T_MAX - n && (size_t)(len + n) <= 2 * (size_t)most) {
        rc = PyByteArray_Resize(buffer, len + n) < 0 ? FEED_FAILED : FED;
        if (rc == FED) memcpy(PyByteArray_AS_STRING(buffer) + len, p, (size_t)n);
    }
    Py_END_CRITICAL_SECTION();
    return rc;
}

/* _wakeup_waiter() */
static int wake(State *state, PyObject *reader, PyObject *waiter) {
    if (PyObject_SetAttr(reader, state->streams.reader_fields[WAITER], Py_None) < 0) return -1;
    PyObject *cancelled = PyObject_CallMethodNoArgs(waiter, state->names.cancelled);
    int is_cancelled = !cancelled ? -1 : cancelled == Py_False ? 0 : PyObject_IsTrue(cancelled);
    Py_XDECREF(cancelled);
    if (is_cancelled) return is_cancelled < 0 ? -1 : 0;
    return call_method_drop(waiter, state->names.set_result, Py_None);
}

enum fed reader_take(State *state, PyObject *protocol, const char *p, Py_ssize_t n) {
    Streams *s = &state->streams;
    if (!classes_are_own(state)) return NOT_FED;
    bool none = false;
    PyObject *reader = new_reader(state, protocol, &none);
    if (!reader) return none ? FED : NOT_FED;
    Fields f = {NULL, NULL, NULL, NULL};
    if ((PyObject *)Py_TYPE(reader) == s->reader) get_fields(state, reader, &f);
    enum fed rc = NOT_FED;
    if (f.limit && f.buffer && f.waiter && f.eof == Py_False && PyLong_CheckExact(f.limit) && PyByteArray_CheckExact(f.buffer))
        rc = append(f.buffer, f.limit, p, n);
    if (rc == FED && f.waiter != Py_None && wake(state, reader, f.waiter) < 0) rc = FEED_FAILED;
    Py_XDECREF(f.limit);
    Py_XDECREF(f.buffer);
    Py_XDECREF(f.eof);
    Py_XDECREF(f.waiter);
    Py_DECREF(reader);
    return rc;
}

/* ---- the module's start ---- */

int reader_setup(State *state) {
    Streams *s = &state->streams;
    if (find_places(s->reader, s->reader_fields, READER_FIELDS, state->reader_places) < 0) return -1;
    return find_places(s->protocol, s->protocol_fields, PROTOCOL_FIELDS, state->protocol_places);
}
