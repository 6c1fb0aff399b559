//go:build linux

package main

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller is an epoll set whose entries carry the index of a connection.
type poller struct {
	fd     int
	events [512]unix.EpollEvent
}

// edges is for traffic that reads until a short read and writes until EAGAIN: the kernel then looks at a socket once an
// event instead of twice, and waiting for room to write costs no call.
const edges = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// over is in the events of a connection that has ended or is about to.
const over = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{fd: fd}, os.NewSyscallError("epoll_create1", err)
}

func (p *poller) add(fd, index int, events uint32) error {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, index, events)
}

func (p *poller) modify(fd, index int, events uint32) error {
	return p.ctl(unix.EPOLL_CTL_MOD, fd, index, events)
}

func (p *poller) ctl(op, fd, index int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(index)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, op, fd, &event))
}

// wait returns what is ready within d, rounded up to whole ms; nothing after a signal.
func (p *poller) wait(d time.Duration) ([]unix.EpollEvent, error) {
	ms := max(0, (d+time.Millisecond-1)/time.Millisecond)
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), uintptr(ms), 0, 0)
	if errno == unix.EINTR {
		return nil, nil
	}
	if errno != 0 {
		return nil, os.NewSyscallError("epoll_pwait", errno)
	}
	return p.events[:n], nil
}
