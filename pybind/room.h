/* How many threads the system lets a process start: asked for before Go's runtime starts (pybind/ext), and by it. */
#ifndef GOLOOP_ROOM_H
#define GOLOOP_ROOM_H

#include <pthread.h>
#include <signal.h>

/* Until it is over. */
static inline void *room_attend(void *over) {
    pthread_mutex_lock(over);
    pthread_mutex_unlock(over);
    return NULL;
}

/* How many more there can be at once, of so many. They are started, hear no signal, and have ended when this returns. */
static inline int room_for_threads(int wanted, const pthread_attr_t *attributes) {
    pthread_mutex_t over = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[wanted > 0 ? wanted : 1];
    sigset_t all, old;
    int n = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_mutex_lock(&over);
    while (n < wanted && pthread_create(&threads[n], attributes, room_attend, &over) == 0) n++;
    pthread_mutex_unlock(&over);
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return n;
}

#endif
