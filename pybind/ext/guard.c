/* Whether this thread holds the guard of an object: its critical sections are a chain, and those
 * that it had to let go of are marked in the pointers to them. */
#include "guard.h"

#ifdef Py_GIL_DISABLED

enum { INACTIVE = 1, TWO = 2, TAGS = 3 };
enum { PARKED = 2 }; /* of a mutex: threads sleep that wait for it, and who has slept for a millisecond is given it */

bool guard_is_held(PyObject *o) {
    uintptr_t link = PyThreadState_GetUnchecked()->critical_section;
    while (link & ~(uintptr_t)TAGS) {
        const PyCriticalSection *c = (const PyCriticalSection *)(link & ~(uintptr_t)TAGS);
        if (!(link & INACTIVE)) {
            if (c->_cs_mutex == &o->ob_mutex) return true;
            if (link & TWO && ((const PyCriticalSection2 *)c)->_cs_mutex2 == &o->ob_mutex) return true;
        }
        link = c->_cs_prev;
    }
    return false;
}

void guard_lend(PyObject *o) {
    if (!(__atomic_load_n(&o->ob_mutex._bits, __ATOMIC_RELAXED) & PARKED)) return;
    Py_BEGIN_ALLOW_THREADS
    Py_END_ALLOW_THREADS
}

int guard_check(void) {
    PyObject *o = PyList_New(0), *other = o ? PyList_New(0) : NULL;
    if (!other) {
        Py_XDECREF(o);
        return -1;
    }
    bool before = guard_is_held(o), within, beside, both, after;
    Py_BEGIN_CRITICAL_SECTION(o);
    within = guard_is_held(o);
    beside = guard_is_held(other);
    Py_BEGIN_CRITICAL_SECTION(other);
    both = guard_is_held(o) && guard_is_held(other);
    Py_END_CRITICAL_SECTION();
    Py_END_CRITICAL_SECTION();
    after = guard_is_held(o);
    Py_DECREF(o);
    Py_DECREF(other);
    if (!before && within && !beside && both && !after) return 0;
    return raise_text(PyExc_ImportError, "goloop: this CPython keeps its critical sections differently");
}

#endif
