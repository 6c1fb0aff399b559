//go:build linux

package loop

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseLiteral(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1": "127.0.0.1", "127.1": "127.0.0.1", "0x7f.1": "127.0.0.1", "0X7F.1": "127.0.0.1", "1": "0.0.0.1",
		"0": "0.0.0.0", "00": "0.0.0.0", "010.010.010.010": "8.8.8.8", "4294967295": "255.255.255.255", "1.2.65535": "1.2.255.255",
		"1.16777215": "1.255.255.255", "0377.0xff.1.255": "255.255.1.255",
		"::": "::", "2001:DB8::A": "2001:db8::a", "::ffff:1.2.3.4": "::ffff:1.2.3.4",

		"": "", ".": "", "1.": "", ".1": "", "1..2": "", "1.2.3.4.5": "", "256.1": "", "1.2.65536": "", "4294967296": "", "1.16777216": "",
		"08": "", "0x": "", "0xg": "", "+1": "", "-1": "", "1 ": "", " 1": "", "1_0": "", "0b1": "", "0x-1": "", "00x1": "", "localhost": "",
		"1.2.3.4%lo": "", "fe80::1%lo": "", ":": "", "::1::": "", "12345::": "",
	} {
		got := ""
		if ip, ok := parseLiteral(host); ok {
			got = ip.String()
		}
		if got != want {
			t.Errorf("parseLiteral(%q) = %q, want %q", host, got, want)
		}
	}
}

func TestAppendLiteral(t *testing.T) {
	for _, want := range []string{
		"1.2.3.4", "::", "::1", "::ffff", "::0.1.0.0", "::1.2.3.4", "::ffff:1.2.3.4", "::1:0:0", "1:0:0:1::", "1::1:0:0:1", "2001:db8::1",
	} {
		ip := netip.MustParseAddr(want)
		if got := string(appendLiteral(nil, ip)); got != want {
			t.Errorf("appendLiteral(%v) = %q, want %q", ip, got, want)
		}
	}
}

// TestLiteral: what is answered, and what is left to libc.
func TestLiteral(t *testing.T) {
	query := func(change func(q *Query)) Query {
		q := Query{What: AddrInfo, Host: "1.2.3.4", HasHost: true, Service: "80", HasService: true}
		change(&q)
		return q
	}
	for name, test := range map[string]struct {
		change func(q *Query)
		want   int // addresses, or -1: libc is asked
	}{
		"any type":                 {func(q *Query) {}, 3},
		"one type":                 {func(q *Query) { q.Type = unix.SOCK_DGRAM }, 1},
		"one protocol":             {func(q *Query) { q.Proto = unix.IPPROTO_TCP }, 1},
		"type of another protocol": {func(q *Query) { q.Type, q.Proto = unix.SOCK_STREAM, unix.IPPROTO_UDP }, -1},
		"raw":                      {func(q *Query) { q.Type = unix.SOCK_RAW }, -1},
		"type with flags":          {func(q *Query) { q.Type = unix.SOCK_STREAM | unix.SOCK_CLOEXEC }, -1},
		"no service":               {func(q *Query) { q.Service, q.HasService = "", false }, 3},
		"a service's name":         {func(q *Query) { q.Service = "http" }, -1},
		"a negative port":          {func(q *Query) { q.Service = "-1" }, -1},
		"a port beyond an int":     {func(q *Query) { q.Service = "4294967376" }, -1},
		"other family":             {func(q *Query) { q.Family = unix.AF_INET6 }, -1},
		"mapped":                   {func(q *Query) { q.Family, q.Flags = unix.AF_INET6, aiV4Mapped }, 3},
		"unmapped":                 {func(q *Query) { q.Family, q.Host = unix.AF_INET, "::ffff:1.2.3.4" }, 3},
		"interfaces":               {func(q *Query) { q.Flags = 0x20 }, -1},
		"no host, one family":      {func(q *Query) { q.Host, q.HasHost, q.Family = "", false, unix.AF_INET6 }, 3},
		"no host, both families":   {func(q *Query) { q.Host, q.HasHost = "", false }, -1},
		"nothing":                  {func(q *Query) { *q = Query{What: AddrInfo, Family: unix.AF_INET} }, -1},
		"a zone":                   {func(q *Query) { q.Host = "fe80::1%1" }, -1},
		"a name":                   {func(q *Query) { q.Host = "localhost" }, -1},
		"no kind of lookup":        {func(q *Query) { q.What = 0 }, -1},
		"a name's name":            {func(q *Query) { q.What, q.Flags = NameInfo, niNumericServ }, -1},
		"a numeric name":           {func(q *Query) { q.What, q.Flags = NameInfo, niNumericHost|niNumericServ }, 0},
	} {
		q := query(test.change)
		got := -1
		if a, ok := q.Literal(); ok {
			got = len(a.Addresses)
		}
		if got != test.want {
			t.Errorf("%s: %d addresses, want %d", name, got, test.want)
		}
	}
}

// FuzzParseLiteral: what net/netip takes is taken, with the same result; the other forms
// of IPv4 stand for the same address as their canonical text.
func FuzzParseLiteral(f *testing.F) {
	for _, host := range []string{"1.2.3.4", "0x7f.1", "::1", "::ffff:1.2.3.4", "fe80::1%lo", "1..2", "4294967296", ""} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got, ok := parseLiteral(host)
		want, err := netip.ParseAddr(host)
		if err == nil && want.Zone() == "" && (!ok || got != want) {
			t.Fatalf("parseLiteral(%q) = %v, %v; netip has %v", host, got, ok, want)
		}
		if !ok {
			return
		}
		if got.Zone() != "" || err != nil && !got.Is4() {
			t.Fatalf("parseLiteral(%q) = %v, which netip refuses: %v", host, got, err)
		}
		again, err := netip.ParseAddr(string(appendLiteral(nil, got)))
		if err != nil || again != got {
			t.Fatalf("%v reads %v (%v) from its own text", got, again, err)
		}
	})
}
