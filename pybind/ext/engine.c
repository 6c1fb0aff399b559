/* The Go library: loaded with the first loop, never with the module, and never
 * touched again after fork(). A child loads a private copy: the inherited
 * runtime has lost its threads and would hang.
 *
 * process_generation counts forks. A loop remembers the one it was opened in;
 * when they differ, the loop is the parent's and every crossing is refused. */
#include "engine.h"

#include "sigstack.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <malloc.h>
#endif

#ifndef GOLOOP_ABI
#define GOLOOP_ABI 0 /* for who only looks at the code: tools/backend/boundary.py has it */
#endif

volatile uint64_t process_generation = 1;

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static gl_api api;
static void *loaded_library;
static _Atomic(uint64_t) api_generation; /* in which api was loaded; 0: never */
static bool atfork_registered;

/* In the child, between fork() and anything else: async-signal-safe only. The
 * inherited selectors are closed, or the child's activity on shared descriptors
 * would show in the parent's. */
static void in_child(void) {
    process_generation++;
    for (gl_shared *sh = api.first; sh; sh = sh->next) {
        if (sh->poll_fd >= 0) close(sh->poll_fd);
        if (sh->wake_fd >= 0) close(sh->wake_fd);
        if (sh->batch_fd >= 0) close(sh->batch_fd);
        sh->poll_fd = sh->wake_fd = sh->batch_fd = -1;
    }
    api.first = NULL;
    pthread_mutex_init(&load_lock, NULL);
}

/* Before Go has threads. */
static void tune_malloc(void) {
#ifdef M_ARENA_MAX
    struct rlimit r;
    /* Each arena that malloc makes for a thread takes 64 MiB of addresses, and twice that at first. */
    if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY && !getenv("MALLOC_ARENA_MAX"))
        mallopt(M_ARENA_MAX, 1);
#endif
    /* glibc maps each block anew that is larger than any that was freed, and trims its heap
     * to twice that: a read of 256 KiB then costs 40 us and more, and 1 MiB in pieces and as a
     * whole 500 page faults each time. */
    void *volatile large = malloc(2 << 20);
    free(large);
}

