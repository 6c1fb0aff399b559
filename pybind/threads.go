package main

/*
#include <pthread.h>
#include <signal.h>
#include <stdint.h>

extern void goloop_thread(uintptr_t task);

static void *run_task(void *task) {
    goloop_thread((uintptr_t)task);
    return NULL;
}

// A detached thread with all signals blocked; returns an errno.
static int start_thread(uintptr_t task) {
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, old;
    sigfillset(&all);
    int error = pthread_attr_init(&attributes);
    if (error) return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(&thread, &attributes, run_task, (void *)task);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}
*/
import "C"

import (
	"runtime/cgo"
	"syscall"
)

// What waits in a system call or in libc does so on a thread that C starts and that may be
// refused: Go's runtime ends the process when it cannot start one.

// startThread is the loop.Options.StartThread of the library.
func startThread(task func()) error {
	handle := cgo.NewHandle(task)
	if errno := C.start_thread(C.uintptr_t(handle)); errno != 0 {
		handle.Delete()
		return syscall.Errno(errno)
	}
	return nil
}

// goloop_thread is the life of a thread.
//
//export goloop_thread
func goloop_thread(task C.uintptr_t) {
	handle := cgo.Handle(task)
	run := handle.Value().(func())
	handle.Delete()
	run() // recovers by itself
}
