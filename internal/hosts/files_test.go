package hosts

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// later is when files that are written now are settled.
func later() time.Time { return time.Now().Add(time.Minute) }

// here is the files of a new directory.
func here(t *testing.T, nsswitch, hosts string) *Files {
	t.Helper()
	f := Under(t.TempDir())
	write(t, f.Path(Switch), nsswitch)
	write(t, f.Path(Hosts), hosts)
	return f
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestChangesShow: a change of any kind gives a file another state, and its return to what it was a third.
func TestChangesShow(t *testing.T) {
	f := here(t, plain, "127.0.0.1 a\n")
	path := f.Path(Hosts)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[States]string{}
	for _, change := range []struct {
		name string
		make func()
	}{
		{"as it is", func() {}},
		{"another text", func() { write(t, path, "127.0.0.2 a\n") }},
		{"the first text, and its old times", func() {
			write(t, path, "127.0.0.1 a\n")
			must(os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)))
		}},
		{"another size", func() { write(t, path, "127.0.0.1 ab\n") }},
		{"another file", func() {
			write(t, path+".new", "127.0.0.1 ab\n")
			must(os.Rename(path+".new", path))
		}},
		{"no file", func() { must(os.Remove(path)) }},
		{"a directory", func() { must(os.Mkdir(path, 0o755)) }},
		{"a link to nothing", func() {
			must(os.Remove(path))
			must(os.Symlink(path, path))
		}},
	} {
		time.Sleep(20 * time.Millisecond) // more than a step of the kernel's clock, of which Settled thinks otherwise
		change.make()
		states := f.States(Hosts)
		if other, found := seen[states]; found {
			t.Errorf("%s looks like %s", change.name, other)
		}
		seen[states] = change.name
		if again := f.States(Hosts); again != states {
			t.Errorf("%s looks like %+v, then like %+v", change.name, states, again)
		}
	}
}

func TestStatesOfSome(t *testing.T) {
	f := here(t, plain, "")
	all := f.States(All)
	for i := range files {
		one := f.States(1 << i)
		if one != all.Of(1<<i) || (one[i].errno == 0) != (i < 2) {
			t.Errorf("the state of %s is %+v", f.paths[i], one)
		}
		if want := (States{}); one.Of(All&^(1<<i)) != want {
			t.Errorf("without %s there is %+v", f.paths[i], one)
		}
	}
}

func TestSettled(t *testing.T) {
	now := time.Unix(1000, 0)
	at := func(mtime, ctime time.Duration) State {
		return State{ino: 1, mtime: now.Add(mtime).UnixNano(), ctime: now.Add(ctime).UnixNano()}
	}
	for name, test := range map[string]struct {
		state State
		want  bool
	}{
		"long ago":                {at(-time.Hour, -time.Hour), true},
		"just now":                {at(0, 0), false},
		"written two seconds ago": {at(-2*time.Second, -time.Hour), false},
		"moved two seconds ago":   {at(-time.Hour, -2*time.Second), false},
		"three seconds ago":       {at(-3*time.Second, -3*time.Second), true},
		"in a second":             {at(time.Second, -time.Hour), false},
		"tomorrow":                {at(time.Hour, time.Hour), true}, // the clock was set
		"not there":               {State{errno: syscall.ENOENT}, true},
		"not told of":             {State{errno: syscall.EACCES}, false},
		"not asked for":           {State{}, true},
	} {
		states := States{1: test.state}
		if got := states.Settled(now); got != test.want {
			t.Errorf("%s: settled is %v", name, got)
		}
	}
}

// TestTableIsReadOnce: for each state of its files, and not before they are settled.
func TestTableIsReadOnce(t *testing.T) {
	f := here(t, plain, "127.0.0.1 a\n")
	states := f.States(All)
	if f.Table(states, time.Now()) != nil {
		t.Error("files that have just been written are read")
	}
	first := f.Table(states, later())
	if first == nil || first.Addresses("a") == nil || f.Table(states, later()) != first {
		t.Fatalf("the table is %+v, then %+v", first, f.Table(states, later()))
	}
	write(t, f.Path(Services), "") // which is none of them
	if f.Table(f.States(All), later()) != first {
		t.Error("another file makes another table")
	}
	write(t, f.Path(Hosts), "127.0.0.1 ab\n")
	if got := f.Table(f.States(All), later()); got == first || got.Addresses("ab") == nil || got.Addresses("a") != nil {
		t.Errorf("after a change the table is %+v", got)
	}
	write(t, f.Path(Switch), "hosts: dns")
	if got := f.Table(f.States(All), later()); got.Addresses("ab") != nil {
		t.Errorf("with no source of hosts the table is %+v", got)
	}
}

func TestTableOfLittle(t *testing.T) {
	line := "127.0.0.1 a\n"
	for name, test := range map[string]struct {
		hosts string
		want  bool
	}{
		"the most":  {line + strings.Repeat("#", largest-len(line)), true},
		"one more":  {line + strings.Repeat("#", largest-len(line)+1), false},
		"far more":  {line + strings.Repeat("#\n", largest), false},
		"not there": {"", false},
	} {
		f := here(t, plain, test.hosts)
		if test.hosts == "" {
			_ = os.Remove(f.Path(Hosts))
		}
		table := f.Table(f.States(All), later())
		if table == nil || table.Services != Services || (table.Addresses("a") != nil) != test.want {
			t.Errorf("%s: the table is %+v", name, table)
		}
	}
	f := here(t, plain, line)
	_ = os.Remove(f.Path(Hosts))
	if err := syscall.Mkfifo(f.Path(Hosts), 0o644); err != nil {
		t.Fatal(err)
	}
	if table := f.Table(f.States(All), later()); table.Addresses("a") != nil { // and does not wait for a writer
		t.Error("a pipe is read")
	}
}

// TestTableOfOtherFiles: what is read is in the states that were asked for, or nothing is.
func TestTableOfOtherFiles(t *testing.T) {
	f := here(t, plain, "127.0.0.1 a\n")
	states := f.States(All)
	write(t, f.Path(Hosts), "127.0.0.1 ab\n")
	if table := f.Table(states, later()); table != nil {
		t.Errorf("a file that has changed gives %+v", table)
	}
	_ = os.Remove(f.Path(Switch))
	if table := f.Table(f.States(All), later()); table == nil || table.Addresses("ab") != nil || table.Services != 0 {
		t.Errorf("without nsswitch.conf the table is %+v", table)
	}
	_ = os.Mkdir(f.Path(Switch), 0o755)
	if table := f.Table(f.States(All), later()); table != nil && table.Services != 0 {
		t.Errorf("with a directory for nsswitch.conf the table is %+v", table)
	}
}

func TestSystem(t *testing.T) {
	for file, want := range map[Set]string{
		Switch: "/etc/nsswitch.conf", Hosts: "/etc/hosts", Order: "/etc/gai.conf", Services: "/etc/services",
		Database: "/var/db/services.db", DebiansDB: "/var/lib/misc/services.db",
	} {
		if got := System.Path(file); got != want {
			t.Errorf("file %b is %q, want %q", file, got, want)
		}
	}
}