static void *open_library(const char *path) {
    /* Go's threads inherit this thread's mask: with everything blocked, signals
     * of the process go to threads that Python made, and end the loop's wait. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!library) PyErr_Format(PyExc_RuntimeError, "goloop: cannot load its engine: %s", dlerror());
    return library;
}

/* Fills api in, by an engine that was built with the abi.h that we were. */
static int take_api(void *library) {
    uint64_t (*fill)(gl_api *) = NULL;
    void *symbol = dlsym(library, "goloop_api");
    memcpy(&fill, &symbol, sizeof fill);
    if (fill && fill(&api) == GOLOOP_ABI) return 0; /* the first call waits until the runtime is up */
    return raise_text(PyExc_RuntimeError, "goloop: extension and engine are of different builds: reinstall goloop");
}

static int load(const char *path, int processors) {
    if (api_generation == process_generation) return 0; /* another thread was faster */
    if (!atfork_registered) {
        if (pthread_atfork(NULL, NULL, in_child) != 0) return no_memory();
        atfork_registered = true;
    }
    tune_malloc();
    ensure_signal_stack(); /* or Go gives this thread one of its own, which is too small for many signals at once */
    /* Go takes these two over; a library must not. Its handlers of SIGSEGV,
     * SIGBUS and SIGFPE stay, or recover() could not catch a nil dereference. */
    struct sigaction pipe_action, urg_action;
    sigaction(SIGPIPE, NULL, &pipe_action);
    sigaction(SIGURG, NULL, &urg_action);
    void *library = open_library(path);
    int rc = library ? take_api(library) : -1;
    sigaction(SIGPIPE, &pipe_action, NULL);
    sigaction(SIGURG, &urg_action, NULL);
    if (rc < 0) return -1;
    api.start(processors);
    loaded_library = library;
    api_generation = process_generation;
    return 0;
}

/* load_engine(path, processors): the library of this process, which may run on so many; 0 for as many as it likes. */
PyObject *load_engine(PyObject *module, PyObject *args) {
    const char *path;
    int processors;
    (void)module;
    if (!PyArg_ParseTuple(args, "si", &path, &processors)) return NULL;
    if (pthread_mutex_trylock(&load_lock) != 0) { /* not with the interpreter: who has the lock may wait for that */
        Py_BEGIN_ALLOW_THREADS
        pthread_mutex_lock(&load_lock);
        Py_END_ALLOW_THREADS
    }
    int rc = load(path, processors);
    pthread_mutex_unlock(&load_lock);
    return none_or_null(rc);
}

/* goloop.engine loads it. */
static int check_loaded(void) {
    if (api_generation == process_generation) return 0;
    return raise_text(PyExc_RuntimeError, "goloop: its engine is not loaded");
}

void *engine_symbol(const char *name) {
    if (check_loaded() < 0) return NULL;
    void *symbol = dlsym(loaded_library, name);
    if (!symbol) PyErr_Format(PyExc_ImportError, "goloop: its engine was built without %s", name);
    return symbol;
}

int engine_open(LoopObject *loop, const char *selector, bool batched) {
    if (check_loaded() < 0) return -1;
    gl_shared *sh = &loop->shared;
    PyOS_snprintf(sh->selector, sizeof sh->selector, "%s", selector); /* what is cut is no name */
    sh->unbatched = !batched;
    sh->pulse.ran.word = GL_RAN_ROUND;
    loop->api = &api;
    loop->generation = process_generation;
    int64_t handle = api.open(sh);
    if (handle == -ENOMEM && !sh->memory) return no_memory();
    if (handle < 0) return engine_error(loop, handle);
    loop->engine = handle;
    loop->cq = sh->cq;
    return 0;
}

void engine_close(LoopObject *loop) {
    if (loop->engine <= 0) return;
    int64_t handle = loop->engine;
    loop->engine = 0; /* first: other threads ask while the GIL is let go */
    atomic_store(&loop->sleeping, false);
    if (loop_is_ours(loop)) {
        while (atomic_load(&loop->wakers)) sched_yield(); /* the wake-up's number is about to be free */
        Py_BEGIN_ALLOW_THREADS
        loop->api->close(handle);
        Py_END_ALLOW_THREADS
    }
}

void engine_release(LoopObject *loop) {
    if (loop->shared.memory && loop_is_ours(loop)) loop->api->release(&loop->shared); /* a forked child's copy stays */
}

int engine_usable_slow(LoopObject *loop) {
    if (loop->closed || loop->engine <= 0) return raise_text(PyExc_RuntimeError, "Event loop is closed");
    if (!loop_is_ours(loop)) {
        return raise_text(PyExc_RuntimeError, "this event loop belongs to the parent process: make a new one after fork()");
    }
    return 0;
}

bool engine_taken(LoopObject *loop) {
    if (!loop->in_turn) return false;
    PyErr_SetString(PyExc_RuntimeError, "Non-thread-safe operation invoked on an event loop other than the current one");
    return true;
}

int engine_error(LoopObject *loop, int64_t code) {
    if (code == GL_PANICKED) {
        char text[16384];
        int32_t n = loop->api->panic_text(text, sizeof text - 1);
        text[n > 0 ? n : 0] = 0;
        PyErr_Format(PyExc_RuntimeError, "goloop: the engine failed and this event loop is closed: %s", text);
        if (loop->engine > 0) {
            loop->closed = 1;
            engine_close(loop);
        }
        return -1;
    }
    errno = (int)-code;
    return steal_result(PyErr_SetFromErrno(PyExc_OSError));
}

/* engine_lacking() -> None: it is loaded. Else (how many forks this process is away from the first, and one more; whether
 * a parent of it has loaded one). */
PyObject *engine_lacking(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    if (api_generation == process_generation) Py_RETURN_NONE;
    return Py_BuildValue("KO", (unsigned long long)process_generation, api_generation ? Py_True : Py_False);
}
