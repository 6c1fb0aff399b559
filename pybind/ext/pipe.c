/* ReadPipeTransport and WritePipeTransport: streams with one direction, around a
 * file object that stays open until the end. What differs from a socket:
 *
 *   reading   an end of file closes; an exception of data_received does not.
 *   writing   nothing is read: the reader's close is told as an end of file.
 *             write_eof() closes.
 *
 * Others may use the number of a character device beside the transport, as one who
 * reads a terminal with add_reader and writes it through a transport does on
 * asyncio. The engine therefore watches a duplicate of it, and of any number that
 * the loop knows already. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

PyTypeObject *ReadPipe_Type, *WritePipe_Type;

typedef struct {
    StreamObject stream;
    int fileno;      /* of the file object; stays when that is closed */
    int lost_writes; /* asyncio's _conn_lost: a failed write, and those after the end */
} PipeObject;

/* connected_pipe(loop, pipe, fd, protocol, extra, writing, device) -> transport: around
 * an open file whose descriptor is fd; not reading yet. Raises OSError. */
PyObject *connected_pipe(PyObject *module, PyObject *args) {
    (void)module;
    LoopObject *loop;
    PyObject *pipe, *protocol, *extra;
    int fd, writing, device;
    if (!PyArg_ParseTuple(args, "O!OiOO!pp", Loop_Type, &loop, &pipe, &fd, &protocol, &PyDict_Type, &extra, &writing,
                          &device))
        return NULL;
    if (engine_usable(loop) < 0) return NULL;
    FdEntry *e = fd_entry(loop, fd);
    if (!e) return NULL;
    bool duplicate = device || e->kind == FD_WATCHED || fd_is_used(loop, fd, FOR_WATCH);
    int watched = duplicate ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : fd;
    if (watched < 0) return PyErr_SetFromErrno(PyExc_OSError);
    PyTypeObject *type = writing ? WritePipe_Type : ReadPipe_Type;
    PipeObject *p = (PipeObject *)type->tp_alloc(type, 0);
    TransportObject *t = TRANSPORT(p);
    if (!p || transport_init(t, loop, watched, NULL) < 0) {
        Py_XDECREF(p);
        if (duplicate) close(watched);
        return NULL;
    }
    p->fileno = fd;
    p->stream.pipe = writing ? GL_WRITE : GL_READ;
    t->duplicate = duplicate;
    t->sock = Py_NewRef(pipe);
    t->extra = Py_NewRef(extra);
    t->protocol = Py_NewRef(protocol);
    t->drains = true;
    t->paused = writing && device; /* nobody watches for the other side of a device */
    uint16_t flags = writing && !device ? GL_ATTACH_PIPE | GL_ATTACH_HANGUP : GL_ATTACH_PIPE;
    if (transport_attach(t, FD_STREAM, GL_OP_ATTACH, flags) < 0) {
        Py_CLEAR(t->sock); /* the caller's again */
        if (duplicate) close(watched);
        t->fd = -1;
        t->lost = true;
        Py_CLEAR(p);
    }
    return (PyObject *)p;
}

/* The other end has gone. */
int pipe_ended(StreamObject *t) {
    if (t->pipe == GL_WRITE) {
        PyObject *exception = t->buffered > 0 ? PyObject_CallNoArgs(PyExc_BrokenPipeError) : NULL;
        if (t->buffered > 0 && !exception) exception = steal_exception();
        int rc = transport_force_close(TRANSPORT(t), exception);
        Py_XDECREF(exception);
        return rc;
    }
    PyObject *callback = PyObject_GetAttr(t->protocol, names.eof_received);
    int rc = callback ? loop_call_soon_drop(t->loop, callback, NULL, t->context) : -1;
    Py_XDECREF(callback);
    if (rc < 0) return pipe_failed(t, steal_exception(), GL_READ);
    t->closing = true;
    t->conn_lost++;
    return transport_schedule_lost(TRANSPORT(t), NULL);
}

/* An error of read(2) or write(2). */
int pipe_failed(StreamObject *t, PyObject *exception, int direction) {
    bool writing = direction & GL_WRITE;
    if (writing) ((PipeObject *)t)->lost_writes++;
    return transport_fatal(TRANSPORT(t), exception,
                           writing ? "Fatal write error on pipe transport" : "Fatal read error on pipe transport");
}

/* data_received raised: said, as of any callback, and reading goes on. */
int pipe_callback_failed(StreamObject *t, PyObject *exception) {
    return transport_callback_failed(TRANSPORT(t), exception, PIPE_READ);
}

