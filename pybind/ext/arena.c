/* The memory of loops: what one has left is the next one's. */
#include "arena.h"

#include <stdlib.h>

enum { SQ_CAP = 4096, CQ_CAP = 4096, ARENA = 512 << 10 };

/* Of one loop: a program that makes one loop after another maps it once. */
typedef struct {
    gl_cqe *cq;
    uint8_t *arena;
    gl_sqe *sq[2];
} Memory;

static _Atomic(Memory *) spare; /* of the loop that was freed last */

/* glibc maps each block anew that is larger than any that was freed, and trims its heap
 * to twice that: a read of 256 KiB then costs 40 us and more, and 1 MiB in pieces and as a
 * whole 500 page faults each time. */
static void free_large_once(void) {
    static atomic_bool freed;
    if (atomic_exchange(&freed, true)) return;
    void *volatile block = malloc(2 << 20);
    free(block);
}

int arena_take(LoopObject *loop) {
    gl_shared *sh = &loop->shared;
    Memory *kept = atomic_exchange(&spare, NULL), none = {0};
    Memory *m = kept ? kept : &none;
    /* Touched, and so paid for, only as far as they are used. The arena begins with
     * a page: where the kernel copies to an odd multiple of 16 bytes, as malloc gives,
     * the copy of a read took eight times as long on the processor measured. */
    sh->cq = m->cq ? m->cq : malloc(CQ_CAP * sizeof *sh->cq);
    sh->arena = m->arena ? m->arena : aligned_alloc(4096, ARENA);
    for (int i = 0; i < 2; i++) {
        loop->sq[i] = m->sq[i] ? m->sq[i] : malloc(SQ_CAP * sizeof *loop->sq[i]);
        loop->sq_cap[i] = SQ_CAP;
    }
    free(kept);
    sh->cq_cap = CQ_CAP;
    sh->arena_len = ARENA;
    free_large_once();
    if (sh->cq && sh->arena && loop->sq[0] && loop->sq[1]) return 0;
    return no_memory();
}

void arena_give(LoopObject *loop) {
    gl_shared *sh = &loop->shared;
    bool whole = sh->cq && sh->arena && loop->sq[0] && loop->sq[1];
    Memory *m = whole && !atomic_load(&spare) ? malloc(sizeof *m) : NULL, *other = NULL;
    if (m) {
        *m = (Memory){sh->cq, sh->arena, {loop->sq[0], loop->sq[1]}}; /* their capacity may have grown; SQ_CAP fits */
        if (atomic_compare_exchange_strong(&spare, &other, m)) return;
        free(m);
    }
    free(sh->cq);
    free(sh->arena);
    free(loop->sq[0]);
    free(loop->sq[1]);
}

