// Package mapped has arrays outside of Go's heap, for what a program can make grow without
// bound: where the system has no more memory they say so, and Go's heap ends the process.
// It knows nothing of what they hold.
package mapped

import "unsafe"

const (
	least = 256      // bytes: arrays of two threads lie in no line of the processor's cache together
	small = 32 << 10 // bytes that are Go's: a mapping is pages, and one of 65,530
	unit  = 64 << 10 // bytes: sizes of mappings are multiples
)

// Slice is a growable array, at home in Go's heap while it is small and mapped when it is
// large. T holds no pointers to Go's memory. The zero Slice is empty. One goroutine at a time.
type Slice[T any] struct {
	// Items is resliced up to its capacity by the owner. What lies between its length and its
	// capacity is zero, or what the owner has left there.
	Items []T
	bytes []byte // the mapping that Items is in; nil: Go's
}

// Grow makes room for n more items; Items may have moved then. It is false, and Items as
// they were, when the system has no memory.
func (s *Slice[T]) Grow(n int) bool {
	need := len(s.Items) + n
	if need <= cap(s.Items) {
		return true
	}
	if size := s.sizeof(need); size <= small {
		items := make([]T, len(s.Items), min(max(need, 2*cap(s.Items), least/s.sizeof(1)), max(need, small/s.sizeof(1))))
		copy(items, s.Items)
		s.Items = items
		return true
	}
	return s.mapped(max(need, cap(s.Items)+cap(s.Items)/2)) || s.mapped(need)
}

// Room is how many items can be added without asking the system.
func (s *Slice[T]) Room() int { return max(cap(s.Items), small/s.sizeof(1)) - len(s.Items) }

// Reserve sees to it that the capacity is at least n, or gives back what is beyond that and
// not in use. It is false when the system has no memory.
func (s *Slice[T]) Reserve(n int) bool {
	if n > cap(s.Items) {
		return s.Grow(n - len(s.Items))
	}
	if s.bytes == nil {
		return true
	}
	switch n = max(n, len(s.Items)); {
	case n == 0:
		s.Free()
	case round(s.sizeof(n)) < len(s.bytes):
		s.mapped(n)
	}
	return true
}

// Free empties the array and gives its memory back.
func (s *Slice[T]) Free() {
	if s.bytes != nil {
		unmap(s.bytes)
	}
	*s = Slice[T]{}
}

// mapped makes the array a mapping with room for n items.
func (s *Slice[T]) mapped(n int) bool {
	size := round(s.sizeof(n))
	bytes, err := remap(s.bytes, size)
	if err != nil {
		return false
	}
	items := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(bytes))), size/s.sizeof(1))[:len(s.Items)]
	if s.bytes == nil {
		copy(items, s.Items)
	}
	s.Items, s.bytes = items, bytes
	return true
}

func (s *Slice[T]) sizeof(n int) int {
	var item T
	return n * int(unsafe.Sizeof(item))
}

func round(size int) int { return (size + unit - 1) / unit * unit }
