package loop

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"goloop/internal/hosts"

	"golang.org/x/sys/unix"
)

// What libc has answered is given again, at once, if nothing can have changed since: if the answer is made of the hosts file and
// a few others alone, and stat(2) says of each what it said before libc was asked and behind that. A file that
// changes is seen by the next question. What no file tells of (interfaces that come and go, the environment) is seen
// after keptFor. Errors, and all that other sources have a say in, are libc's each time.

const (
	keptFor     = time.Second
	mostKept    = 64  // of an engine
	largestKept = 512 // what C has room for at once
	longestKept = 255 // of a host's name, as of DNS
)

// kept is an answer, and what it depends on.
type kept struct {
	answer Answer
	files  hosts.Set
	states hosts.States
	asked  time.Time
}

// recall is the last answer to the same question, if libc would give it again. Of the engine's thread.
func (l *lookups) recall(q *Query) (Answer, bool) {
	k := l.kept[*q]
	if k == nil {
		return Answer{}, false
	}
	if l.now().Sub(k.asked) >= keptFor || l.files.States(k.files) != k.states {
		delete(l.kept, *q)
		return Answer{}, false
	}
	return k.answer, true
}

// keep remembers an answer that ask has found worth it, instead of the oldest when there are enough. Of the engine's thread.
func (l *lookups) keep(q Query, k *kept) {
	if k == nil {
		return
	}
	if l.kept == nil {
		l.kept = map[Query]*kept{}
	}
	if l.kept[q] == nil && len(l.kept) == mostKept {
		oldest := q
		for other, o := range l.kept {
			if oldest == q || o.asked.Before(l.kept[oldest].asked) {
				oldest = other
			}
		}
		delete(l.kept, oldest)
	}
	l.kept[q] = k
}

// ask is the Resolver's answer, and what is to be kept of it. Any thread.
func (l *lookups) ask(q *Query) (Answer, *kept) {
	if !q.keepable() {
		return l.resolver(*q), nil
	}
	k := &kept{states: l.files.States(hosts.Parsed), asked: l.now()}
	table := l.files.Table(k.states, k.asked)
	k.files = q.sources(table)
	if k.files == 0 {
		return l.resolver(*q), nil
	}
	l.files.Add(&k.states, k.files&^hosts.Parsed)
	k.answer = l.resolver(*q)
	k.files = q.confirmed(table, &k.answer, k.files)
	k.states = k.states.Of(k.files)
	if k.files == 0 || !k.states.Settled(k.asked) || l.files.States(k.files) != k.states {
		return k.answer, nil
	}
	return k.answer, k
}

// keepable is whether the answer may be made of files alone, which only the answer tells.
func (q *Query) keepable() bool {
	switch {
	case !literals || len(q.Host) > longestKept || len(q.Service) > longestKept:
		return false
	case q.What == AddrInfo:
		family := q.Family == unix.AF_UNSPEC || q.Family == unix.AF_INET || q.Family == unix.AF_INET6
		return q.HasHost && isName(q.Host) && family && q.Flags&^(aiPassive|aiCanonName|aiNumericServ) == 0
	case q.What == NameInfo:
		_, literal := parseLiteral(q.Host)
		return literal && q.Scope == 0 && q.Flags&^(niNumericHost|niNumericServ|niNameReqd|niDgram) == 0
	}
	return false
}

// isName is whether a text may be a name: it is of plain letters, and no address of IPv6.
func isName(host string) bool {
	for i := range len(host) {
		if c := host[i]; c <= ' ' || c > '~' || c == ':' || c == '%' {
			return false
		}
	}
	return host != ""
}

// sources are the files from which libc has the answer, if it is the one that the hosts file has; 0: it asks others as well.
func (q *Query) sources(t *hosts.Table) hosts.Set {
	if t == nil {
		return 0
	}
	files, listed, service := hosts.Switch, 0, false
	if q.What == AddrInfo {
		listed = len(t.Addresses(q.Host))
		_, number := parsePort(q.Service)
		service = !number
	} else {
		ip, _ := parseLiteral(q.Host)
		listed = min(len(t.Names(ip)), 1)
		service = q.Flags&niNumericServ == 0
	}
	switch {
	case q.What == NameInfo && q.Flags&niNumericHost != 0:
	case listed == 0:
		return 0
	case listed == 1:
		files |= hosts.Hosts
	default:
		files |= hosts.Hosts | hosts.Order
	}
	switch {
	case !service:
	case t.Services == 0:
		return 0
	default:
		files |= t.Services
	}
	return files
}

// confirmed are those of the sources that have a say in the answer; 0: it is not the one that the hosts file has, or none that is kept.
func (q *Query) confirmed(t *hosts.Table, a *Answer, files hosts.Set) hosts.Set {
	var of hosts.Set
	switch {
	case a.Code != 0 || a.Errno != 0 || a.size() > largestKept:
		return 0
	case files&hosts.Hosts == 0:
		return files
	case q.What == AddrInfo:
		of = addressesFrom(t, q.Host, a.Addresses)
	default:
		of = nameFrom(t, q.Host, a.Text)
	}
	if of == 0 {
		return 0
	}
	return files&^hosts.Order | of
}

// addressesFrom is the files that tell of a name's addresses and their order, if these are the hosts file's. The order of
// two depends on the routes to them, unless both are this machine.
func addressesFrom(t *hosts.Table, name string, addresses []Address) hosts.Set {
	var first netip.Addr
	files, remote := hosts.Hosts, false
	listed := t.Addresses(name)
	for i := range addresses {
		ip := addresses[i].ip()
		if !slices.Contains(listed, ip) || addresses[i].Scope != 0 {
			return 0
		}
		if i == 0 {
			first = ip
		}
		if ip != first {
			files |= hosts.Order
		}
		remote = remote || !ip.IsLoopback()
	}
	if len(addresses) == 0 || remote && files&hosts.Order != 0 {
		return 0
	}
	return files
}

// nameFrom is the file that tells of an address's name, if the answer is one of its.
func nameFrom(t *hosts.Table, literal, answer string) hosts.Set {
	ip, _ := parseLiteral(literal)
	name, _, _ := strings.Cut(answer, "\x00")
	if !slices.Contains(t.Names(ip), name) {
		return 0
	}
	return hosts.Hosts
}

// ip is the address alone.
func (a *Address) ip() netip.Addr {
	text, _, _ := strings.Cut(string(a.Host[:]), "\x00")
	ip, _ := netip.ParseAddr(text)
	return ip
}
