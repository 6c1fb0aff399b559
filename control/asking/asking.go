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
	"strings"
	"sync"
	"syscall"
	"time"
)

// most bounds what waits to be taken: reports of a process whose GIL is never free.
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
func (d *Desk) Put(text string) { d.add(text, nil) }

func (d *Desk) add(text string, answer chan string) *question {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open || len(d.put) >= most {
		return nil
	}
	d.last++
	q := &question{id: d.last, text: text, answer: answer}
	d.put = append(d.put, q)
	if len(d.put) == 1 {
		_, _ = syscall.Write(d.bell[1], []byte{1})
	}
	return q
}

// Ask waits for an answer, so long at most. false: there is none.
func (d *Desk) Ask(text string, within time.Duration) (string, bool) {
	q := d.add(text, make(chan string, 1))
	if q == nil {
		return "", false
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case answer, ok := <-q.answer:
		return answer, ok
	case <-timer.C:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.taken, q.id)
	for i, other := range d.put {
		if other == q {
			d.put = append(d.put[:i], d.put[i+1:]...)
			break
		}
	}
	return "", false
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
