package loop

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AddressOf reads a sockaddr of IPv4 or IPv6. Family 0: it is none.
func AddressOf(raw []byte) (a Address) {
	var name unix.RawSockaddrInet6 // that of IPv4 is shorter, with family and port in the same places
	p := memoryOf(&name)
	copy(p, raw)
	port := binary.BigEndian.Uint16(p[2:])
	switch int(name.Family) {
	case unix.AF_INET:
		a.set(netip.AddrFrom4([4]byte(p[4:])), port)
	case unix.AF_INET6:
		a.set(netip.AddrFrom16(name.Addr), port)
		a.Flow, a.Scope = binary.BigEndian.Uint32(p[4:]), name.Scope_id
	}
	return a
}

// set makes a, which is empty, that of ip and port.
func (a *Address) set(ip netip.Addr, port uint16) {
	a.Family, a.Port = unix.AF_INET, int32(port)
	if ip.Is6() {
		a.Family = unix.AF_INET6
	}
	appendLiteral(a.Host[:0], ip) // it has room, and a zero behind it
}

// Put writes the sockaddr of a numeric address, or of a Unix socket's path or name, and returns its length. 0: it is none, or
// one that Python's socket has to look at.
func (name *Name) Put(out []byte) int {
	host := text(name.Host, name.HostLen)
	if name.Family == unix.AF_UNIX {
		return putPath(out, host)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" || name.Port>>16 != 0 || name.Flow>>20 != 0 || name.Scope>>32 != 0 {
		return 0
	}
	n := 0
	switch {
	case name.Family == unix.AF_INET && ip.Is4():
		n = copy(out, memoryOf(&unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ip.As4()}))
	case name.Family == unix.AF_INET6 && ip.Is6():
		n = copy(out, memoryOf(&unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: ip.As16(), Scope_id: uint32(name.Scope)}))
		binary.BigEndian.PutUint32(out[4:], uint32(name.Flow))
	default:
		return 0
	}
	binary.BigEndian.PutUint16(out[2:], uint16(name.Port))
	return n
}

// putPath: a name of the abstract namespace begins with a zero and is as long as it says, a path ends with one.
func putPath(out []byte, path string) int {
	name := unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	raw := memoryOf(&name)
	room := raw[unsafe.Offsetof(name.Path):]
	if path == "" || len(path) >= len(room) {
		return 0
	}
	n := len(raw) - len(room) + copy(room, path)
	if path[0] != 0 {
		n++
	}
	return copy(out, raw[:n])
}

// memoryOf is the memory of a sockaddr.
func memoryOf[T any](name *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(name)), unsafe.Sizeof(*name))
}
