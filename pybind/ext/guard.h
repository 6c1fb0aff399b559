/* Who may touch what where no GIL says so: one thread at a time holds the guard of an object. It is
 * CPython's critical section, so that a thread which waits, for another lock or in the system, lets
 * others in, as it would let go of the GIL; and it may be entered again by who holds it, which a
 * critical section is slow at. A loop that runs has its own all the time, and lends it each turn. Under a GIL
 * there is nothing to do.
 *
 *   GUARD(object) ... UNGUARD
 *
 * The body must not return. */
#ifndef GOLOOP_GUARD_H
#define GOLOOP_GUARD_H

#include "base.h"

#ifdef Py_GIL_DISABLED

typedef struct {
    PyCriticalSection section;
    bool entered;
} Guard;

bool guard_is_held(PyObject *o);
void guard_lend(PyObject *o); /* by who holds it: to those that wait */
int guard_check(void); /* whether this CPython keeps critical sections as guard_is_held reads them */

static inline void guard_enter(Guard *g, PyObject *o) {
    g->entered = !guard_is_held(o);
    if (g->entered) PyCriticalSection_Begin(&g->section, o);
}
static inline void guard_leave(Guard *g) {
    if (g->entered) PyCriticalSection_End(&g->section);
}

#define GUARD(o)                                                                                                       \
    {                                                                                                                  \
        Guard guard_;                                                                                                  \
        guard_enter(&guard_, (PyObject *)(o));
#define UNGUARD                                                                                                        \
    guard_leave(&guard_);                                                                                              \
    }

/* A method f of a type T as its table has it: guarded by what guard_of_T says. */
#define GUARDED(f) f##_guarded
#define GUARD_RESULT(T, call)                                                                                          \
    PyObject *result_;                                                                                                 \
    GUARD(guard_of_##T((T *)self))                                                                                     \
    result_ = call;                                                                                                    \
    UNGUARD                                                                                                            \
    return result_;
#define GUARDED_ONE(T, f) /* METH_NOARGS, METH_O, METH_VARARGS */                                                      \
    static PyObject *f##_guarded(PyObject *self, PyObject *arg) { GUARD_RESULT(T, f((T *)self, arg)) }
#define GUARDED_FAST(T, f) /* METH_FASTCALL */                                                                         \
    static PyObject *f##_guarded(PyObject *self, PyObject *const *args, Py_ssize_t n) {                                \
        GUARD_RESULT(T, f((T *)self, args, n))                                                                         \
    }
#define GUARDED_CALL(T, f) /* METH_FASTCALL | METH_KEYWORDS */                                                         \
    static PyObject *f##_guarded(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {             \
        GUARD_RESULT(T, f((T *)self, args, n, kwnames))                                                                \
    }

#else

static inline int guard_check(void) { return 0; }
#define guard_lend(o) ((void)0)

#define GUARD(o) {
#define UNGUARD }
#define GUARDED(f) f
#define GUARDED_ONE(T, f)
#define GUARDED_FAST(T, f)
#define GUARDED_CALL(T, f)

#endif

#endif
