package asking

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// answerer takes what is put as Python's thread does, and answers with f's text; "" is no answer.
func answerer(t *testing.T, d *Desk, f func(text string) string) {
	t.Helper()
	d.Open()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			questions := d.Take()
			if questions == "" {
				return
			}
			for line := range strings.SplitSeq(questions, "\n") {
				number, text, _ := strings.Cut(line, " ")
				var id int64
				for _, c := range number {
					id = 10*id + int64(c-'0')
				}
				if answer := f(text); answer != "" {
					d.Answer(id, answer)
				}
			}
		}
	}()
	t.Cleanup(func() {
		d.Close()
		<-done
	})
}

// ask puts one question.
func ask(d *Desk, text string, within time.Duration) (string, bool) {
	got := d.Ask([]string{text}, within)[0]
	return got.Text, got.OK
}

func TestAnswersComeToWhoAsks(t *testing.T) {
	var d Desk
	answerer(t, &d, strings.ToUpper)
	for _, text := range []string{"a", "b c"} {
		if got, ok := ask(&d, text, time.Minute); !ok || got != strings.ToUpper(text) {
			t.Errorf("%q was answered %q, %v", text, got, ok)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	var d Desk
	if _, ok := ask(&d, "a", time.Minute); ok {
		t.Error("a desk without a thread answers")
	}
	answerer(t, &d, func(text string) string { return strings.TrimPrefix(text, "silence") })
	if _, ok := ask(&d, "silence", time.Millisecond); ok {
		t.Error("silence is an answer")
	}
	if got, ok := ask(&d, "later", time.Minute); !ok || got != "later" {
		t.Errorf("after silence: %q, %v", got, ok)
	}
	if len(d.taken) != 0 {
		t.Errorf("%d questions are still taken", len(d.taken))
	}
}

func TestAllQuestionsArePutBeforeTheFirstIsAnswered(t *testing.T) {
	var d Desk
	d.Open()
	defer d.Close()
	got := make(chan []Answered)
	go func() { got <- d.Ask([]string{"a", "b", "c"}, time.Minute) }()
	if lines := d.Take(); lines != "1 a\n2 b\n3 c" {
		t.Fatalf("put is %q", lines)
	}
	for _, id := range []int64{3, 1, 2} {
		d.Answer(id, string(rune('A'-1+id)))
	}
	for i, answer := range <-got {
		if want := (Answered{string(rune('A' + i)), true}); answer != want {
			t.Errorf("question %d: %v", i, answer)
		}
	}
}

func TestManyUnansweredTakeTheTimeOfOne(t *testing.T) {
	const within = 50 * time.Millisecond
	var d Desk
	answerer(t, &d, func(text string) string { return strings.TrimPrefix(text, "silence") })
	texts := []string{"a", "silence", "b"}
	for range 20 {
		texts = append(texts, "silence")
	}
	start := time.Now()
	got := d.Ask(texts, within)
	if took := time.Since(start); took > 10*within {
		t.Errorf("it took %v", took)
	}
	for i, text := range texts {
		if got[i].OK != (text != "silence") {
			t.Errorf("%q: %v", text, got[i])
		}
	}
	if len(d.taken) != 0 {
		t.Errorf("%d questions are still taken", len(d.taken))
	}
}

func TestLateAnswerIsOfNoUse(t *testing.T) {
	var d Desk
	d.Open()
	defer d.Close()
	if _, ok := ask(&d, "a", 0); ok {
		t.Error("it was answered")
	}
	if d.Answer(1, "b") {
		t.Error("somebody waits for it")
	}
	if len(d.put) != 0 {
		t.Error("it is left, and nobody waits for it")
	}
}

func TestCloseEndsTheWaitOfBothSides(t *testing.T) {
	var d Desk
	d.Open()
	asked := make(chan bool)
	go func() {
		_, ok := ask(&d, "a", time.Minute)
		asked <- ok
	}()
	if d.Take() != "1 a" {
		t.Error("it was not put")
	}
	taken := make(chan string)
	go func() { taken <- d.Take() }()
	d.Close()
	if <-asked {
		t.Error("it was answered")
	}
	if left := <-taken; left != "" {
		t.Errorf("%q was taken", left)
	}
	d.Put("b")
	if d.Take() != "" {
		t.Error("a closed desk takes questions")
	}
}

func TestReportsBeforeTheEndAreTaken(t *testing.T) {
	var d Desk
	d.Open()
	d.Put("report")
	d.Close()
	if d.Take() != "1 report" {
		t.Error("the report is lost")
	}
	if d.Take() != "" {
		t.Error("there is no end")
	}
	d.Open()
	d.Put("again")
	if d.Take() != "2 again" {
		t.Error("it does not open again")
	}
}

func TestDeskIsBounded(t *testing.T) {
	var d Desk
	d.Open()
	defer d.Close()
	for range 2 * most {
		d.Put("a")
	}
	if n := strings.Count(d.Take(), "\n") + 1; n != most {
		t.Errorf("%d reports lie there", n)
	}
}

// Who asks while stacks are being written waits for these, and has no copy of the process made.
func TestStacksAreWrittenOnceForAllWhoAskMeanwhile(t *testing.T) {
	before := Snapshot
	defer func() { Snapshot = before }()
	begun, goOn := make(chan bool), make(chan bool)
	Snapshot = func(syscall.Signal) (int, error) {
		begun <- true
		<-goOn
		return 0, syscall.ENOSYS
	}
	tracer := Tracer{fd: -1, signal: 1}
	done := make(chan bool)
	for n := range 3 {
		go func() {
			tracer.Trace(0)
			done <- true
		}()
		if n == 0 {
			<-begun
		}
	}
	time.Sleep(20 * time.Millisecond) // that they have come cannot be seen; a second copy would be
	close(goOn)
	for range 3 {
		select {
		case <-done:
		case <-begun:
			t.Fatal("another copy is made")
		}
	}
}

const dump = `Thread 0x00007fd5bbfff6c0 [worker] (most recent call first):
  File "/a.py", line 3 in inner
  File "/a.py", line 9 in outer

Current thread 0x00007fd5c0bd6740 (most recent call first):
  File "/b.py", line 1 in <module>

Thread 0x0000000000000abc (most recent call first):
  File "/c.py", line 2 in f
`

func TestFramesAreByThread(t *testing.T) {
	found := framesOf(dump)
	for thread, want := range map[uint64]string{0x7fd5bbfff6c0: "/a.py:3 inner,/a.py:9 outer", 0xabc: "/c.py:2 f", 0x7fd5c0bd6740: "", 7: ""} {
		if got := strings.Join(found[thread], ","); got != want {
			t.Errorf("of %#x: %q", thread, got)
		}
	}
}

func TestFramesOfFaulthandler(t *testing.T) {
	for line, want := range map[string]string{
		"  File \"/a b/c.py\", line 12 in f\n":        "/a b/c.py:12 f",
		"  File \"<frozen x>\", line 3 in <module>\n": "<frozen x>:3 <module>",
		"Current thread 0x1 (most recent call first)": "",
		"  File \"a.py\"": "",
		"":                "",
	} {
		if got, ok := parseFrame(line); ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %v", line, got, ok)
		}
	}
}
