//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var epoch = time.Now()

// now is a monotonic clock in ns.
func now() int64 { return int64(time.Since(epoch)) }

// resolve turns 127.0.0.1:PORT or unix:PATH into an address.
func resolve(addr string) (unix.Sockaddr, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return &unix.SockaddrUnix{Name: path}, nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	ip := net.ParseIP(host).To4()
	if err != nil || ip == nil {
		return nil, fmt.Errorf("%q is no IPv4 address and port", addr)
	}
	return &unix.SockaddrInet4{Port: number, Addr: [4]byte(ip)}, nil
}

// socket makes a stream socket for sa: Nagle's delay off, and every blocking call given up after 10 s.
func socket(sa unix.Sockaddr, flags int) (int, error) {
	family := unix.AF_UNIX
	if _, ok := sa.(*unix.SockaddrInet4); ok {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if family == unix.AF_INET {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil && flags&unix.SOCK_NONBLOCK == 0 {
		patience := unix.Timeval{Sec: 10}
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience)
		if err == nil {
			err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience)
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("setsockopt", err)
	}
	return fd, nil
}

// dial opens a connected, still blocking socket.
func dial(sa unix.Sockaddr) (int, error) {
	fd, err := socket(sa, 0)
	if err != nil {
		return -1, err
	}
	for {
		err = unix.Connect(fd, sa)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil && err != unix.EISCONN {
		unix.Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// read is recv(2) without the scheduler's bookkeeping, again after EINTR.
func read(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
			uintptr(len(b)), 0, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// write is send(2) with MSG_NOSIGNAL, again after EINTR.
func write(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
			uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// writeAll and readFull are for blocking sockets.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, errno := write(fd, b)
		if errno != 0 {
			return os.NewSyscallError("send", errno)
		}
		b = b[n:]
	}
	return nil
}

func readFull(fd int, b []byte) error {
	for len(b) > 0 {
		n, errno := read(fd, b)
		if errno != 0 {
			return os.NewSyscallError("read", errno)
		}
		if n == 0 {
			return fmt.Errorf("the server closed the connection")
		}
		b = b[n:]
	}
	return nil
}
