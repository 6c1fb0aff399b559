//go:build linux

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// traffic is one kind of load.
type traffic interface {
	// open connects everything, registers it with p and sends what comes first.
	open(p *poller) error
	// ready handles the events of one connection.
	ready(index int, events uint32) error
	// close checks what can only be checked at the end, and closes every connection.
	close() error
}

// gatherer is of traffic that handles a wait's events together.
type gatherer interface {
	readyAll(events []unix.EpollEvent) error
}

// meter is what traffic counts into; it starts anew with the window.
type meter struct {
	latency  histogram
	requests uint64
	bytes    uint64 // payload, one direction
	errors   uint64 // never starts anew
	reason   string // of the first error

	answered   []bool // by connection, since open or since the window began
	unanswered int
}

func newMeter(conns int) *meter { return &meter{answered: make([]bool, conns), unanswered: conns} }

// reset begins the window.
func (m *meter) reset() {
	m.latency.reset()
	m.requests, m.bytes = 0, 0
	clear(m.answered)
	m.unanswered = len(m.answered)
}

// count counts one answer of a connection.
func (m *meter) count(index, bytes int) {
	m.requests++
	m.bytes += uint64(bytes)
	if !m.answered[index] {
		m.answered[index] = true
		m.unanswered--
	}
}

// fail counts an error that the load survives.
func (m *meter) fail(format string, args ...any) {
	if m.errors == 0 {
		m.reason = fmt.Sprintf(format, args...)
	}
	m.errors++
}

// result is the line that is printed. Latencies are in µs, processor times in seconds within the window.
type result struct {
	Mode         string  `json:"mode"`
	Requests     uint64  `json:"requests"`
	Bytes        uint64  `json:"bytes"`
	Seconds      float64 `json:"seconds"`
	Rps          float64 `json:"rps"`
	P50          float64 `json:"p50_us"`
	P90          float64 `json:"p90_us"`
	P99          float64 `json:"p99_us"`
	P999         float64 `json:"p999_us"`
	Max          float64 `json:"max_us"`
	Starved      int     `json:"starved"` // connections without an answer in the window
	Errors       uint64  `json:"errors"`
	Reason       string  `json:"reason,omitempty"`
	ServerCPU    float64 `json:"server_cpu_s"`
	ServerUser   float64 `json:"server_user_s"`
	ServerSystem float64 `json:"server_system_s"`
	ClientCPU    float64 `json:"client_cpu_s"`
	LateP99      float64 `json:"late_p99_us,omitempty"` // of the open loop: from due to sent
	Batched      bool    `json:"batched"`               // whether one system call served several connections
}

// patience is how long every connection may wait for its first answer: as long as the harness waits for a server.
const patience = 30 * time.Second

// measure runs the lead, which lasts at least until every connection was answered once, then the window, and reports the
// window.
func measure(t traffic, m *meter, opt *options) (result, error) {
	p, err := newPoller()
	if err != nil {
		return result{}, err
	}
	if err = t.open(p); err != nil {
		return result{}, err
	}
	opened := now()
	if err = turn(t, p, opened+int64(opt.lead)); err != nil {
		return result{}, err
	}
	clock, byClock := t.(punctual)
	for m.unanswered > 0 && !byClock { // what comes by the clock would only pile up
		if now() > opened+int64(patience) {
			return result{}, fmt.Errorf("%d of %d connections had no answer within %v", m.unanswered, opt.conns, patience)
		}
		if err = turn(t, p, now()+int64(10*time.Millisecond)); err != nil {
			return result{}, err
		}
	}
	var server, client cpuTimes
	if opt.pid != 0 {
		if server, err = cpuOf(opt.pid); err != nil {
			return result{}, err
		}
	}
	if client, err = cpuOf(0); err != nil {
		return result{}, err
	}
	m.reset()
	if byClock {
		clock.begin()
	}
	start := now()
	if err = turn(t, p, start+int64(opt.seconds)); err != nil {
		return result{}, err
	}
	seconds := time.Duration(now() - start).Seconds()
	if opt.pid != 0 {
		end, err := cpuOf(opt.pid)
		if err != nil {
			return result{}, err
		}
		server = end.sub(server)
	}
	end, err := cpuOf(0)
	if err != nil {
		return result{}, err
	}
	requests, bytes, starved := m.requests, m.bytes, m.unanswered
	if err = settle(t, p); err != nil {
		return result{}, err
	}
	if err = t.close(); err != nil {
		return result{}, err
	}
	_, batched := t.(gatherer)
	var late float64
	if open, ok := t.(*openLoop); ok {
		late = open.late.quantile(0.99)
	}
	return result{
		Batched: batched, LateP99: late,
		Requests: requests, Bytes: bytes, Seconds: seconds, Rps: float64(requests) / seconds,
		P50: m.latency.quantile(0.5), P90: m.latency.quantile(0.9), P99: m.latency.quantile(0.99),
		P999: m.latency.quantile(0.999), Max: m.latency.quantile(1),
		Starved: starved, Errors: m.errors, Reason: m.reason,
		ServerCPU: server.total.Seconds(), ServerUser: server.user.Seconds(), ServerSystem: server.system.Seconds(),
		ClientCPU: end.sub(client).total.Seconds(),
	}, nil
}

// turn handles events until the clock shows until (ns).
func turn(t traffic, p *poller, until int64) error {
	clock, byClock := t.(punctual)
	for {
		left := until - now()
		if left <= 0 {
			return nil
		}
		if byClock {
			if err := clock.sendDue(); err != nil {
				return err
			}
			left = 0
		}
		if err := pollOnce(t, p, time.Duration(left)); err != nil {
			return err
		}
	}
}

// pollOnce handles what is ready within d.
func pollOnce(t traffic, p *poller, d time.Duration) error {
	events, err := p.wait(d)
	if err != nil {
		return err
	}
	if all, ok := t.(gatherer); ok {
		return all.readyAll(events)
	}
	for i := range events {
		if err := t.ready(int(events[i].Fd), events[i].Events); err != nil {
			return err
		}
	}
	return nil
}
