package main

/*
#include "abi.h"
*/
import "C"

import (
	"sync/atomic"
	"unsafe"
)

// firstListed is where the list of the open engines begins, in C's memory; nil until goloop_api. It is for a forked child: there C closes
// what it has inherited, where no Go can run any more. The fork comes at any time, so that each step leaves a list that can
// be followed. Who changes it holds the table's lock.
var firstListed **C.gl_shared

// enlist puts b before all others.
func (b *binding) enlist() {
	if firstListed != nil {
		point(&b.shared.next, *firstListed)
		point(firstListed, b.shared)
	}
}

// delist takes b out, before its descriptors are closed: their numbers may be others' then.
func (b *binding) delist() {
	for at := firstListed; at != nil && *at != nil; at = &(*at).next {
		if *at == b.shared {
			point(at, b.shared.next)
			return
		}
	}
}

// point is a store that whoever stops between two instructions sees whole, after those before it.
func point(at **C.gl_shared, to *C.gl_shared) {
	atomic.StoreUintptr((*uintptr)(unsafe.Pointer(at)), uintptr(unsafe.Pointer(to)))
}
