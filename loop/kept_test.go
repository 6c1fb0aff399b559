//go:build linux

package loop

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"goloop/internal/hosts"

	"golang.org/x/sys/unix"
)

// ofHosts is an engine with files, a clock and a resolver of the test's.
type ofHosts struct {
	*rig
	files  *hosts.Files
	clock  time.Time // of the lookups; files are settled by it
	asked  int       // how often the resolver was
	answer func(q Query) Answer
}

const (
	switchText = "hosts: files dns\nservices: db files\n"
	hostsText  = "127.0.0.1 localhost\n::1 localhost six.test\n10.0.0.1 one.test remote.test\n10.0.0.2 two.test remote.test\n"
)

func newOfHosts(t *testing.T) *ofHosts {
	t.Helper()
	h := &ofHosts{files: hosts.Under(t.TempDir()), clock: time.Now().Add(time.Hour)}
	h.answer = func(q Query) Answer { return answerOf("127.0.0.1") }
	h.write(t, hosts.Switch, switchText)
	h.write(t, hosts.Hosts, hostsText)
	h.write(t, hosts.Services, "http 80/tcp\n")
	h.rig = newRig(t, "", settings{resolver: func(q Query) Answer {
		h.asked++
		return h.answer(q)
	}})
	h.lookups.files, h.lookups.now = h.files, func() time.Time { return h.clock }
	return h
}

