package main

/*
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "abi.h"

// The numbers of the last two arguments differ in type between systems.
static int name_info(const struct addrinfo *a, char *host, int host_size, char *service, int service_size, int flags) {
    return getnameinfo(a->ai_addr, a->ai_addrlen, host, host_size, service, service_size, flags);
}
*/
import "C"

import (
	"syscall"
	"unsafe"

	"goloop/loop"
)

// resolve is the loop.Resolver: libc's, with all that the system is configured for
// (nsswitch, hosts, search domains). It runs on threads of the engine's own.
func resolve(q loop.Query) loop.Answer {
	hints := C.struct_addrinfo{
		ai_family: C.int(q.Family), ai_socktype: C.int(q.Type), ai_protocol: C.int(q.Proto), ai_flags: C.int(q.Flags),
	}
	if q.What == loop.NameInfo {
		// As socket.getnameinfo reads its address.
		hints = C.struct_addrinfo{ai_family: C.AF_UNSPEC, ai_socktype: C.SOCK_DGRAM, ai_flags: C.AI_NUMERICHOST}
	}
	host, service := cText(q.Host, q.HasHost), cText(q.Service, q.HasService)
	defer C.free(unsafe.Pointer(host))
	defer C.free(unsafe.Pointer(service))
	var list *C.struct_addrinfo
	if code, err := C.getaddrinfo(host, service, &hints, &list); code != 0 {
		return failed(code, err)
	}
	defer C.freeaddrinfo(list)
	if q.What == loop.NameInfo {
		return nameOf(list, q)
	}
	return addressesOf(list)
}

// addressesOf copies what getaddrinfo(3) has found.
func addressesOf(list *C.struct_addrinfo) (a loop.Answer) {
	for i := list; i != nil; i = i.ai_next {
		address := loop.AddressOf(unsafe.Slice((*byte)(unsafe.Pointer(i.ai_addr)), i.ai_addrlen))
		if address.Family == 0 {
			continue // neither IPv4 nor IPv6, the only ones that getaddrinfo(3) knows
		}
		address.Type, address.Proto = int32(i.ai_socktype), int32(i.ai_protocol)
		a.Addresses = append(a.Addresses, address)
	}
	if list.ai_canonname != nil {
		a.Text = C.GoString(list.ai_canonname)
	}
	return a
}

// nameOf is getnameinfo(3) of the address that was read.
func nameOf(address *C.struct_addrinfo, q loop.Query) loop.Answer {
	if address.ai_family == C.AF_INET6 {
		sa := (*syscall.RawSockaddrInet6)(unsafe.Pointer(address.ai_addr))
		sa.Flowinfo, sa.Scope_id = networkOrder(q.Flow), q.Scope
	}
	var host [C.NI_MAXHOST]C.char
	var service [C.NI_MAXSERV]C.char
	code, err := C.name_info(address, &host[0], C.int(len(host)), &service[0], C.int(len(service)), C.int(q.Flags))
	if code != 0 {
		return failed(code, err)
	}
	return loop.Answer{Text: C.GoString(&host[0]) + "\x00" + C.GoString(&service[0]) + "\x00"}
}

// failed is the answer to a code of getaddrinfo(3), with errno where that says more.
func failed(code C.int, err error) loop.Answer {
	if code == C.EAI_SYSTEM {
		errno, _ := err.(syscall.Errno)
		return loop.Answer{Errno: max(errno, 1)}
	}
	return loop.Answer{Code: int32(code)}
}

// cText is a copy of s in C's memory, or NULL.
func cText(s string, has bool) *C.char {
	if !has {
		return nil
	}
	return C.CString(s)
}

// networkOrder is htonl(3).
func networkOrder(v uint32) uint32 {
	b := [4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
	return *(*uint32)(unsafe.Pointer(&b))
}
