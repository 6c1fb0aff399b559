/* What the engine has answered lately without a lookup. */
#ifndef GOLOOP_LITERAL_H
#define GOLOOP_LITERAL_H

#include "loop.h"

/* The list of addresses that q, with this host, was answered with, or NULL. Borrows what nobody else may have. */
PyObject *borrow_literal(const LoopObject *loop, PyObject *host, const gl_query *q);
/* Keeps an answer that depends on the query alone. That there is no memory for it is no error. */
void literal_keep(LoopObject *loop, PyObject *host, const gl_query *q, PyObject *addresses);
void literals_free(LoopObject *loop);

#endif