func (h *ofHosts) write(t *testing.T, file hosts.Set, text string) {
	t.Helper()
	path := h.files.Path(file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// answerOf an AddrInfo: one socket kind of each address.
func answerOf(addresses ...string) (a Answer) {
	for _, text := range addresses {
		ip, _ := parseLiteral(text)
		address := Address{Type: unix.SOCK_STREAM, Proto: unix.IPPROTO_TCP}
		address.set(ip, 80)
		a.Addresses = append(a.Addresses, address)
	}
	return a
}

func nameAnswer(host, service string) Answer { return Answer{Text: host + "\x00" + service + "\x00"} }

// look asks, waits for the answer, and tells whether it was there at once; then it is in memory.
func (h *ofHosts) look(q Query) (atOnce bool, memory []byte) {
	h.t.Helper()
	ring, memory := ringQuery(q)
	errno := h.errno(Submission{Op: OpResolve, User: 1, Ptr: uint64(uintptr(unsafe.Pointer(ring)))})
	runtime.KeepAlive(ring)
	switch errno {
	case syscall.EALREADY:
		return true, memory[:ring.Len]
	case syscall.EINPROGRESS:
		h.resolved(1)
	default:
		h.t.Fatalf("the lookup of %q gives %v", q.Host, errno)
	}
	return false, nil
}

// keeps is whether the third lookup of the same is answered at once, for the second has shown that it is asked often.
func (h *ofHosts) keeps(q Query) bool {
	h.t.Helper()
	for range 2 {
		if atOnce, _ := h.look(q); atOnce {
			h.t.Fatalf("%+v was answered before it was asked", q)
		}
	}
	atOnce, _ := h.look(q)
	return atOnce
}

func nameQuery(change func(q *Query)) Query {
	q := Query{What: AddrInfo, Host: "localhost", HasHost: true, Service: "80", HasService: true, Type: unix.SOCK_STREAM}
	if change != nil {
		change(&q)
	}
	return q
}

func addressQuery(flags int32) Query {
	return Query{What: NameInfo, Host: "127.0.0.1", HasHost: true, Service: "80", HasService: true, Flags: flags}
}

// TestKeptAnswer: libc is asked once, and the answer is what it said.
func TestKeptAnswer(t *testing.T) {
	h := newOfHosts(t)
	h.answer = func(q Query) Answer {
		a := answerOf("::1", "127.0.0.1")
		a.Text = "canonical"
		return a
	}
	q := nameQuery(func(q *Query) { q.Flags = aiCanonName })
	if !h.keeps(q) || h.asked != 2 {
		t.Fatalf("libc was asked %d times", h.asked)
	}
	want := h.answer(q)
	_, got := h.look(q)
	second := (*Address)(unsafe.Pointer(&got[sizeofAddress]))
	if len(got) != want.size() || string(got[2*sizeofAddress:]) != "canonical" || *second != want.Addresses[1] {
		t.Errorf("the answer is %q", got)
	}
	ring, _ := ringQuery(q)
	ring.Len = int64(want.size() - 1)
	errno := h.errno(Submission{Op: OpResolve, User: 2, Ptr: uint64(uintptr(unsafe.Pointer(ring)))})
	runtime.KeepAlive(ring)
	expectErrno(t, "a lookup with no room for the answer", errno, syscall.EINPROGRESS)
	h.resolved(2)
	h.quiet()
}

func TestWhichAddressesAreKept(t *testing.T) {
	loopbacks, four := answerOf("::1", "127.0.0.1"), answerOf("127.0.0.1")
	for name, test := range map[string]struct {
		change func(q *Query)
		answer Answer
		want   bool
	}{
		"one address":             {nil, four, true},
		"both of this machine":    {nil, loopbacks, true},
		"in capitals":             {func(q *Query) { q.Host = "LOCALHOST" }, four, true},
		"no port":                 {func(q *Query) { q.Service, q.HasService = "", false }, four, true},
		"to listen":               {func(q *Query) { q.Flags = aiPassive | aiNumericServ }, four, true},
		"of one family":           {func(q *Query) { q.Family = unix.AF_INET }, four, true},
		"a name of a port":        {func(q *Query) { q.Service = "http" }, four, true},
		"any type":                {func(q *Query) { q.Type = 0 }, answerOf("127.0.0.1", "127.0.0.1", "127.0.0.1"), true},
		"one far away":            {func(q *Query) { q.Host = "one.test" }, answerOf("10.0.0.1"), true},
		"two far away":            {func(q *Query) { q.Host = "remote.test" }, answerOf("10.0.0.1", "10.0.0.2"), false},
		"of a name not in it":     {func(q *Query) { q.Host = "other.test" }, four, false},
		"not the name's":          {nil, answerOf("10.0.0.1"), false},
		"only one the name's":     {nil, answerOf("127.0.0.1", "127.0.0.2"), false},
		"of a full name":          {func(q *Query) { q.Host = "localhost." }, four, false},
		"interfaces":              {func(q *Query) { q.Flags = 0x20 }, four, false},
		"mapped":                  {func(q *Query) { q.Family, q.Flags = unix.AF_INET6, aiV4Mapped }, four, false},
		"numeric":                 {func(q *Query) { q.Flags = aiNumericHost }, four, false},
		"unknown flag":            {func(q *Query) { q.Flags = 1 << 20 }, four, false},
		"another family":          {func(q *Query) { q.Family = unix.AF_UNIX }, four, false},
		"no letters":              {func(q *Query) { q.Host = "local\u00e9" }, four, false},
		"a zero byte":             {func(q *Query) { q.Host = "localhost\x00" }, four, false},
		"a zone":                  {func(q *Query) { q.Host = "localhost%1" }, four, false},
		"too long":                {func(q *Query) { q.Host = strings.Repeat("a", longestKept+1) }, four, false},
		"a service too long":      {func(q *Query) { q.Service = strings.Repeat("a", longestKept+1) }, four, false},
		"no host":                 {func(q *Query) { q.Host, q.HasHost = "", false }, four, false},
		"an empty host":           {func(q *Query) { q.Host = "" }, four, false},
		"an error":                {nil, Answer{Code: -2}, false},
		"an error with addresses": {nil, Answer{Code: -2, Addresses: four.Addresses}, false},
		"an error of the system":  {nil, Answer{Errno: syscall.EIO, Addresses: four.Addresses}, false},
		"no address":              {nil, Answer{}, false},
		"no room":                 {nil, Answer{Addresses: four.Addresses, Text: strings.Repeat("x", largestKept)}, false},
	} {
		h := newOfHosts(t)
		h.answer = func(Query) Answer { return test.answer }
		if got := h.keeps(nameQuery(test.change)); got != test.want || len(h.lookups.kept) > 0 != test.want {
			t.Errorf("%s: kept is %v, of %d answers", name, got, len(h.lookups.kept))
		}
	}
	h := newOfHosts(t)
	scoped := answerOf("::1")
	scoped.Addresses[0].Scope = 1
	h.answer = func(Query) Answer { return scoped }
	if h.keeps(nameQuery(nil)) {
		t.Error("an address with a scope is kept")
	}
}

func TestWhichNamesAreKept(t *testing.T) {
	named := nameAnswer("localhost", "http")
	for name, test := range map[string]struct {
		change func(q *Query)
		answer Answer
		want   bool
	}{
		"of the files":        {nil, named, true},
		"numeric port":        {func(q *Query) { q.Flags = niNumericServ }, nameAnswer("localhost", "80"), true},
		"numeric host":        {func(q *Query) { q.Flags = niNumericHost }, nameAnswer("127.0.0.1", "http"), true},
		"named, of datagrams": {func(q *Query) { q.Flags = niNameReqd | niDgram }, named, true},
		"of another spelling": {func(q *Query) { q.Host = "127.1" }, named, true},
		"of IPv6":             {func(q *Query) { q.Host = "::1" }, named, true},
		"the second name":     {func(q *Query) { q.Host = "10.0.0.1" }, nameAnswer("remote.test", "http"), false},
		"another line's name": {func(q *Query) { q.Host = "10.0.0.1" }, named, false},
		"of another address":  {func(q *Query) { q.Host = "10.0.0.9" }, nameAnswer("10.0.0.9", "http"), false},
		"mapped":              {func(q *Query) { q.Host = "::ffff:127.0.0.1" }, named, false},
		"without the domain":  {func(q *Query) { q.Flags = 4 }, named, false},
		"not ASCII":           {func(q *Query) { q.Flags = 32 }, named, false},
		"with a scope":        {func(q *Query) { q.Host, q.Scope = "::1", 1 }, named, false},
		"no address":          {func(q *Query) { q.Host = "localhost" }, named, false},
		"an error":            {nil, Answer{Code: -2, Text: named.Text}, false},
		"no text":             {nil, Answer{}, false},
		"neither kind":        {func(q *Query) { q.What = 3 }, named, false},
	} {
		h := newOfHosts(t)
		h.answer = func(Query) Answer { return test.answer }
		q := addressQuery(0)
		if test.change != nil {
			test.change(&q)
		}
		if got := h.keeps(q); got != test.want {
			t.Errorf("%s: kept is %v", name, got)
		}
	}
}

// TestWhatCountsForAnAnswer: a change of a file that has a say in it, and of no other, has libc asked again.
func TestWhatCountsForAnAnswer(t *testing.T) {
	one, two := answerOf("127.0.0.1"), answerOf("::1", "127.0.0.1")
	for name, test := range map[string]struct {
		query  Query
		answer Answer
		counts hosts.Set
	}{
		"an address":        {nameQuery(nil), one, hosts.Switch | hosts.Hosts},
		"two":               {nameQuery(nil), two, hosts.Switch | hosts.Hosts | hosts.Order},
		"two and a service": {nameQuery(func(q *Query) { q.Service = "http" }), two, hosts.All},
		"one and a service": {nameQuery(func(q *Query) { q.Service = "http" }), one, hosts.All &^ hosts.Order},
		"a name":            {addressQuery(niNumericServ), nameAnswer("localhost", "80"), hosts.Switch | hosts.Hosts},
		"a port's name":     {addressQuery(niNumericHost), nameAnswer("127.0.0.1", "http"), hosts.All &^ hosts.Order &^ hosts.Hosts},
		"both":              {addressQuery(0), nameAnswer("localhost", "http"), hosts.All &^ hosts.Order},
	} {
		h := newOfHosts(t)
		h.answer = func(Query) Answer { return test.answer }
		if !h.keeps(test.query) {
			t.Errorf("%s is not kept", name)
			continue
		}
		for file := hosts.Switch; file < hosts.All; file <<= 1 {
			text, _ := os.ReadFile(h.files.Path(file))
			h.write(t, file, string(text)+"\n# changed\n")
			counts := test.counts&file != 0
			if atOnce, _ := h.look(test.query); atOnce == counts {
				t.Errorf("%s: after a change of %s it is answered at once: %v", name, h.files.Path(file), atOnce)
			}
			if atOnce, _ := h.look(test.query); !atOnce {
				t.Errorf("%s: after a change of %s it is not kept", name, h.files.Path(file))
			}
		}
	}
}

// TestChangeWhileLibcIsAsked: nobody knows of which text it has made the answer.
func TestChangeWhileLibcIsAsked(t *testing.T) {
	for file := hosts.Switch; file < hosts.All; file <<= 1 {
		h := newOfHosts(t)
		h.answer = func(q Query) Answer {
			h.write(t, file, switchText+strings.Repeat("#", h.asked))
			return nameAnswer("localhost", "http")
		}
		if got, counts := h.keeps(addressQuery(0)), file != hosts.Order; got == counts {
			t.Errorf("a change of %s meanwhile: kept is %v", h.files.Path(file), got)
		}
	}
}

// TestOtherFileMeanwhile: the first one is back, and as it was, when it is asked again.
func TestOtherFileMeanwhile(t *testing.T) {
	h := newOfHosts(t)
	path := h.files.Path(hosts.Hosts)
	point := func(to string) {
		if err := os.Symlink(to, path+".link"); err != nil {
			t.Error(err)
		}
		if err := os.Rename(path+".link", path); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{".first", ".second"} {
		if err := os.WriteFile(path+name, []byte(hostsText), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	point(path + ".first")
	h.answer = func(Query) Answer {
		point(path + ".second")
		return answerOf("127.0.0.1")
	}
	h.look(nameQuery(nil))
	point(path + ".first")
	if atOnce, _ := h.look(nameQuery(nil)); atOnce {
		t.Error("what is made of another file is kept")
	}
}

// TestUnsettledFile: one that has just been written may be written again without a trace.
func TestUnsettledFile(t *testing.T) {
	h := newOfHosts(t)
	h.clock = time.Now()
	if h.keeps(nameQuery(nil)) {
		t.Error("an answer is kept that is made of a file of just now")
	}
	h.clock = h.clock.Add(time.Minute)
	if !h.keeps(nameQuery(nil)) {
		t.Error("a minute later it is not kept")
	}
	h.write(t, hosts.Hosts, hostsText+"#")
	h.clock = time.Now().Add(time.Second)
	if h.keeps(nameQuery(nil)) {
		t.Error("an answer is kept that is made of a file of a second ago")
	}
	h = newOfHosts(t)
	h.answer = func(Query) Answer { return nameAnswer("localhost", "http") }
	if err := os.Chtimes(h.files.Path(hosts.Services), h.clock, h.clock); err != nil {
		t.Fatal(err)
	}
	if h.keeps(addressQuery(0)) || !h.keeps(addressQuery(niNumericServ)) {
		t.Error("an answer is kept that is made of services of just now, or none that is not")
	}
}

// TestAgeOfAnAnswer: what no file tells of may have changed since.
func TestAgeOfAnAnswer(t *testing.T) {
	h := newOfHosts(t)
	q := nameQuery(nil)
	if !h.keeps(q) {
		t.Fatal("it is not kept")
	}
	h.clock = h.clock.Add(keptFor - 1)
	if atOnce, _ := h.look(q); !atOnce {
		t.Error("it is not kept for long enough")
	}
	h.clock = h.clock.Add(1)
	if atOnce, _ := h.look(q); atOnce {
		t.Error("it is kept for too long")
	}
	if h.asked != 3 {
		t.Errorf("libc was asked %d times", h.asked)
	}
	if atOnce, _ := h.look(q); !atOnce {
		t.Error("the next answer is not kept")
	}
	h.clock = h.clock.Add(recentFor)
	if h.keeps(q); h.asked != 5 {
		t.Errorf("what has not been asked for long is kept by the first that asks: libc was asked %d times", h.asked)
	}
}

// TestKeptAnswersAreFew: the oldest goes.
func TestKeptAnswersAreFew(t *testing.T) {
	h := newOfHosts(t)
	query := func(i int) Query { return nameQuery(func(q *Query) { q.Service = fmt.Sprint("service", i) }) }
	const queries = mostKept + 10
	for i := range queries {
		h.clock = h.clock.Add(time.Microsecond)
		h.look(query(i))
		h.look(query(i))
	}
	if n := len(h.lookups.kept); n != mostKept {
		t.Fatalf("%d answers are kept", n)
	}
	for i := queries - mostKept; i < queries; i++ {
		if atOnce, _ := h.look(query(i)); !atOnce {
			t.Errorf("the answer to question %d of %d is not kept", i, queries)
		}
	}
	if atOnce, _ := h.look(query(0)); atOnce || len(h.lookups.kept) != mostKept {
		t.Errorf("the first is kept: %v; there are %d", atOnce, len(h.lookups.kept))
	}
}

// TestAnotherPort: a port that is asked for by its number makes no other question, and each answer has its own.
func TestAnotherPort(t *testing.T) {
	h := newOfHosts(t)
	h.answer = func(q Query) Answer {
		if port, _ := parsePort(q.Service); q.What == AddrInfo {
			a := answerOf("::1", "127.0.0.1")
			for i := range a.Addresses {
				a.Addresses[i].Port = int32(port)
			}
			a.Text = "canonical"
			return a
		}
		return nameAnswer("localhost", q.Service)
	}
	named := addressQuery(niNumericServ | niDgram)
	for _, q := range []Query{nameQuery(nil), nameQuery(func(q *Query) { q.Flags = aiNumericServ | aiCanonName }), named} {
		if !h.keeps(q) {
			t.Fatalf("%+v is not kept", q)
		}
		for _, port := range []string{"80", "0", "1", "8080", "65535", "81"} {
			q.Service = port
			want := h.answer(q)
			room := make([]byte, want.size())
			want.put(room)
			if atOnce, got := h.look(q); !atOnce || string(got) != string(room) {
				t.Errorf("%+v is answered at once: %v, with %q instead of %q", q, atOnce, got, room)
			}
		}
	}
	for _, other := range []string{"", "65536", "65616", "080", "00", "+80", " 80", "80 ", "-1", "http", "4294967376"} {
		if atOnce, _ := h.look(nameQuery(func(q *Query) { q.Service = other })); atOnce {
			t.Errorf("the service %q is taken for a number of a port", other)
		}
	}
	for _, port := range []string{"81", "65535"} {
		if atOnce, _ := h.look(Query{What: NameInfo, Host: "127.0.0.1", HasHost: true, Service: port, HasService: true}); atOnce {
			t.Errorf("the name of port %s is taken for that of another", port)
		}
	}
}

// TestWhatIsFrequent: a question, the last time that it was asked, and the last ones; of a question asked once no file is looked at.
func TestWhatIsFrequent(t *testing.T) {
	h := newOfHosts(t)
	l := h.lookups
	query := func(i int) *Query {
		q := nameQuery(func(q *Query) { q.Host = fmt.Sprint("host", i) })
		return &q
	}
	expect := func(what string, q *Query, want bool) {
		t.Helper()
		if l.isFrequent(q) != want {
			t.Errorf("%s: frequent is %v", what, !want)
		}
	}
	expect("the first", query(0), false)
	expect("another", query(1), false)
	h.clock = h.clock.Add(recentFor - 1)
	expect("the second", query(0), true)
	h.clock = h.clock.Add(recentFor - 1)
	expect("one that is asked again and again", query(0), true)
	expect("one that was asked long ago", query(1), false)
	h.clock = h.clock.Add(recentFor)
	expect("any, later", query(0), false)
	for i := range mostRecent {
		expect("one of many", query(2+i), false)
	}
	expect("one before many", query(0), false)
	expect("the last of many", query(1+mostRecent), true)
	literal := nameQuery(func(q *Query) { q.Host = "::1%1" })
	for range 2 {
		expect("what is never kept", &literal, false)
	}
	before := h.files
	h.lookups.files = nil // looked at, it would panic
	h.look(nameQuery(nil))
	h.lookups.files = before
}

// TestAnswersAtOnceAreLimited: what is asked again and again without a turn is told by a turn now and then, with what was asked for.
func TestAnswersAtOnceAreLimited(t *testing.T) {
	h := newOfHosts(t)
	q := nameQuery(nil)
	if !h.keeps(q) {
		t.Fatal("it is not kept")
	}
	for i := 1; i < mostAtOnce; i++ {
		if atOnce, _ := h.look(q); !atOnce {
			t.Fatalf("answer %d waits for a turn", i)
		}
	}
	for user, port := range []string{"81", "82"} {
		q.Service = port
		ring, _ := ringQuery(q)
		errno := h.errno(Submission{Op: OpResolve, User: uint64(user), Ptr: uint64(uintptr(unsafe.Pointer(ring)))})
		runtime.KeepAlive(ring)
		expectErrno(t, "one more", errno, syscall.EINPROGRESS)
	}
	if n := h.Lookups(); n != 2 {
		t.Errorf("%d lookups are open", n)
	}
	told := h.resolved(0, 1)
	for user, want := range []int32{81, 82} {
		c := told[uint64(user)]
		if got := (*Address)(pointer(c.Ptr)).Port; c.Generation != 1 || got != want {
			t.Errorf("the answer has port %d instead of %d", got, want)
		}
	}
	if atOnce, _ := h.look(q); !atOnce || h.asked != 2 || h.Lookups() != 0 {
		t.Errorf("after the turn: at once is %v, libc was asked %d times, %d lookups are open", atOnce, h.asked, h.Lookups())
	}
}

// TestQuestionsDiffer: each difference makes another question.
func TestQuestionsDiffer(t *testing.T) {
	h := newOfHosts(t)
	for name, change := range map[string]func(q *Query){
		"": nil, "letters": func(q *Query) { q.Host = "Localhost" },
		"no port": func(q *Query) { q.Service, q.HasService = "", false },
		"type":    func(q *Query) { q.Type = unix.SOCK_DGRAM }, "protocol": func(q *Query) { q.Proto = unix.IPPROTO_TCP },
		"family": func(q *Query) { q.Family = unix.AF_INET }, "flags": func(q *Query) { q.Flags = aiPassive },
	} {
		if !h.keeps(nameQuery(change)) {
			t.Errorf("with another %s it is not kept", name)
		}
	}
}
