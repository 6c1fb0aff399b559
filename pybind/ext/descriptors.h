/* The loop's table of descriptors, by number: who owns a number, and until when. */
#ifndef GOLOOP_DESCRIPTORS_H
#define GOLOOP_DESCRIPTORS_H

#include "loop.h"

enum fd_kind { FD_FREE = 0, FD_WATCHED, FD_TRANSPORT, FD_LISTENER };
enum fd_claim { FOR_WATCH, FOR_OWNER, NEW_NUMBER };

/* What the table asks of an owner. */
typedef struct FdOwner {
    PyObject *(*file)(PyObject *owner);                     /* whose number it is, or NULL; borrowed */
    bool (*keeps)(PyObject *owner, enum fd_claim claim);    /* it is open, or has bytes to send that a watch would keep from leaving */
    int (*evict)(LoopObject *loop, PyObject *owner, int fd, bool gone); /* the number is another's; gone: and its file is closed */
    void (*forgotten)(PyObject *owner);                     /* it stands in the table no more */
    int (*arrived)(LoopObject *loop, PyObject *owner, gl_cqe *c); /* a completion for it */
} FdOwner;

/* A direction of a watched descriptor. */
typedef struct {
    PyObject *handle; /* NULL: it is not watched */
    PyObject *file;   /* what it was given as, instead of a number, or NULL */
} Watch;

/* FdEntry.ended of a watch whose end is not to be renewed. */
enum { NOT_RENEWED = UINT16_MAX };

/* Who a descriptor belongs to. gen changes with every owner. */
typedef struct FdEntry {
    uint8_t kind; /* enum fd_kind */
    bool owned;   /* the table has a reference to its owner */
    uint16_t ended; /* of the submissions, 1 + the one that ended its last watch, if that is still to come; 0: none; NOT_RENEWED */
    uint32_t gen;
    PyObject *owner;     /* transport or listener; NULL when watched */
    const FdOwner *asks; /* of it */
#ifdef Py_GIL_DISABLED
    PyObject *weak;      /* to one that is not owned: another thread may be about to free it */
#endif
    Watch reader, writer;
} FdEntry;

FdEntry *fd_entry(LoopObject *loop, int fd); /* grows the table; NULL with MemoryError */
static inline FdEntry *fd_lookup(LoopObject *loop, int fd, uint32_t gen) {
    if (fd < 0 || fd >= loop->fds_len) return NULL;
    FdEntry *e = &loop->fds[fd];
    return e->kind != FD_FREE && e->gen == gen ? e : NULL;
}
static inline FdEntry *fd_known(LoopObject *loop, int fd) { return fd < loop->fds_len ? &loop->fds[fd] : NULL; }
/* Makes a number an owner's, with a generation of its own; claim: of fd_vacate. Takes no reference. */
int fd_give(LoopObject *loop, int fd, enum fd_claim claim, enum fd_kind kind, PyObject *owner, const FdOwner *asks, bool owned);
PyObject *fd_new_owner(FdEntry *e); /* NULL without an exception: there is none any more */
void fd_release(LoopObject *loop, int fd); /* forgets the owner; the engine is not told */
int fd_detach(LoopObject *loop, int fd, uint32_t gen); /* the same, and it is; unless the pair is stale */
int fd_vacate(LoopObject *loop, int fd, enum fd_claim claim);
bool fd_is_used(LoopObject *loop, int fd, enum fd_claim claim); /* so that fd_vacate would refuse */
void fds_clear(LoopObject *loop);
int fds_traverse(LoopObject *loop, visitproc visit, void *arg);

#endif