/* ---- methods ---- */

static PyObject *pipe_write(StreamObject *t, PyObject *data) {
    PipeObject *pipe = (PipeObject *)t;
    if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
        PyObject *text = PyObject_Repr(data);
        if (text) PyErr_SetObject(PyExc_AssertionError, text);
        Py_XDECREF(text);
        return NULL;
    }
    Py_ssize_t length = PyBytes_Check(data) ? PyBytes_GET_SIZE(data) : PyObject_Length(data);
    if (length < 0) return NULL;
    if (length == 0) Py_RETURN_NONE;
    if (t->closing || t->conn_lost) {
        if (pipe->lost_writes >= WARN_AFTER) {
            PyObject *r = PyObject_CallFunction(imports.logger_warning, "s",
                                                "pipe closed by peer or os.write(pipe, data) raised exception.");
            if (!r) return NULL;
            Py_DECREF(r);
        }
        pipe->lost_writes++;
        Py_RETURN_NONE;
    }
    return none_or_null(stream_queue(t, data));
}

static TAKES_ONE(method_write, "write", "data", StreamObject, pipe_write)

/* What a pipe still holds is for who reads it next. */
static PyObject *read_close(TransportObject *t, PyObject *ignored) {
    (void)ignored;
    if (t->attached && !t->closing && !new_sqe(t->loop, GL_OP_PAUSE, t->fd, t->gen)) return NULL;
    return none_or_null(transport_close(t));
}

/* Starts reading. Raises what the selector says against it, as add_reader does. */
static PyObject *start_reading(TransportObject *t, PyObject *ignored) {
    (void)ignored;
    if (!t->attached || t->paused || t->closing) Py_RETURN_NONE;
    if (transport_flush(t) < 0) return NULL; /* what was submitted before */
    gl_sqe s = {.op = GL_OP_RESUME, .fd = t->fd, .gen = t->gen};
    int error = submit_one(t->loop, &s);
    if (error > 0) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    if (error) return NULL;
    transport_pin(t);
    Py_RETURN_NONE;
}

static PyObject *resume_reading(TransportObject *t, PyObject *ignored) {
    PyObject *r = method_resume_reading(t, ignored);
    Py_XDECREF(r);
    return r ? start_reading(t, NULL) : NULL;
}

static PyObject *can_write_eof(StreamObject *t, PyObject *ignored) {
    (void)t;
    (void)ignored;
    Py_RETURN_TRUE;
}

static PyObject *pipe_close_with(TransportObject *t, PyObject *args) {
    PyObject *exception = Py_None;
    if (!PyArg_ParseTuple(args, "|O", &exception)) return NULL;
    return none_or_null(transport_force_close(t, exception == Py_None ? NULL : exception));
}

static PyObject *pipe_fatal_error(TransportObject *t, PyObject *args) {
    PyObject *exception;
    const char *message = "Fatal error on pipe transport";
    if (!PyArg_ParseTuple(args, "O|s", &exception, &message)) return NULL;
    return none_or_null(transport_fatal(t, Py_NewRef(exception), message));
}

static PyObject *pipe_repr(StreamObject *t) {
    const char *name = t->pipe == GL_READ ? "ReadPipeTransport" : "WritePipeTransport";
    const char *state = !t->sock ? " closed" : t->closing ? " closing" : "";
    int fd = ((PipeObject *)t)->fileno;
    if (!t->sock || t->loop->engine <= 0) /* asyncio's words where it has no selector to ask */
        return PyUnicode_FromFormat("<%s%s fd=%d %s>", name, state, fd, t->sock ? "open" : "closed");
    if (t->pipe == GL_READ)
        return PyUnicode_FromFormat("<%s%s fd=%d %s>", name, state, fd, t->pinned ? "polling" : "idle");
    return PyUnicode_FromFormat("<%s%s fd=%d %s bufsize=%lld>", name, state, fd, t->buffered ? "polling" : "idle",
                                (long long)t->buffered);
}

static PyObject *get_pipe(StreamObject *t, void *closure) {
    (void)closure;
    return Py_NewRef(t->sock ? t->sock : Py_None);
}

/* Whoever takes the file object away closes it himself. */
static int set_pipe(StreamObject *t, PyObject *value, void *closure) {
    (void)closure;
    if (value && value != Py_None) {
        Py_XSETREF(t->sock, Py_NewRef(value));
        return 0;
    }
    int rc = 0;
    if (t->fd >= 0) {
        rc = transport_detach(TRANSPORT(t));
        if (t->duplicate) close(t->fd);
        t->fd = -1;
    }
    Py_CLEAR(t->sock);
    return rc;
}

