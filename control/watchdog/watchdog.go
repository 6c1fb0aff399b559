// Package watchdog notices loops that do not go on, while they do not.
//
//	each tick, of each loop:
//	  it has gone on, waits in the selector, or nobody runs it ──▶ nothing; a stall that was told has ended
//	  it stands where it stood, for less than the threshold ──▶ nothing
//	  for longer ──▶ its thread's stack is had, and a Stall told, once
//
// It lives in one goroutine and needs no GIL. When the goroutine itself was late, the whole process stood still, by a
// debugger or SIGSTOP or for want of a processor: so much is not held against the loops.
package watchdog

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"goloop/control/asking"
	"goloop/control/loops"
	"goloop/loop"
)

const (
	shortest = 5 * time.Millisecond   // the shortest tick
	longest  = 100 * time.Millisecond // and the longest
	late     = 100 * time.Millisecond // a tick that comes so much later is no measure
	patience = 50 * time.Millisecond  // how long Python may take to tell a stack, and a signal's handler
	keep     = 100                    // stalls that are remembered
	burst    = 5                      // reports in a row; then one a second
)

// Watchdog watches all loops of the process.
type Watchdog struct {
	desk   *asking.Desk
	tracer *asking.Tracer

	mu        sync.Mutex
	threshold time.Duration // 0: nothing is told
	followed  int
	stop      chan struct{}
	tell      func(*Stall)
	told      []Stall // the newest last
	current   map[int64]*Stall
	held      map[int64]time.Time // loops that do not go on, since when

	looking sync.Mutex // taken before mu
	places  map[int64]*place
	limit   limiter
}

// New makes a watchdog that asks desk and tracer for stacks.
func New(desk *asking.Desk, tracer *asking.Tracer) *Watchdog {
	return &Watchdog{desk: desk, tracer: tracer, current: map[int64]*Stall{}, held: map[int64]time.Time{}}
}

// Watch begins, with what is called for each report, or goes on with another threshold. It replaces both.
func (w *Watchdog) Watch(threshold time.Duration, tell func(*Stall)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.threshold, w.tell = threshold, tell
	w.start()
}

func (w *Watchdog) start() {
	if w.stop == nil {
		w.stop = make(chan struct{})
		go w.run(w.stop)
	}
}

// Follow has Held known without any report, until Unfollow.
func (w *Watchdog) Follow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.followed++
	w.start()
}

// Unfollow ends Follow.
func (w *Watchdog) Unfollow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.followed--
	w.end()
}

// Stop ends Watch.
func (w *Watchdog) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.threshold = 0
	w.end()
}

func (w *Watchdog) end() {
	if w.stop == nil || w.threshold > 0 || w.followed > 0 {
		return
	}
	close(w.stop)
	w.stop = nil
	clear(w.current)
	clear(w.held)
}

// Held is how long each loop that does not go on has not done so; a tick too short at most.
func (w *Watchdog) Held() map[int64]time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := map[int64]time.Duration{}
	for id, since := range w.held {
		held[id] = time.Since(since)
	}
	return held
}

// Threshold is how long a callback may take; 0: nothing is watched.
func (w *Watchdog) Threshold() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.threshold
}

// Stalls are the last that were told, the newest first, and before them those that last.
func (w *Watchdog) Stalls() []Stall {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := []Stall{}
	for _, s := range w.current {
		now := *s
		now.Seconds = time.Since(s.since).Seconds()
		all = append(all, now)
	}
	for i := len(w.told) - 1; i >= 0; i-- {
		all = append(all, w.told[i])
	}
	return all
}

// place is where a loop was seen.
type place struct {
	phase      uint32
	turns, ran uint64
	since      time.Time
	told       *Stall
}

func (w *Watchdog) run(stop chan struct{}) {
	w.looking.Lock()
	w.places, w.limit = map[int64]*place{}, limiter{tokens: burst, last: time.Now()}
	w.looking.Unlock()
	for last := time.Now(); ; {
		tick := longest
		if threshold := w.Threshold(); threshold > 0 {
			tick = min(max(threshold/5, shortest), longest)
		}
		select {
		case <-stop:
			return
		case <-time.After(tick):
		}
		now := time.Now()
		gap := now.Sub(last) - tick
		last = now
		w.looking.Lock()
		if gap > late {
			for _, p := range w.places {
				p.since = p.since.Add(gap)
			}
		}
		w.lookAt(now, true)
		w.looking.Unlock()
		last = time.Now() // asking for stacks takes time of ours
	}
}

// Settle tells of the stalls that have ended since the last tick: nothing may come after.
func (w *Watchdog) Settle() {
	w.looking.Lock()
	defer w.looking.Unlock()
	if w.Threshold() > 0 {
		w.lookAt(time.Now(), false)
	}
}

// due is a loop that has not gone on for longer than the threshold, and is to be told of.
type due struct {
	loop  loops.Loop
	pulse loops.Pulse
	at    *place
}

// lookAt looks at each loop once, and if it is asked to, tells of new stalls. It recovers: a fault of ours must not end the process.
func (w *Watchdog) lookAt(now time.Time, begin bool) {
	defer func() { _ = recover() }()
	threshold := w.Threshold()
	seen := map[int64]bool{}
	var stuck []due
	for _, l := range loops.All() {
		p, ok := l.Pulse()
		if !ok {
			continue
		}
		id := l.ID()
		seen[id] = true
		at := w.places[id]
		moved := at == nil || p.Turns != at.turns || p.Ran != at.ran
		still := p.Phase == loop.PhaseWaiting || p.Phase == loop.PhaseIdle
		if moved || still {
			w.hold(id, time.Time{}) // before it is told that it goes on: who is told may ask Held
			if at != nil && at.told != nil {
				w.ended(at, now)
			}
			w.places[id] = &place{phase: p.Phase, turns: p.Turns, ran: p.Ran, since: now}
			continue
		}
		w.hold(id, at.since)
		at.phase = p.Phase
		if begin && threshold > 0 && at.told == nil && now.Sub(at.since) >= threshold {
			stuck = append(stuck, due{l, p, at})
		}
	}
	w.stalled(stuck)
	for id, at := range w.places {
		if !seen[id] {
			w.hold(id, time.Time{})
			if at.told != nil {
				w.ended(at, now)
			}
			delete(w.places, id)
		}
	}
}

