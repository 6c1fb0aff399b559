package hosts

import (
	"net/netip"
	"slices"
	"strings"
)

// Table is what nsswitch.conf and the hosts file say.
type Table struct {
	// Services is what libc asks for the names of ports; 0: also what is no file, or it is not known.
	Services Set

	addresses map[string][]netip.Addr // by name, in lower case
	names     map[netip.Addr][]string // the first of each line
}

// Addresses are those that the hosts file has for a name, if libc looks there first.
func (t *Table) Addresses(name string) []netip.Addr { return t.addresses[lower(name)] }

// Names are those by one of which libc calls an address, if it looks into the hosts file first.
func (t *Table) Names(ip netip.Addr) []string { return t.names[ip] }

// newTable reads the texts of nsswitch.conf and of the hosts file. Of a text that C would read only in part it takes nothing.
func newTable(nsswitch, hosts string) *Table {
	t := &Table{addresses: map[string][]netip.Addr{}, names: map[netip.Addr][]string{}}
	if strings.Contains(nsswitch, "\x00") || strings.Contains(hosts, "\x00") {
		return t
	}
	switch services := sources(nsswitch, "services"); {
	case slices.Equal(services, []string{"files"}):
		t.Services = Services
	case slices.Equal(services, []string{"db", "files"}):
		t.Services = Services | Database | DebiansDB
	}
	first := sources(nsswitch, "hosts")
	if len(first) == 0 || first[0] != "files" || len(first) > 1 && first[1][0] == '[' {
		return t // [SUCCESS=merge] and the like
	}
	for line := range strings.Lines(hosts) {
		words := wordsOf(line)
		if len(words) < 2 {
			continue
		}
		ip, err := netip.ParseAddr(words[0])
		if err != nil || ip.Zone() != "" {
			continue // libc may know what it is
		}
		t.names[ip] = append(t.names[ip], words[1])
		for _, name := range words[1:] {
			name = lower(name)
			t.addresses[name] = append(t.addresses[name], ip)
		}
	}
	return t
}

// sources are what nsswitch.conf has behind the name of a database, actions among them; none when it names it more than once,
// for not every glibc takes the same line.
func sources(nsswitch, database string) (words []string) {
	found := false
	for line := range strings.Lines(nsswitch) {
		line = strings.TrimLeftFunc(line, isSpace)
		end := strings.IndexFunc(line, func(r rune) bool { return r == ':' || r == '#' || isSpace(r) })
		if end < 0 || line[:end] != database {
			continue
		}
		if found || line[end] != ':' {
			return nil
		}
		found, words = true, wordsOf(line[end+1:])
	}
	return words
}

// wordsOf a line, up to a comment.
func wordsOf(line string) []string {
	line, _, _ = strings.Cut(line, "#")
	return strings.FieldsFunc(line, isSpace)
}

// isSpace is isspace(3) in every locale.
func isSpace(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }

// lower is a name as strcasecmp(3) compares it, in every locale: of ASCII alone.
func lower(name string) string {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return name
		}
	}
	return strings.ToLower(name)
}