#define PIPE_METHODS                                                                                                   \
    METHOD("_close", pipe_close_with, METH_VARARGS, NULL), METHOD("_fatal_error", pipe_fatal_error, METH_VARARGS, NULL)

static PyMethodDef read_methods[] = {
    COMMON_METHODS,
    READING_METHODS,
    PIPE_METHODS,
    METHOD("_start_reading", start_reading, METH_NOARGS, NULL),
    METHOD("resume_reading", resume_reading, METH_NOARGS, RESUME_DOC),
    METHOD("close", read_close, METH_NOARGS, "close()\n--\n\nClose; what is unread stays in the pipe."),
    {0}};

static PyMethodDef write_methods[] = {
    COMMON_METHODS,
    WRITING_METHODS,
    PIPE_METHODS,
    METHOD("write", method_write, METH_FASTCALL | METH_KEYWORDS, "write(data)\n--\n\nQueue bytes; all that one turn writes leaves together. See asyncio.WriteTransport.write."),
    METHOD("write_eof", method_close, METH_NOARGS, "write_eof()\n--\n\nClose once what is queued has left."),
    METHOD("can_write_eof", can_write_eof, METH_NOARGS, "can_write_eof()\n--\n\nTrue."),
    METHOD("close", method_close, METH_NOARGS, CLOSE_DOC),
    {0}};

static PyMemberDef read_members[] = {
    COMMON_MEMBERS, {"_fileno", T_INT, offsetof(PipeObject, fileno), READONLY, NULL}, {0}};

static PyMemberDef write_members[] = {
    COMMON_MEMBERS,
    {"_fileno", T_INT, offsetof(PipeObject, fileno), READONLY, NULL},
    {"_conn_lost", T_INT, offsetof(PipeObject, lost_writes), READONLY, NULL},
    {"_protocol_paused", T_BOOL, offsetof(TransportObject, protocol_paused), READONLY, NULL},
    {0}};

static PyGetSetDef read_getset[] = {DICT_GETSET,
                                    {"_pipe", (getter)get_pipe, (setter)set_pipe, NULL, NULL},
                                    {"_paused", (getter)get_paused, NULL, NULL, NULL},
                                    {0}};

static PyGetSetDef write_getset[] = {DICT_GETSET, {"_pipe", (getter)get_pipe, (setter)set_pipe, NULL, NULL}, {0}};

static PyType_Slot read_slots[] = {{Py_tp_doc, "The reading end of a pipe; see asyncio.ReadTransport."},
                                   LIFE_SLOTS,
                                   {Py_tp_repr, pipe_repr},
                                   {Py_tp_methods, read_methods},
                                   {Py_tp_members, read_members},
                                   {Py_tp_getset, read_getset},
                                   {0, NULL}};
static PyType_Slot write_slots[] = {{Py_tp_doc, "The writing end of a pipe; see asyncio.WriteTransport."},
                                    LIFE_SLOTS,
                                    {Py_tp_repr, pipe_repr},
                                    {Py_tp_methods, write_methods},
                                    {Py_tp_members, write_members},
                                    {Py_tp_getset, write_getset},
                                    {0, NULL}};

enum { FLAGS = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION };
static PyType_Spec read_spec = {"goloop._core.ReadPipeTransport", sizeof(PipeObject), 0, FLAGS, read_slots};
static PyType_Spec write_spec = {"goloop._core.WritePipeTransport", sizeof(PipeObject), 0, FLAGS, write_slots};

static PyTypeObject *new_type(PyObject *module, PyType_Spec *spec, const char *base_name) {
    PyObject *transports = PyImport_ImportModule("asyncio.transports");
    PyObject *base = transports ? PyObject_GetAttrString(transports, base_name) : NULL;
    PyObject *bases = base ? PyTuple_Pack(1, base) : NULL;
    PyTypeObject *type = NULL;
    if (bases && check_slot(base, "_extra", offsetof(TransportObject, extra)) == 0)
        type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, bases);
    if (type && PyModule_AddType(module, type) < 0) Py_CLEAR(type);
    Py_XDECREF(bases);
    Py_XDECREF(base);
    Py_XDECREF(transports);
    return type;
}

int pipe_setup(PyObject *module) {
    ReadPipe_Type = new_type(module, &read_spec, "ReadTransport");
    WritePipe_Type = ReadPipe_Type ? new_type(module, &write_spec, "_FlowControlMixin") : NULL;
    return WritePipe_Type ? 0 : -1;
}
