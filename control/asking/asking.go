// Package asking puts questions to a thread of Python's that answers them as soon as it gets the GIL.
//
//	put ──Take──▶ taken ──Answer──▶ answered
//	  └──the asker has waited long enough──▶ dropped; a later answer is of no use
//
// Go never calls Python. The thread waits in Take, without the GIL, for what is asked, and answers by a call of its own: of a GIL
// that other threads want it needs one hold. That it does not answer is an answer too: the GIL could not be had.
package asking

import (
	"fmt"
	"slices"
	"strings"
	"sync"
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
	bell  *sync.Cond // nil: it was never opened
	open  bool
	last  int64
	put   []*question
	taken map[int64]*question
}

// Open lets questions be put, for a thread that takes them.
func (d *Desk) Open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open {
		return
	}
	if d.bell == nil {
		d.bell = sync.NewCond(&d.mu)
	}
	d.open, d.taken = true, map[int64]*question{}
}

// IsOpen tells whether there is a thread to answer.
func (d *Desk) IsOpen() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

// Close ends the thread's wait. Who waits for an answer gets none.
func (d *Desk) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open {
		return
	}
	d.open = false
	said := d.put[:0] // what needs no answer the thread takes before the end
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
	d.bell.Broadcast()
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
	d.bell.Signal()
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

// Take waits until something is put and returns it, a line each: its number, a blank and its text. "": the desk is closed.
func (d *Desk) Take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.open && len(d.put) == 0 {
		d.bell.Wait()
	}
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
