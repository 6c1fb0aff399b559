/* The ends of a pipe: streams with one direction, around a
 * file object that stays open until the end. What differs from a socket:
 *
 *   reading   an end of file closes; an exception of data_received does not.
 *   writing   nothing is read: the reader's close is told as an end of file.
 *             write_eof() closes.
 *
 * Others may use the number of a character device beside the transport, as one who
 * reads a terminal with add_reader and writes it through a transport does on
 * asyncio. The engine therefore watches a duplicate of it, and of any number that
 * the loop knows already, made here: a handler of a signal that raises meanwhile neither loses nor closes it twice. */
#include "pipe.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "engine.h"
#include "errors.h"
#include "methods.h"
#include "stream.h"

static const TransportKind read_kind = {STREAM_KIND(READ_PIPE_LOST, "pipe transport", NULL), .hears_refusal = true},
                           write_kind = {STREAM_KIND(WRITE_PIPE_LOST, "pipe transport", "pipe closed by peer or os.write(pipe, data) raised exception.")};

/* _connected_pipe(pipe, fd, protocol, extra, writing, device) -> transport: around an open file whose descriptor is
 * fd; not reading yet. Raises OSError. */
PyObject *loop_connected_pipe(LoopObject *loop, PyObject *args) {
    const Types *types = &loop->state->types;
    Parts parts = {.context = NULL};
    int writing, device, fd;
    if (!PyArg_ParseTuple(args, "OiOOpp", &parts.file, &fd, &parts.protocol, &parts.extra, &writing, &device)) return NULL;
    if (engine_usable(loop) < 0) return NULL;
    FdEntry *e = fd_known(loop, fd);
    bool duplicate = device || (e && (e->kind == FD_WATCHED || fd_is_used(loop, fd, FOR_WATCH)));
    parts.fd = duplicate ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : fd;
    if (parts.fd < 0) return PyErr_SetFromErrno(PyExc_OSError);
    TransportObject *t = new_transport(writing ? types->WritePipe : types->ReadPipe, writing ? &write_kind : &read_kind, loop, &parts);
    if (t) {
        ((StreamObject *)t)->fileno = fd;
        ((StreamObject *)t)->pipe = writing ? GL_WRITE : GL_READ;
        t->duplicate = duplicate;
        t->drains = true;
        t->paused = writing && device; /* nobody watches for the other side of a device */
        uint16_t flags = writing && !device ? GL_ATTACH_PIPE | GL_ATTACH_HANGUP : GL_ATTACH_PIPE;
        if (transport_attach(t, GL_OP_ATTACH, flags) == 0) {
            if (writing) transport_pin(t); /* it waits for its reader's end, whoever holds it */
            return (PyObject *)t;
        }
        transport_unmake(t);
    }
    if (duplicate) close(parts.fd);
    return NULL;
}

/* ---- methods ---- */

/* _take_pipe(file object): another in its place. Whoever takes the one away without another closes it himself. */
static PyObject *take_pipe(TransportObject *t, PyObject *pipe) {
    bool gone = pipe == Py_None;
    int rc = gone ? transport_detach(t) : 0;
    if (gone && t->duplicate && t->fd >= 0) close(t->fd);
    if (gone) t->fd = -1;
    Py_XSETREF(t->sock, gone ? NULL : Py_NewRef(pipe));
    return none_or_null(rc);
}

GUARDED_ONE(TransportObject, take_pipe)

static PyMethodDef read_methods[] = {
    COMMON_METHODS,
    READING_METHODS,
    METHOD("_take_pipe", GUARDED(take_pipe), METH_O, NULL),
    METHOD("close", table_close, METH_NOARGS, "close($self, /)\n--\n\nClose; what is unread stays in the pipe."),
    {0}};

static PyMethodDef write_methods[] = {
    COMMON_METHODS,
    WRITING_METHODS,
    METHOD("write", method_write, METH_FASTCALL | METH_KEYWORDS, WRITE_DOC),
    METHOD("_take_pipe", GUARDED(take_pipe), METH_O, NULL),
    METHOD("write_eof", table_close, METH_NOARGS, "write_eof($self, /)\n--\n\nClose once what is queued has left."),
    METHOD("close", table_close, METH_NOARGS, CLOSE_DOC),
    {0}};

static PyMemberDef members[] = {
    COMMON_MEMBERS,
    {"_fileno", T_INT, offsetof(StreamObject, fileno), READONLY, NULL},
    {"_paused", T_BOOL, offsetof(TransportObject, paused), READONLY, NULL},
    {"_conn_lost", T_INT, offsetof(StreamObject, lost_writes), READONLY, NULL},
    {"_protocol_paused", T_BOOL, offsetof(TransportObject, protocol_paused), READONLY, NULL},
    {0}};

static PyGetSetDef getset[] = {COMMON_GETSET, {0}};

static PyType_Slot read_slots[] = {{Py_tp_doc, "The reading end of a pipe; see asyncio.ReadTransport."},
                                   LIFE_SLOTS,
                                   {Py_tp_methods, read_methods},
                                   {Py_tp_members, members},
                                   {Py_tp_getset, getset},
                                   {0, NULL}};
static PyType_Slot write_slots[] = {{Py_tp_doc, "The writing end of a pipe; see asyncio.WriteTransport."},
                                    LIFE_SLOTS,
                                    {Py_tp_methods, write_methods},
                                    {Py_tp_members, members},
                                    {Py_tp_getset, getset},
                                    {0, NULL}};

enum { FLAGS = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION };
static PyType_Spec read_spec = {"goloop._core._UnixReadPipeTransport", sizeof(StreamObject), 0, FLAGS, read_slots};
static PyType_Spec write_spec = {"goloop._core._UnixWritePipeTransport", sizeof(StreamObject), 0, FLAGS, write_slots};

int pipe_setup(PyObject *module) {
    static const Place places[] = {{"_extra", offsetof(TransportObject, extra)}, {NULL, 0}};
    Types *types = &state_of(module)->types;
    types->ReadPipe = new_type_over(module, &read_spec, "goloop.transports", "ReadPipe", places);
    types->WritePipe = types->ReadPipe ? new_type_over(module, &write_spec, "goloop.transports", "WritePipe", places) : NULL;
    return types->WritePipe ? 0 : -1;
}
