package main

import (
	"bytes"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"goloop/loop"

	"golang.org/x/sys/unix"
)

// Numbers of <netdb.h>, for test files cannot use cgo. glibc's.
const (
	numericHost = 4
	numericServ = 0x400
	badFlags    = -1
)

func TestResolveThroughLibc(t *testing.T) {
	c := open(t)
	host := "localhost\x00"
	q := loop.RingQuery{
		What: loop.AddrInfo, Family: unix.AF_INET, Type: unix.SOCK_STREAM,
		Host: uint64(uintptr(unsafe.Pointer(unsafe.StringData(host)))), HostLen: int64(len(host) - 1),
	}
	sq := []loop.Submission{{Op: loop.OpResolve, User: 5, Ptr: uint64(uintptr(unsafe.Pointer(&q)))}}
	rc := c.submit(sq...)
	runtime.KeepAlive(&q)
	if rc != 0 || syscall.Errno(sq[0].Res) != syscall.EINPROGRESS {
		t.Fatalf("goloop_submit = %d, %v", rc, syscall.Errno(sq[0].Res))
	}
	if _, _, nfds, _, _ := c.published(); nfds != 1 {
		t.Errorf("with a lookup under way, %d descriptors are published", nfds)
	}
	n := 0
	for n == 0 {
		n = c.turn(nil, loop.TurnWait)
	}
	got := c.completions[0]
	if n != 1 || got.Kind != loop.Resolved || got.User != 5 || got.Res != 0 || got.Generation == 0 {
		t.Fatalf("goloop_turn = %d: %+v", n, got)
	}
	at := got.Ptr - uint64(uintptr(unsafe.Pointer(&c.arena[0])))
	address := (*loop.Address)(unsafe.Pointer(&c.arena[at]))
	if address.Family != unix.AF_INET || !bytes.HasPrefix(address.Host[:], []byte("127.")) {
		t.Errorf("localhost is %+v", address)
	}
}

func TestResolveFails(t *testing.T) {
	if a := resolve(loop.Query{What: loop.AddrInfo, Flags: 1 << 20, Host: "::1", HasHost: true}); a.Code != badFlags {
		t.Errorf("bad flags give %+v", a)
	}
}

// FuzzLiteral: what the engine answers itself is what libc answers.
func FuzzLiteral(f *testing.F) {
	for _, host := range []string{
		"127.0.0.1", "127.1", "0x7f.1", "1", "010.1.1.1", "4294967296", "1.2.3.", "::", "::1", "::ffff:1.2.3.4", "::1.2.3.4", "fe80::1%lo",
		"1::8::9", "12345::", "::00001", "1:2:3:4:5:6:7::", "::1.2.3.04",
	} {
		for bits := range 64 {
			f.Add(host, "80", bits, uint32(0))
		}
		f.Add(host, "99999", 0, uint32(1))
		f.Add(host, "080", 64, uint32(0))
	}
	f.Fuzz(func(t *testing.T, host, service string, bits int, scope uint32) {
		families := []int32{unix.AF_UNSPEC, unix.AF_INET, unix.AF_INET6, unix.AF_UNSPEC}
		types := []int32{0, unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW}
		flags := []int32{0, 1, 2, 8, 8 | 0x10, 0x10, 1 | 2, 1 << 20}
		q := loop.Query{
			What: loop.AddrInfo, Host: host, HasHost: bits&0x100 == 0, Service: service, HasService: bits&0x200 == 0,
			Family: families[bits&3], Type: types[bits>>2&3], Flags: flags[bits>>4&7] | numericHost | numericServ,
		}
		if bits&0x80 != 0 { // a name, which stays numeric
			q = loop.Query{What: loop.NameInfo, Host: host, HasHost: true, Service: service, HasService: true, Flags: 3, Scope: scope}
		}
		for _, text := range []*string{&q.Host, &q.Service} {
			if i := slices.Index([]byte(*text), 0); i >= 0 {
				*text = (*text)[:i] // C's end
			}
		}
		if !q.HasHost {
			q.Host = ""
		}
		if !q.HasService {
			q.Service = ""
		}
		got, known := q.Literal()
		if !known {
			return
		}
		want := resolve(q)
		if want.Code != 0 || want.Errno != 0 || want.Text != got.Text || !slices.Equal(want.Addresses, got.Addresses) {
			t.Fatalf("%+v\nis answered  %+v\nlibc answers %+v", q, got, want)
		}
	})
}

// TestStartThread: tasks run at the same time, on threads of the system that end with them.
func TestStartThread(t *testing.T) {
	const threads = 20
	here, release, gone := make(chan int), make(chan bool), make(chan bool)
	for range threads {
		if err := startThread(func() {
			here <- unix.Gettid()
			<-release
			gone <- true
		}); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[int]bool{}
	for range threads {
		ids[<-here] = true
	}
	if len(ids) != threads {
		t.Errorf("%d threads for %d tasks", len(ids), threads)
	}
	close(release)
	for range threads {
		<-gone
	}
}

func TestStart(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	if rc := start(1 << 20); rc != 0 || runtime.GOMAXPROCS(0) != before {
		t.Errorf("goloop_start = %d, %d processors instead of %d", rc, runtime.GOMAXPROCS(0), before)
	}
	if rc := start(1); rc != 0 || runtime.GOMAXPROCS(0) != 1 {
		t.Errorf("goloop_start = %d, %d processors instead of 1", rc, runtime.GOMAXPROCS(0))
	}
}
