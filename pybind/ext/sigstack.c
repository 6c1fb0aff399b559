/* Where the signal handlers of a thread run that calls the engine.
 *
 * Go's runtime gives such a thread an alternate stack of 32 KiB, and Python's handlers
 * run on the alternate stack where there is one. Handlers nest: signals that become
 * deliverable together take a frame each, over 3 KiB with the registers of AVX-512,
 * and ten of them are too many. Go leaves a stack alone that it finds. */
#include "sigstack.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

enum { STACK = 512 << 10 }; /* more than a frame for each of 64 signals; touched only as far as it is used */

static pthread_key_t key;
static bool have_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void give_back(void *stack) {
    stack_t now;
    if (sigaltstack(NULL, &now) < 0) return;
    if (now.ss_sp == stack) {
        stack_t none = {.ss_flags = SS_DISABLE};
        if (sigaltstack(&none, NULL) < 0) return;
    }
    munmap(stack, STACK);
}

static void make_key(void) { have_key = pthread_key_create(&key, give_back) == 0; }

/* Before a thread's first call of the engine. Without memory it gets Go's. */
void ensure_signal_stack(void) {
    static __thread bool done;
    if (done) return;
    done = true;
    stack_t now;
    if (sigaltstack(NULL, &now) < 0 || !(now.ss_flags & SS_DISABLE)) return; /* the program has one */
    if (pthread_once(&once, make_key) != 0 || !have_key) return;
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (stack == MAP_FAILED) return;
    stack_t ours = {.ss_sp = stack, .ss_size = STACK};
    if (pthread_setspecific(key, stack) != 0 || sigaltstack(&ours, NULL) < 0) {
        pthread_setspecific(key, NULL);
        munmap(stack, STACK);
    }
}
