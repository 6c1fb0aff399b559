package loop

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"goloop/internal/hosts"

	"golang.org/x/sys/unix"
)

// What libc has answered is given again, at once, if nothing can have changed since: if the answer is made of the hosts file and
// a few others alone, and stat(2) says of each what it said before libc was asked and behind that. A file that
// changes is seen by the next question. What no file tells of (interfaces that come and go, the environment) is seen
// after keptFor. Errors, and all that other sources have a say in, are libc's each time.
//
// Only the answer to a question that has been asked shortly before is kept: else the files would be looked at for nothing.

const (
	keptFor     = time.Second
	recentFor   = 2 * keptFor // what is asked all the time is kept anew by the first that is asked again
	mostKept    = 64          // of an engine,
	mostRecent  = 64          // as of these
	largestKept = 512         // what C has room for at once
	longestKept = 255         // of a host's name, as of DNS

	// mostAtOnce answers are given at once between two turns of the engine, the next by a turn: a task that does nothing else would
	// let no other run.
	mostAtOnce = 256
)

// kept is an answer, and what it depends on.
type kept struct {
	answer Answer
	files  hosts.Set
	states hosts.States
	asked  time.Time
}

// recent is a question that was asked, by its hash: one that is taken for another costs a few looks at files.
type recent struct {
	question uint64
	asked    time.Time
}

var questions = maphash.MakeSeed()

// question is the Query by which an answer is kept. A port that is asked for by its number stands in libc's answer and makes no other
// difference, so that any of them is the question with port 0.
func (q *Query) question() (question Query, port uint16, numbered bool) {
	question = *q
	if q.What == NameInfo && q.Flags&niNumericServ == 0 {
		return question, 0, false
	}
	var digits [5]byte
	port, _ = parsePort(q.Service)
	if numbered = string(strconv.AppendUint(digits[:0], uint64(port), 10)) == q.Service; numbered {
		question.Service = "0"
	}
	return question, port, numbered
}

// recall is the last answer to the same question, if libc would give it again; its addresses hold until the next. Of the
// engine's thread.
func (l *lookups) recall(q *Query) (Answer, bool) {
	question, port, numbered := q.question()
	k := l.kept[question]
	if k == nil {
		return Answer{}, false
	}
	if l.now().Sub(k.asked) >= keptFor || l.files.States(k.files) != k.states {
		delete(l.kept, question)
		return Answer{}, false
	}
	if numbered {
		k.answer.renumber(port)
	}
	return k.answer, true
}

// mayAtOnce counts the answers at once since the engine has looked at the selector.
func (l *lookups) mayAtOnce(looked int64) bool {
	if l.since != looked {
		l.since, l.atOnce = looked, 0
	}
	l.atOnce++
	return l.atOnce <= mostAtOnce
}

// renumber makes the answer that of another port.
func (a *Answer) renumber(port uint16) {
	for i := range a.Addresses {
		a.Addresses[i].Port = int32(port)
	}
	if len(a.Addresses) == 0 { // of NameInfo
		host, _, _ := strings.Cut(a.Text, "\x00")
		a.Text = host + "\x00" + strconv.Itoa(int(port)) + "\x00"
	}
}

// isFrequent remembers a question, and is whether it has been asked shortly before. Of the engine's thread.
func (l *lookups) isFrequent(q *Query) bool {
	if !q.keepable() {
		return false
	}
	if l.recent == nil {
		l.recent = make([]recent, mostRecent)
	}
	question, _, _ := q.question()
	now, hash := l.now(), maphash.Comparable(questions, question)
	i := slices.IndexFunc(l.recent, func(r recent) bool { return r.question == hash })
	if i < 0 {
		i = l.oldest
		l.oldest = (i + 1) % mostRecent
	}
	r := &l.recent[i]
	frequent := r.question == hash && now.Sub(r.asked) < recentFor
	*r = recent{hash, now}
	return frequent
}

// keep remembers an answer that ask has found worth it, instead of the oldest when there are enough. Of the engine's thread.
func (l *lookups) keep(q *Query, k *kept) {
	if k == nil {
		return
	}
	if l.kept == nil {
		l.kept = map[Query]*kept{}
	}
	question, _, _ := q.question()
	if l.kept[question] == nil && len(l.kept) == mostKept {
		oldest := question
		for other, o := range l.kept {
			if oldest == question || o.asked.Before(l.kept[oldest].asked) {
				oldest = other
			}
		}
		delete(l.kept, oldest)
	}
	l.kept[question] = k
}

// ask is the Resolver's answer to a frequent question, and what is to be kept of it. Any thread.
func (l *lookups) ask(q *Query) (Answer, *kept) {
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
