/* Descriptors that callbacks watch. */
#ifndef GOLOOP_WATCH_H
#define GOLOOP_WATCH_H

#include "loop.h"

int watch_begin(LoopObject *loop, int fd, PyObject *file, PyObject *handle, bool writer);
bool watch_renew(LoopObject *loop, int fd, PyObject *handle, bool writer);
int watch_end(LoopObject *loop, int fd, PyObject *handle, bool writer);
int descriptor_of(LoopObject *loop, PyObject *file); /* -1 with an exception */

/* Methods of the loop. */
PyObject *method_add_reader(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
PyObject *method_add_writer(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
PyObject *method_remove_reader(LoopObject *loop, PyObject *file);
PyObject *method_remove_writer(LoopObject *loop, PyObject *file);
PyObject *loop_watched(LoopObject *, PyObject *ignored);
PyObject *loop_fd_has_transport(LoopObject *, PyObject *file);

#endif