// hold notes since when a loop does not go on; a zero time: it does.
func (w *Watchdog) hold(id int64, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if since.IsZero() {
		delete(w.held, id)
	} else {
		w.held[id] = since
	}
}

// stalled tells of loops that do not go on. One that a debugger holds is asked again later.
func (w *Watchdog) stalled(stuck []due) {
	if len(stuck) == 0 {
		return
	}
	if isTraced() {
		for _, d := range stuck {
			d.at.since = time.Now()
		}
		return
	}
	pulses := make([]loops.Pulse, len(stuck))
	schedulers := make([]string, len(stuck))
	for i, d := range stuck {
		pulses[i], schedulers[i] = d.pulse, threadState(d.pulse.Native)
	}
	for i, found := range Look(w.desk, w.tracer, pulses, patience) {
		at := stuck[i].at
		if found.Debugged {
			at.since = time.Now()
			continue
		}
		at.told = stallOf(stuck[i], found)
		at.told.Scheduler = schedulers[i]
		w.mu.Lock()
		w.current[at.told.Loop] = at.told
		w.mu.Unlock()
		w.report(at.told)
	}
}

// stallOf is what can be told of a loop that does not go on.
func stallOf(d due, found Found) *Stall {
	s := &Stall{Event: "stalled", PID: os.Getpid(), Loop: d.loop.ID(), NativeID: d.pulse.Native, since: d.at.since,
		Thread: found.Name, Task: found.Task, Stack: found.Stack}
	switch d.pulse.Phase {
	case loop.PhaseGIL:
		s.State = StateGIL
	case loop.PhaseEngine:
		s.State = StateEngine
	default:
		s.State = StateNative
	}
	if found.ByPython && s.State == StateNative {
		s.State = StatePython
	}
	if len(s.Stack) > 0 {
		s.Where = s.Stack[0]
	}
	s.Seconds = time.Since(s.since).Seconds()
	return s
}

func (w *Watchdog) ended(at *place, now time.Time) {
	s := *at.told
	at.told = nil
	s.Event, s.Seconds = "ended", now.Sub(s.since).Seconds()
	w.mu.Lock()
	delete(w.current, s.Loop)
	w.mu.Unlock()
	w.report(&s)
	w.mu.Lock()
	w.told = append(w.told, s)
	if len(w.told) > keep {
		w.told = append(w.told[:0], w.told[len(w.told)-keep:]...)
	}
	w.mu.Unlock()
}

func (w *Watchdog) report(s *Stall) {
	s.Time = time.Now().Format(time.RFC3339Nano)
	w.mu.Lock()
	tell := w.tell
	w.mu.Unlock()
	if tell != nil && w.limit.allows(s) {
		tell(s)
	}
}

// limiter lets burst reports through, then one a second.
type limiter struct {
	tokens     float64
	last       time.Time
	suppressed int
}

func (l *limiter) allows(s *Stall) bool {
	now := time.Now()
	l.tokens = min(burst, l.tokens+now.Sub(l.last).Seconds())
	l.last = now
	if l.tokens < 1 {
		l.suppressed++
		return false
	}
	l.tokens--
	s.Suppressed, l.suppressed = l.suppressed, 0
	return true
}

// Found is what Look has found.
type Found struct {
	Stack    []string `json:"stack"` // innermost frame first, "file:line function" each
	Name     string   `json:"name"`  // of the thread
	Task     string   `json:"task"`
	Debugged bool     `json:"debugged"` // a Python debugger holds the thread
	ByPython bool     `json:"-"`        // false: the GIL could not be had, and a signal's handler has told
}

// Look gets the Python stacks of loops' threads: from Python, or when the GIL cannot be had, from a signal's handler.
// Both together may take twice as long as is said, however many there are, while Python answers none.
func Look(desk *asking.Desk, tracer *asking.Tracer, pulses []loops.Pulse, within time.Duration) []Found {
	questions := make([]string, len(pulses))
	for i, p := range pulses {
		questions[i] = fmt.Sprintf("stack %d %d", p.Thread, p.Interpreter)
	}
	all := make([]Found, len(pulses))
	for i, answer := range desk.Ask(questions, within) {
		f := &all[i]
		f.ByPython = answer.OK && json.Unmarshal([]byte(answer.Text), f) == nil && len(f.Stack) > 0
	}
	if !slices.ContainsFunc(all, func(f Found) bool { return !f.ByPython }) {
		return all
	}
	traced := tracer.Trace(within)
	for i, p := range pulses {
		if !all[i].ByPython {
			all[i].Stack = traced[p.Thread]
		}
	}
	return all
}

// isTraced tells whether a debugger has attached to the process.
func isTraced() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, rest, found := strings.Cut(string(status), "TracerPid:")
	return found && strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]) != "0"
}

// threadState is the letter that /proc has for a thread's state, or "".
func threadState(native int32) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", native))
	if err != nil {
		return ""
	}
	_, rest, found := strings.Cut(string(stat), ") ")
	if !found || rest == "" {
		return ""
	}
	return rest[:1]
}
