// Package endpoint answers questions about the process's loops over a socket, by HTTP, from goroutines that need no GIL. Nothing
// that can be asked changes anything.
package endpoint

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"goloop/control/asking"
	"goloop/control/loops"
	"goloop/control/watchdog"
)

const (
	pythonWait = 30 * time.Millisecond // how long a page waits for Python to tell any loop's tasks,
	stackWait  = 20 * time.Millisecond // or stack,
	gilTurn    = 5 * time.Millisecond  // and this longer for each further loop that is stuck: sys.getswitchinterval(), for they may take turns with the GIL
	gilTurns   = 3                     // but for so many at most
)

// stretched is how long to wait while so many loops are stuck.
func stretched(wait time.Duration, stuck int) time.Duration {
	return wait + gilTurn*time.Duration(min(max(0, stuck-1), gilTurns))
}

// Pages are what can be asked for.
type Pages struct {
	Desk    *asking.Desk
	Tracer  *asking.Tracer
	Dog     *watchdog.Watchdog
	Stuck   time.Duration // from when on a loop that does not go on is ill
	Version string

	mu    sync.Mutex
	tasks map[int64]told // by loop: what Python last told
	stack map[int64]told
}

// told is what was told, and when.
type told struct {
	text json.RawMessage
	at   time.Time
}

// Serve begins to answer at an address: a path, or HOST:PORT. Errors: the system's.
func (p *Pages) Serve(address string) (*Server, error) {
	p.tasks, p.stack = map[int64]told{}, map[int64]told{}
	return serve(address, p.answer)
}

func (p *Pages) answer(r request) answer {
	switch r.path {
	case "/":
		return text(200, index)
	case "/metrics":
		return answer{200, "text/plain; version=0.0.4; charset=utf-8", prometheus(loops.TakeAll(), p.Dog.Held())}
	case "/loops":
		return page(loops.TakeAll())
	case "/transports":
		return page(p.transports())
	case "/tasks":
		return page(p.allTasks())
	case "/stack":
		return page(p.stacks())
	case "/stalls":
		return page(p.Dog.Stalls())
	case "/healthz":
		return p.health(r)
	case "/info":
		return page(map[string]any{"goloop": p.Version, "pid": os.Getpid(), "threshold": p.Dog.Threshold().Seconds(), "stuck": p.Stuck.Seconds()})
	}
	return text(404, "there is no such page\n\n"+index)
}

const index = `goloop: what can be known of this process's event loops

/loops       each loop: its metrics
/metrics     the same for Prometheus
/transports  each loop's descriptors
/tasks       each loop's tasks with their stacks
/stack       the stack of each loop's thread
/stalls      what holds a loop now, and the last hundred that have
/healthz     503 when a loop is stuck: ?stuck=SECONDS
/info        this process
`

func page(v any) answer { return answer{200, "application/json", encoded(v)} }

// encoded is v as JSON; v has nothing that JSON has not.
func encoded(v any) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return out.String()
}

// health is 503 when a loop has not gone on for too long.
func (p *Pages) health(r request) answer {
	limit := p.Stuck
	if given := r.query.Get("stuck"); given != "" {
		seconds, err := strconv.ParseFloat(given, 64)
		if err != nil || !(seconds > 0) || seconds > 1e9 {
			return text(400, "stuck is a number of seconds above zero\n")
		}
		limit = time.Duration(seconds * float64(time.Second))
	}
	var ill []string
	for id, held := range p.Dog.Held() {
		if held >= limit {
			ill = append(ill, fmt.Sprintf("loop %d does not go on for %.2f s\n", id, held.Seconds()))
		}
	}
	if ill != nil {
		return text(503, strings.Join(ill, ""))
	}
	return text(200, "ok\n")
}

// Transport is one descriptor of a loop.
type Transport struct {
	Fd     int32   `json:"fd"`
	Kind   string  `json:"kind"`
	State  string  `json:"state"`
	Queued int64   `json:"queued_bytes"`
	Age    float64 `json:"age"`
	Local  string  `json:"local"`
	Peer   string  `json:"peer"`
}

type transportsOf struct {
	Loop       int64       `json:"loop"`
	Transports []Transport `json:"transports"`
}

func (p *Pages) transports() []transportsOf {
	all := []transportsOf{}
	for _, l := range loops.All() {
		o, _ := l.Observe(true)
		one := transportsOf{Loop: l.ID(), Transports: []Transport{}}
		for _, d := range o.Peers {
			local, _ := syscall.Getsockname(int(d.Fd))
			peer, _ := syscall.Getpeername(int(d.Fd))
			one.Transports = append(one.Transports, Transport{d.Fd, d.Kind, d.State, d.Queued, d.Age.Seconds(), said(local), said(peer)})
		}
		all = append(all, one)
	}
	return all
}

// said is an address as people write it.
func said(a syscall.Sockaddr) string {
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return fmt.Sprintf("%d.%d.%d.%d:%d", a.Addr[0], a.Addr[1], a.Addr[2], a.Addr[3], a.Port)
	case *syscall.SockaddrInet6:
		var parts []string
		for i := 0; i < 16; i += 2 {
			parts = append(parts, strconv.FormatUint(uint64(a.Addr[i])<<8|uint64(a.Addr[i+1]), 16))
		}
		return fmt.Sprintf("[%s]:%d", strings.Join(parts, ":"), a.Port)
	case *syscall.SockaddrUnix:
		return a.Name
	}
	return ""
}

type answered struct {
	Loop  int64           `json:"loop"`
	Fresh bool            `json:"fresh"` // false: the GIL could not be had; what follows is so old, or was told by a signal's handler
	Age   float64         `json:"age"`   // seconds
	Tasks json.RawMessage `json:"tasks,omitempty"`
	Stack json.RawMessage `json:"stack,omitempty"`
	Held  float64         `json:"held_seconds"`
}

func (p *Pages) allTasks() []answered {
	open := loops.All()
	questions := make([]string, len(open))
	for i, l := range open {
		questions[i] = fmt.Sprintf("tasks %d", l.ID())
	}
	all := []answered{}
	for i, got := range p.Desk.Ask(questions, stretched(pythonWait, len(p.Dog.Held()))) {
		one := answered{Loop: open[i].ID(), Fresh: got.OK && json.Valid([]byte(got.Text))}
		one.Tasks, one.Age = p.last(p.tasks, one.Loop, got.Text, one.Fresh)
		all = append(all, one)
	}
	return all
}

// last is what was told of a loop last, and how many seconds ago: text, if it is news.
func (p *Pages) last(known map[int64]told, loop int64, text string, news bool) (json.RawMessage, float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if news {
		known[loop] = told{json.RawMessage(text), time.Now()}
	}
	if last, ok := known[loop]; ok {
		return last.text, time.Since(last.at).Seconds()
	}
	return json.RawMessage("[]"), 0
}

func (p *Pages) stacks() []answered {
	held := p.Dog.Held()
	all := []answered{}
	var pulses []loops.Pulse
	for _, l := range loops.All() {
		if pulse, ok := l.Pulse(); ok {
			pulses = append(pulses, pulse)
			all = append(all, answered{Loop: l.ID(), Held: held[l.ID()].Seconds()})
		}
	}
	for i, found := range watchdog.Look(p.Desk, p.Tracer, pulses, stretched(stackWait, len(held))) {
		one := &all[i]
		one.Fresh = found.ByPython
		one.Stack, one.Age = p.last(p.stack, one.Loop, encoded(found.Stack), len(found.Stack) > 0)
	}
	return all
}
