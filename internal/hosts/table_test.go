package hosts

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const plain = "hosts: files dns\nservices: files\n"

func ips(texts ...string) (list []netip.Addr) {
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func TestHostsOfTable(t *testing.T) {
	table := newTable(plain, "# 10.0.0.9 commented\n"+
		"127.0.0.1 localhost\n"+
		"::1\tLocalhost ip6-localhost # ip6-commented\r\n"+
		"  10.0.0.1 \v a.test \f alias.test#glued\n"+
		"010.0.0.1 odd.test\n"+
		"fe80::1%lo zone.test\n"+
		"10.0.0.2\n"+
		"\n"+
		"10.0.0.3 A.test b\u00e4r.test \u212a.test x\u00a0y\n"+
		"10.0.0.4 last.test")
	for name, want := range map[string][]netip.Addr{
		"localhost": ips("127.0.0.1", "::1"), "LOCALHOST": ips("127.0.0.1", "::1"), "ip6-localhost": ips("::1"),
		"a.test": ips("10.0.0.1", "10.0.0.3"), "alias.test": ips("10.0.0.1"), "last.test": ips("10.0.0.4"),
		"commented": nil, "ip6-commented": nil, "glued": nil, "alias.test#glued": nil, "odd.test": nil, "zone.test": nil,
		"k.test": nil, "x": nil, "10.0.0.2": nil, "": nil, "localhost.": nil,
	} {
		if got := table.Addresses(name); !slices.Equal(got, want) {
			t.Errorf("%q has the addresses %v, want %v", name, got, want)
		}
	}
	for ip, want := range map[string][]string{
		"127.0.0.1": {"localhost"}, "::1": {"Localhost"}, "10.0.0.1": {"a.test"}, "10.0.0.3": {"A.test"}, "10.0.0.2": nil, "10.0.0.9": nil,
		"::ffff:127.0.0.1": nil,
	} {
		if got := table.Names(netip.MustParseAddr(ip)); !slices.Equal(got, want) {
			t.Errorf("%s has the names %q, want %q", ip, got, want)
		}
	}
}

// TestSwitchOfTable: the hosts file counts where libc looks into it first, the services where it looks nowhere else.
func TestSwitchOfTable(t *testing.T) {
	for text, want := range map[string]bool{
		"hosts: files":                     true,
		"hosts:files":                      true,
		" \thosts:\tfiles\tdns":            true,
		"hosts: files dns [!UNAVAIL=die]":  true,
		"hosts: files # [SUCCESS=merge]":   true,
		"passwd: dns\nhosts: files\r\nx:":  true,
		"hosts: dns files":                 false,
		"hosts: files [NOTFOUND=return]":   false,
		"hosts: files\t[SUCCESS=continue]": false,
		"hosts: files[NOTFOUND=return]":    false,
		"hosts: [NOTFOUND=return] files":   false,
		"hosts: filesystem":                false,
		"hosts: Files":                     false,
		"hosts : files":                    false,
		"hosts files":                      false,
		"Hosts: files":                     false,
		"#hosts: files":                    false,
		"xhosts: files":                    false,
		"hosts:":                           false,
		"hosts: #files":                    false,
		"":                                 false,
		"hosts: files\nhosts: files":       false,
		"hosts: files\nhosts dns":          false,
		"hosts: files\n\x00":               false,
	} {
		table := newTable(text, "127.0.0.1 localhost\n")
		if got := table.Addresses("localhost") != nil; got != want {
			t.Errorf("%q: the hosts file counts: %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]Set{
		"services: files":             Services,
		"services: db files":          Services | Database | DebiansDB,
		"services: files # and no db": Services,
		"services: files db":          0,
		"services: db":                0,
		"services: files nis":         0,
		"services: db [!X=y] files":   0,
		"services: nis files":         0,
		"hosts: files":                0,
		"services: files\nservices:":  0,
	} {
		if got := newTable(text, "").Services; got != want {
			t.Errorf("%q: libc asks %b for services, want %b", text, got, want)
		}
	}
	if newTable(plain, "127.0.0.1 localhost\x00\n").Addresses("localhost") != nil {
		t.Error("a hosts file with a zero byte counts")
	}
}

// FuzzTable: what must hold of any two texts.
func FuzzTable(f *testing.F) {
	f.Add(plain, "127.0.0.1 localhost\n::1 localhost ip6-localhost # and no more\n")
	f.Add("hosts: files [SUCCESS=merge] dns", "1.2.3.4\ta\vb\fc\rd")
	f.Add("hosts: files", "fe80::1%lo a\n::ffff:1.2.3.4 b\n# 1.2.3.4 c\n1.2.3 d\n")
	f.Add("hosts: files\nhosts: dns\x00", "\xff\xfe \u0085\n")
	f.Fuzz(func(t *testing.T, nsswitch, hosts string) {
		table := newTable(nsswitch, hosts)
		for name, addresses := range table.addresses {
			if name != lower(name) || name == "" || strings.ContainsAny(name, "# \t\r\n\v\f\x00") {
				t.Fatalf("%q is no name", name)
			}
			if len(addresses) == 0 || !strings.Contains(hosts, name) && !strings.Contains(lowered(hosts), name) {
				t.Fatalf("%q has the addresses %v", name, addresses)
			}
		}
		for ip, names := range table.names {
			for _, name := range names {
				if !slices.Contains(table.Addresses(name), ip) {
					t.Fatalf("%v is called %q, which has the addresses %v", ip, name, table.Addresses(name))
				}
			}
		}
		if strings.Contains(nsswitch, "\x00") || strings.Contains(hosts, "\x00") {
			if len(table.addresses) > 0 || table.Services != 0 {
				t.Fatal("a text with a zero byte counts")
			}
			return
		}
		commented := newTable(nsswitch, "#"+strings.ReplaceAll(hosts, "\n", "\n#"))
		if len(commented.addresses) > 0 || len(commented.names) > 0 {
			t.Fatalf("comments have the names %v", commented.addresses)
		}
		if again := newTable(nsswitch+"\nhosts: dns\nhosts: dns\n", hosts); len(again.addresses) > 0 {
			t.Fatal("a database that is named twice counts")
		}
		ip := netip.MustParseAddr("203.0.113.9")
		added := newTable(plain, hosts+"\n203.0.113.9 added.test\n")
		if got := added.Addresses("ADDED.test"); got[len(got)-1] != ip {
			t.Fatalf("after a line for it, added.test has the addresses %v", got)
		}
		if len(table.addresses) > 0 && len(added.addresses) < len(table.addresses) {
			t.Fatal("one more line takes names away")
		}
	})
}

// lowered is a text with every letter of ASCII in lower case.
func lowered(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func ExampleTable() {
	t := newTable("hosts: files dns", "127.0.0.1 localhost\n")
	fmt.Println(t.Addresses("LocalHost"), t.Names(netip.MustParseAddr("127.0.0.1")))
	// Output: [127.0.0.1] [localhost]
}
