// Package asking puts questions to a thread of Python's that answers them as soon as it gets the GIL.
//
//	put ──Take──▶ taken ──Answer──▶ answered
//	  └──the asker has waited long enough──▶ dropped; a later answer is of no use
//
// Go never calls Python. The thread sleeps in read(2) on a descriptor that Put makes readable, takes what is asked and
// answers by calls of its own. That it does not answer is an answer too: the GIL could not be had.
package asking

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// most bounds what waits to be taken, beside one asker's questions: reports of a process whose GIL is never free.
const most = 256

type question struct {
	id     int64
	text   string
	answer chan string // nil: none is awaited
}

// Desk is where questions lie. The zero Desk has no thread that answers.
type Desk struct {
	mu    sync.Mutex
	bell  [2]int // a pipe, once open
	open  bool
	last  int64
	put   []*question
	taken map[int64]*question
}

// Open makes a descriptor that is readable while questions wait, and returns it; it is the caller's thread's to read. Errors: the system's.
func (d *Desk) Open() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open {
		return d.bell[0], nil
	}
	syscall.ForkLock.RLock()
	err := syscall.Pipe(d.bell[:])
	if err == nil {
		syscall.CloseOnExec(d.bell[0])
		syscall.CloseOnExec(d.bell[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("pipe", err)
	}
	d.open, d.taken = true, map[int64]*question{}
	return d.bell[0], nil
}

// IsOpen tells whether there is a thread to answer.
func (d *Desk) IsOpen() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

// Close ends the thread's wait: it reads the end of the file. Who waits for an answer gets none. The reading end
// is the thread's to close.
func (d *Desk) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open {
		return
	}
	d.open = false
	said := d.put[:0] // what needs no answer the thread takes before it reads the end
	for _, q := range d.put {
		if q.answer == nil {
			said = append(said, q)
		} else {
			q.drop()
		}
	}
	for _, q := range d.taken {
		q.drop()
	}
	d.put, d.taken = said, nil
	_ = syscall.Close(d.bell[1])
}

func (q *question) drop() { close(q.answer) }

// Put says something that needs no answer.
func (d *Desk) Put(text string) { d.add(question{text: text}) }

// add puts all of them, or none: its answer is nil then.
func (d *Desk) add(questions ...question) []*question {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open || len(questions) == 0 || len(d.put) >= most {
		return nil
	}
	before := len(d.put)
	for _, q := range questions {
		d.last++
		q.id = d.last
		d.put = append(d.put, &q)
	}
	if before == 0 {
		_, _ = syscall.Write(d.bell[1], []byte{1})
	}
	return slices.Clone(d.put[before:])
}

// Answered is what came of a question.
type Answered struct {
	Text string
	OK   bool // false: there is no answer
}

// Ask puts all questions at once and waits for the answers. When for so long none has come, the rest have none: while nobody answers,
// many questions take the time of one.
func (d *Desk) Ask(texts []string, within time.Duration) []Answered {
	got := make([]Answered, len(texts))
	questions := make([]question, len(texts))
	for i, text := range texts {
		questions[i] = question{text: text, answer: make(chan string, 1)}
	}
	asked := d.add(questions...)
	timer := time.NewTimer(within)
	defer timer.Stop()
	for i, q := range asked {
		select {
		case got[i].Text, got[i].OK = <-q.answer:
			timer.Reset(within)
			continue
		case <-timer.C:
		}
		d.withdraw(asked[i:], got[i:])
		break
	}
	return got
}

// withdraw takes questions back, and what has been answered meanwhile.
func (d *Desk) withdraw(asked []*question, got []Answered) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, q := range asked {
		select {
		case got[i].Text, got[i].OK = <-q.answer:
		default:
			delete(d.taken, q.id)
			d.put = slices.DeleteFunc(d.put, func(other *question) bool { return other == q })
		}
	}
}

// Take returns what has been put, a line each: its number, a blank and its text.
func (d *Desk) Take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, q := range d.put {
		lines = append(lines, fmt.Sprintf("%d %s", q.id, q.text))
		if q.answer != nil {
			d.taken[q.id] = q
		}
	}
	d.put = nil
	return strings.Join(lines, "\n")
}

// Answer answers a question. false: nobody waits any more.
func (d *Desk) Answer(id int64, text string) bool {
	d.mu.Lock()
	q := d.taken[id]
	delete(d.taken, id)
	d.mu.Unlock()
	if q == nil {
		return false
	}
	q.answer <- text
	return true
}
