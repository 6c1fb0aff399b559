/* What Go's runtime takes when it starts, asked for beforehand: without a thread or an address
 * it ends the process, where a Python program expects an exception.
 *
 * Memory is asked for by mapping as much and giving it back, which costs two microseconds and
 * sees whatever refuses it. Threads are started only where a limit is near, for they cost 30 us
 * each: RLIMIT_NPROC, or pids.max of a cgroup that can be seen. Not seen are cgroups above a
 * container's own, kernel.threads-max, and a filter of system calls that refuses clone(2). */
#include "capacity.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __linux__
#include <malloc.h>
#include <sched.h>

enum { MIB = 1 << 20 };

/* ---- threads ---- */

typedef struct {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    bool over;
} Assembly;

static void *attend(void *arg) {
    Assembly *a = arg;
    pthread_mutex_lock(&a->mu);
    while (!a->over) pthread_cond_wait(&a->changed, &a->mu);
    pthread_mutex_unlock(&a->mu);
    return NULL;
}

/* How many threads can be there at once, of so many. */
static int count_threads(int wanted) {
    Assembly a = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    pthread_t threads[GL_START_PROCS_MOST + GL_START_BESIDES];
    pthread_attr_t attributes;
    int n = 0;
    if (pthread_attr_init(&attributes) != 0) return 0;
    pthread_attr_setstacksize(&attributes, 64 << 10);
    while (n < wanted && pthread_create(&threads[n], &attributes, attend, &a) == 0) n++;
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&a.mu);
    a.over = true;
    pthread_cond_broadcast(&a.changed);
    pthread_mutex_unlock(&a.mu);
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    return n;
}

/* The head of a small file, as text; false when there is none. */
static bool read_text(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* The number in a small file; -1 when there is none, as in "max". */
static long number_in(const char *path, const char *format) {
    char text[64];
    long n = -1;
    return read_text(path, text, sizeof text) && sscanf(text, format, &n) == 1 ? n : -1;
}

/* Whether the cgroup at path, or one above it, has no room for so many more. Cuts path. */
static bool group_is_full(const char *root, char *path, long wanted, long *limit) {
    char file[4200];
    for (;;) {
        snprintf(file, sizeof file, "%s%s/pids.max", root, path);
        long most = number_in(file, "%ld");
        if (most >= 0) {
            snprintf(file, sizeof file, "%s%s/pids.current", root, path);
            if (number_in(file, "%ld") + wanted > most) {
                *limit = most;
                return true;
            }
        }
        char *slash = strrchr(path, '/');
        if (!slash) return false;
        *slash = 0;
    }
}

static bool groups_are_full(long wanted, long *limit) {
    char text[4096], *rest = text, *line;
    if (!read_text("/proc/self/cgroup", text, sizeof text)) return false;
    while ((line = strsep(&rest, "\n"))) { /* hierarchy:controllers:/path */
        strsep(&line, ":");
        char *controllers = strsep(&line, ":");
        if (!line || line[0] != '/') continue;
        if (!line[1]) line++;
        if (strcmp(controllers, "pids") == 0 && group_is_full("/sys/fs/cgroup/pids", line, wanted, limit)) return true;
        if (!*controllers && group_is_full("/sys/fs/cgroup", line, wanted, limit)) return true;
    }
    return false;
}

/* Whether so many threads may be too many, and for which limit: *what, *limit. */
static bool threads_are_scarce(long wanted, const char **what, long *limit) {
    struct rlimit r;
    *what = "pids.max of its cgroup";
    if (groups_are_full(wanted, limit)) return true;
    if (getrlimit(RLIMIT_NPROC, &r) < 0 || r.rlim_cur == RLIM_INFINITY) return false;
    /* Those of all users are an upper bound of this one's, and known without counting. */
    long all = number_in("/proc/loadavg", "%*s %*s %*s %*d/%ld");
    *what = "RLIMIT_NPROC";
    *limit = (long)r.rlim_cur;
    return all < 0 || (rlim_t)(all + wanted) > r.rlim_cur;
}

static int processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : GL_START_PROCS_LEAST;
    return n < GL_START_PROCS_LEAST ? GL_START_PROCS_LEAST : n > GL_START_PROCS_MOST ? GL_START_PROCS_MOST : n;
}

/* ---- memory ---- */

static size_t stack_size(void) {
    size_t size = 8 * (size_t)MIB;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &size);
        pthread_attr_destroy(&attributes);
    }
    return size;
}

static bool can_map(size_t reserved, size_t writable) {
    /* Both at once: RLIMIT_AS counts them together. */
    void *a = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (a == MAP_FAILED) return false;
    void *b = mmap(NULL, writable, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(a, reserved);
    if (b == MAP_FAILED) return false;
    munmap(b, writable);
    return true;
}

/* Says which limit of memory it is, if it is one that can be seen. */
static void refuse_memory(size_t reserved, size_t writable) {
    static const struct {
        int resource;
        const char *name;
    } limits[] = {{RLIMIT_AS, "RLIMIT_AS"}, {RLIMIT_DATA, "RLIMIT_DATA"}};
    char said[128] = "";
    for (size_t i = 0; i < 2; i++) {
        struct rlimit r;
        if (getrlimit(limits[i].resource, &r) < 0 || r.rlim_cur == RLIM_INFINITY) continue;
        size_t n = strlen(said);
        snprintf(said + n, sizeof said - n, "%s%s is %llu MiB", n ? ", " : ": ", limits[i].name,
                 (unsigned long long)(r.rlim_cur / MIB));
    }
    PyErr_Format(PyExc_RuntimeError,
                 "goloop: its engine needs %zu MiB of addresses, %zu MiB of them writable, to start, and the system "
                 "does not give them%s",
                 (reserved + writable) / MIB, writable / MIB, said);
}

/* Sees to it that the runtime can start, and on how many processors it may run: 0 for as many as it
 * likes. Returns -1 with RuntimeError. */
int capacity_check(int *procs) {
    *procs = processors();
    const char *what;
    long limit;
    if (threads_are_scarce(*procs + GL_START_BESIDES, &what, &limit)) {
        sigset_t all, old;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        int n = count_threads(*procs + GL_START_BESIDES);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (n < GL_START_PROCS_LEAST + GL_START_BESIDES) {
            PyErr_Format(PyExc_RuntimeError,
                         "goloop: its engine needs %d threads to start, and the system gives this process %d more: "
                         "%s is %ld",
                         GL_START_PROCS_LEAST + GL_START_BESIDES, n, what, limit);
            return -1;
        }
        if (*procs > n - GL_START_BESIDES) *procs = n - GL_START_BESIDES;
    }
    struct rlimit r;
    /* Each arena that malloc makes for a thread takes 64 MiB of addresses, and twice that at first. */
    if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY && !getenv("MALLOC_ARENA_MAX"))
        mallopt(M_ARENA_MAX, 1);
    size_t stack = stack_size();
    for (;; *procs = GL_START_PROCS_LEAST) {
        size_t stacks = (size_t)(*procs + GL_START_BESIDES) * stack;
        size_t reserved = (size_t)(GL_START_RESERVED - GL_START_WRITABLE) * MIB, writable = (size_t)GL_START_WRITABLE * MIB + stacks;
        if (can_map(reserved, writable)) return 0;
        if (*procs == GL_START_PROCS_LEAST) {
            refuse_memory(reserved, writable);
            return -1;
        }
    }
}

#else

int capacity_check(int *procs) {
    *procs = 0;
    return 0;
}

#endif
