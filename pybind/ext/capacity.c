/* Threads and addresses that are asked for and given back: Python's threads end later than their join(), and its own
 * memory comes from elsewhere. */
#include "capacity.h"

#include "room.h"

#ifdef __linux__
#include <linux/memfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* ---- threads ---- */

enum { MOST = 64 }; /* more than a start takes */

/* count_threads(wanted) -> how many can be there at once, of so many, or of MOST. They hear no signal. */
PyObject *count_threads(PyObject *module, PyObject *wanted) {
    (void)module;
    int n = (int)PyLong_AsLong(wanted);
    if (n < 0 && PyErr_Occurred()) return NULL;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return PyLong_FromLong(0);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    n = room_for_threads(n < MOST ? n : MOST, &attributes);
    pthread_attr_destroy(&attributes);
    return PyLong_FromLong(n);
}

/* ---- memory ---- */

/* stack_size() -> bytes of addresses that a thread's stack takes. */
PyObject *stack_size(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    size_t size = (size_t)8 << 20;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &size);
        pthread_attr_destroy(&attributes);
    }
    return PyLong_FromSize_t(size);
}

/* memory_file() -> a descriptor of a file in memory. OSError. os has it where CPython was built on a C library that has. */
PyObject *memory_file(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
#ifdef __linux__
    int fd = (int)syscall(SYS_memfd_create, "goloop-engine", MFD_CLOEXEC);
    if (fd >= 0) return PyLong_FromLong(fd);
#else
    errno = ENOSYS;
#endif
    return PyErr_SetFromErrno(PyExc_OSError);
}
