package loop

import (
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func hostOf(a Address) string {
	text, _, _ := strings.Cut(string(a.Host[:]), "\x00")
	return text
}

// nameOf is a Name whose text lasts as long as host.
func nameOf(family int, host string, port, flow, scope int64) *Name {
	at := uint64(uintptr(unsafe.Pointer(unsafe.StringData(host))))
	return &Name{Family: int32(family), Host: at, HostLen: int64(len(host)), Port: port, Flow: flow, Scope: scope}
}

// spelled is what a Name says.
type spelled struct {
	family            int
	host              string
	port, flow, scope int64
}

func (s spelled) put(out []byte) int {
	return nameOf(s.family, s.host, s.port, s.flow, s.scope).Put(out)
}

func TestSockaddrThereAndBack(t *testing.T) {
	var out [unix.SizeofSockaddrAny]byte
	for want, size := range map[spelled]int{
		{unix.AF_INET, "127.0.0.1", 80, 0, 0}:                     unix.SizeofSockaddrInet4,
		{unix.AF_INET, "255.255.255.255", 65535, 0, 0}:            unix.SizeofSockaddrInet4,
		{unix.AF_INET6, "::1", 80, 0, 0}:                          unix.SizeofSockaddrInet6,
		{unix.AF_INET6, "fe80::1", 1, 0xFFFFF, 1<<32 - 1}:         unix.SizeofSockaddrInet6,
		{unix.AF_INET6, "::1.2.3.4", 1, 0, 0}:                     unix.SizeofSockaddrInet6,
		{unix.AF_INET6, "::ffff:1.2.3.4", 1, 0, 0}:                unix.SizeofSockaddrInet6,
		{unix.AF_INET6, "1:203:405:607:809:a0b:c0d:e0f", 1, 0, 0}: unix.SizeofSockaddrInet6,
	} {
		n := want.put(out[:])
		a := AddressOf(out[:n])
		same := int(a.Family) == want.family && int64(a.Port) == want.port && int64(a.Flow) == want.flow && int64(a.Scope) == want.scope
		if n != size || !same || hostOf(a) != want.host {
			t.Errorf("%+v: %d bytes, and back %+v %q", want, n, a, hostOf(a))
		}
	}
}

func TestWhatIsNoSockaddr(t *testing.T) {
	var out [unix.SizeofSockaddrAny]byte
	for _, test := range []spelled{
		{unix.AF_INET, "localhost", 80, 0, 0},
		{unix.AF_INET, "", 80, 0, 0},
		{unix.AF_INET, "127.1", 80, 0, 0},
		{unix.AF_INET, "127.0.0.01", 80, 0, 0},
		{unix.AF_INET, "127.0.0.1\x00", 80, 0, 0},
		{unix.AF_INET, "::1", 80, 0, 0},
		{unix.AF_INET, "127.0.0.1", 65536, 0, 0},
		{unix.AF_INET, "127.0.0.1", -1, 0, 0},
		{unix.AF_INET6, "127.0.0.1", 80, 0, 0},
		{unix.AF_INET6, "fe80::1%lo", 80, 0, 0},
		{unix.AF_INET6, "::1", 80, 1 << 20, 0},
		{unix.AF_INET6, "::1", 80, -1, 0},
		{unix.AF_INET6, "::1", 80, 0, 1 << 32},
		{unix.AF_INET6, "::1", 80, 0, -1},
		{unix.AF_UNIX, "", 0, 0, 0},
		{unix.AF_UNIX, strings.Repeat("x", len(unix.RawSockaddrUnix{}.Path)), 0, 0, 0},
		{unix.AF_UNSPEC, "127.0.0.1", 80, 0, 0},
	} {
		if n := test.put(out[:]); n != 0 {
			t.Errorf("%+v has a sockaddr of %d bytes", test, n)
		}
	}
	for _, raw := range []string{"", "\x01", "\x01\x00/path"} {
		if a := AddressOf([]byte(raw)); a.Family != 0 {
			t.Errorf("%q is the address %+v", raw, a)
		}
	}
}

func TestSockaddrOfAPath(t *testing.T) {
	var out [unix.SizeofSockaddrAny]byte
	longest := strings.Repeat("x", len(unix.RawSockaddrUnix{}.Path)-1)
	for path, behind := range map[string]string{"/tmp/s": "/tmp/s\x00", longest: longest + "\x00", "\x00name": "\x00name", "a\x00b": "a\x00b\x00"} {
		n := spelled{family: unix.AF_UNIX, host: path}.put(out[:])
		if got := string(out[2:n]); got != behind {
			t.Errorf("the sockaddr of %q ends in %q", path, got)
		}
	}
}

// FuzzSockaddr: what has a sockaddr is the address that it reads as.
func FuzzSockaddr(f *testing.F) {
	for _, host := range []string{"1.2.3.4", "::", "::1.2.3.4", "::ffff:0.0.0.0", "1:0:0:2::", "fe80::1%lo", "01.2.3.4", ""} {
		f.Add(host, true)
		f.Add(host, false)
	}
	f.Fuzz(func(t *testing.T, host string, six bool) {
		var out [unix.SizeofSockaddrAny]byte
		family := unix.AF_INET
		if six {
			family = unix.AF_INET6
		}
		n := nameOf(family, host, 1, 0, 0).Put(out[:])
		want, err := netip.ParseAddr(host)
		if n == 0 {
			if err == nil && want.Zone() == "" && want.Is6() == six {
				t.Fatalf("%q has no sockaddr", host)
			}
			return
		}
		got, err := netip.ParseAddr(hostOf(AddressOf(out[:n])))
		if err != nil || got != want {
			t.Fatalf("the sockaddr of %q is that of %v, %v", host, got, err)
		}
	})
}
