package loop

import (
	"encoding/binary"
	"math"
	"net/netip"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// What glibc's getaddrinfo(3) and getnameinfo(3) answer to address literals and numeric
// ports depends on nothing but the query, and is computed here. The rules hold for
// every glibc from 2.17; what they are not certain of is left to libc: every failure, names,
// zones (a link's name), flags that look at interfaces, the order of two addresses.

// literals is false where libc is another one, whose order and duplicates differ.
const literals = runtime.GOOS == "linux"

// The flags of <netdb.h> that make no difference to what is numeric, or one that is
// known here. glibc's numbers.
const (
	aiPassive     = 0x1
	aiCanonName   = 0x2
	aiNumericHost = 0x4
	aiV4Mapped    = 0x8
	aiAll         = 0x10
	aiNumericServ = 0x400

	knownFlags = aiPassive | aiCanonName | aiNumericHost | aiV4Mapped | aiAll | aiNumericServ

	niNumericHost = 1
	niNumericServ = 2
	niNameReqd    = 8
	niDgram       = 16
)

// maxLiteral is the length of a literal that is looked at, in bytes: the longest
// that anybody writes is an IPv6 address with 45.
const maxLiteral = 64

// socketKind is a type of socket with its protocol.
type socketKind struct{ typ, proto int32 }

// kindsOf has glibc's answers to a type and protocol that a literal is asked with.
var (
	streamKinds   = []socketKind{{unix.SOCK_STREAM, unix.IPPROTO_TCP}}
	datagramKinds = []socketKind{{unix.SOCK_DGRAM, unix.IPPROTO_UDP}}
	allKinds      = []socketKind{streamKinds[0], datagramKinds[0], {unix.SOCK_RAW, 0}}
)

func kindsOf(asked socketKind) []socketKind {
	switch asked {
	case socketKind{unix.SOCK_STREAM, 0}, socketKind{0, unix.IPPROTO_TCP}, streamKinds[0]:
		return streamKinds
	case socketKind{unix.SOCK_DGRAM, 0}, socketKind{0, unix.IPPROTO_UDP}, datagramKinds[0]:
		return datagramKinds
	case socketKind{}:
		return allKinds
	}
	return nil
}

// Literal answers a query that no file and no network has a say in. False means that
// libc has to be asked.
func (q *Query) Literal() (Answer, bool) {
	switch {
	case !literals || len(q.Host) > maxLiteral:
		return Answer{}, false
	case q.What == AddrInfo:
		return q.addresses()
	case q.What == NameInfo:
		return q.names()
	}
	return Answer{}, false
}

// addresses is getaddrinfo(3).
func (q *Query) addresses() (Answer, bool) {
	port, ok := parsePort(q.Service)
	kinds := kindsOf(socketKind{q.Type, q.Proto})
	if !ok || kinds == nil || q.Flags&^knownFlags != 0 {
		return Answer{}, false
	}
	var ip netip.Addr
	if q.HasHost {
		ip, ok = parseLiteral(q.Host)
	} else {
		ip, ok = q.hostless()
	}
	if !ok {
		return Answer{}, false
	}
	switch {
	case q.Family == unix.AF_UNSPEC,
		q.Family == unix.AF_INET && ip.Is4(),
		q.Family == unix.AF_INET6 && ip.Is6():
	case q.Family == unix.AF_INET && ip.Is4In6():
		ip = ip.Unmap()
	case q.Family == unix.AF_INET6 && ip.Is4() && q.Flags&aiV4Mapped != 0:
		ip = netip.AddrFrom16(ip.As16())
	default:
		return Answer{}, false
	}
	a := Answer{Addresses: make([]Address, len(kinds))}
	for i, kind := range kinds {
		a.Addresses[i] = Address{Type: kind.typ, Proto: kind.proto}
		a.Addresses[i].set(ip, port)
	}
	if q.Flags&aiCanonName != 0 {
		a.Text = q.Host
	}
	return a, true
}

// hostless is the address that stands for no host, where there is only one.
func (q *Query) hostless() (netip.Addr, bool) {
	passive := q.Flags&aiPassive != 0
	switch {
	case q.Service == "" || q.Flags&aiCanonName != 0: // an error, or near one
	case q.Family == unix.AF_INET && passive:
		return netip.IPv4Unspecified(), true
	case q.Family == unix.AF_INET:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	case q.Family == unix.AF_INET6 && passive:
		return netip.IPv6Unspecified(), true
	case q.Family == unix.AF_INET6:
		return netip.IPv6Loopback(), true
	}
	return netip.Addr{}, false
}

// names is getnameinfo(3) of what shall stay numeric.
func (q *Query) names() (Answer, bool) {
	port, ok := parsePort(q.Service)
	if !ok || q.Flags|niDgram != niNumericHost|niNumericServ|niDgram || q.Scope != 0 {
		return Answer{}, false
	}
	ip, ok := parseLiteral(q.Host)
	if !ok {
		return Answer{}, false
	}
	text := make([]byte, 0, 64)
	text = appendLiteral(text, ip)
	text = append(text, 0)
	text = strconv.AppendUint(text, uint64(port), 10)
	return Answer{Text: string(append(text, 0))}, true
}

// parseLiteral reads an address as getaddrinfo(3) does: IPv4 in any of inet_aton(3)'s
// forms, IPv6 without a zone. False means that it may be one all the same.
func parseLiteral(host string) (netip.Addr, bool) {
	if ip, ok := parseInet4(host); ok {
		return ip, true
	}
	ip, err := netip.ParseAddr(host)
	return ip, err == nil && ip.Is6() && ip.Zone() == ""
}

// parseInet4 is inet_aton(3) without what may stand behind the address: up to four
// numbers, decimal, octal after 0 or hexadecimal after 0x, the last of which
// fills the bytes that are left.
func parseInet4(s string) (netip.Addr, bool) {
	var b [4]byte
	for i := 0; ; i++ {
		n := 0
		for n < len(s) && s[n] != '.' {
			n++
		}
		v, ok := parsePart(s[:n])
		switch {
		case !ok:
			return netip.Addr{}, false
		case n == len(s):
			if v>>(8*(4-i)) != 0 {
				return netip.Addr{}, false
			}
			var last [4]byte
			binary.BigEndian.PutUint32(last[:], uint32(v))
			copy(b[i:], last[i:])
			return netip.AddrFrom4(b), true
		case v > 255 || i == 3:
			return netip.Addr{}, false
		}
		b[i] = byte(v)
		s = s[n+1:]
	}
}

// parsePart reads one number of an IPv4 address.
func parsePart(s string) (uint64, bool) {
	base := uint64(10)
	switch {
	case len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x':
		base, s = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, s = 8, s[1:]
	}
	if s == "" {
		return 0, false
	}
	v := uint64(0)
	for i := range len(s) {
		digit := digitOf(s[i])
		if digit >= base {
			return 0, false
		}
		if v = v*base + digit; v > math.MaxUint32 {
			return 0, false
		}
	}
	return v, true
}

// digitOf is the value of a hexadecimal digit, and of anything else more than any has.
func digitOf(c byte) uint64 {
	switch {
	case '0' <= c && c <= '9':
		return uint64(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10
	}
	return math.MaxUint64
}

// parsePort reads a service that is empty or a number, which getaddrinfo(3) takes
// modulo 65536.
func parsePort(s string) (uint16, bool) {
	if len(s) > 9 { // may not fit into a C int
		return 0, false
	}
	v := uint32(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		v = 10*v + uint32(s[i]-'0')
	}
	return uint16(v), true
}

// appendLiteral is inet_ntop(3), which differs from Go in that it writes an
// IPv4-compatible address (::1.2.3.4) with dots.
func appendLiteral(b []byte, ip netip.Addr) []byte {
	if ip.Is6() {
		a := ip.As16()
		if binary.BigEndian.Uint64(a[:]) == 0 && binary.BigEndian.Uint32(a[8:]) == 0 && a[12]|a[13] != 0 {
			return netip.AddrFrom4([4]byte(a[12:])).AppendTo(append(b, "::"...))
		}
	}
	return ip.AppendTo(b)
}
