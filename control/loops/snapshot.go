package loops

import (
	"time"

	"goloop/loop"
)

// Snapshot is one loop at one moment. Times are in seconds.
type Snapshot struct {
	Loop        int64  `json:"loop"`
	Selector    string `json:"selector"`
	Phase       string `json:"phase"`
	Native      int32  `json:"native_id"`
	Thread      uint64 `json:"thread"`
	Interpreter int64  `json:"interpreter"`

	Callbacks     uint64    `json:"callbacks"`
	CallbackTimes Quantiles `json:"callback_times"`
	Ready         uint64    `json:"ready"`
	MostReady     uint64    `json:"most_ready"`

	Age            float64   `json:"age"`
	Turns          uint64    `json:"turns"`
	WaitSeconds    float64   `json:"wait_seconds"`
	EngineSeconds  float64   `json:"engine_seconds"`
	PythonSeconds  float64   `json:"python_seconds"`
	Lag            Quantiles `json:"lag"`
	Timers         int       `json:"timers"`
	TimersAdded    uint64    `json:"timers_added"`
	TimersFired    uint64    `json:"timers_fired"`
	TimersGone     uint64    `json:"timers_cancelled"`
	Streams        int       `json:"streams"`
	Pipes          int       `json:"pipes"`
	Datagrams      int       `json:"datagrams"`
	Servers        int       `json:"servers"`
	Watched        int       `json:"watched"`
	Paused         int       `json:"paused"`
	Lookups        int       `json:"lookups"`
	Children       int       `json:"children"`
	QueuedBytes    int64     `json:"queued_bytes"`
	Accepts        uint64    `json:"accepts"`
	AcceptFailures uint64    `json:"accept_failures"`
	Reads          uint64    `json:"reads"`
	ReadBytes      uint64    `json:"read_bytes"`
	Writes         uint64    `json:"writes"`
	WriteBytes     uint64    `json:"write_bytes"`
	Submissions    uint64    `json:"submissions"`
	Completions    uint64    `json:"completions"`
	FullRings      uint64    `json:"full_rings"`
	Batches        uint64    `json:"batches"`
}

// Quantiles tells of many times.
type Quantiles struct {
	Count   uint64         `json:"count"`
	Sum     float64        `json:"sum"`
	P50     float64        `json:"p50"`
	P90     float64        `json:"p90"`
	P99     float64        `json:"p99"`
	P999    float64        `json:"p999"`
	Buckets []Bucket       `json:"buckets"` // those with something in them
	h       loop.Histogram // what they are of
}

// Bucket is how many times were shorter than so many seconds, and no shorter than the bucket before.
type Bucket struct {
	Below float64 `json:"below"` // 0 for the last: no bound
	Count uint64  `json:"count"`
}

// Histogram is what the quantiles are of.
func (q *Quantiles) Histogram() *loop.Histogram { return &q.h }

func quantiles(h loop.Histogram) Quantiles {
	q := Quantiles{Count: h.Total(), Sum: h.Sum.Seconds(), Buckets: []Bucket{}, h: h}
	at := func(share float64) float64 { return bound(h.Quantile(share)) }
	q.P50, q.P90, q.P99, q.P999 = at(0.5), at(0.9), at(0.99), at(0.999)
	for i, n := range h.Counts {
		if n > 0 {
			q.Buckets = append(q.Buckets, Bucket{bound(loop.Below(i)), n})
		}
	}
	return q
}

// bound is d in seconds; without a bound, that of the place before.
func bound(d time.Duration) float64 {
	if d > time.Hour {
		return loop.Below(loop.Places - 2).Seconds()
	}
	return d.Seconds()
}

var phases = [...]string{"idle", "python", "engine", "waiting", "gil"}

// PhaseName is the word for a phase.
func PhaseName(phase uint32) string {
	if int(phase) < len(phases) {
		return phases[phase]
	}
	return "unknown"
}

// Take makes a snapshot. false: the loop is closed.
func Take(l Loop) (s Snapshot, ok bool) {
	p, ok := l.Pulse()
	if !ok {
		return s, false
	}
	s = Snapshot{Loop: l.ID(), Selector: l.Selector(), Phase: PhaseName(p.Phase), Native: p.Native, Thread: p.Thread, Interpreter: p.Interpreter,
		Callbacks: p.Ran, CallbackTimes: quantiles(p.Taken), Ready: p.Ready, MostReady: p.MostReady}
	o, ok := l.Observe(false)
	if !ok {
		return s, false
	}
	st, m, c := &o.Stats, &o.Meters, &o.Census
	s.Age = o.Age.Seconds()
	s.Turns, s.WaitSeconds, s.EngineSeconds = st.Turns, m.Waiting.Seconds(), m.Engine.Seconds()
	s.PythonSeconds = pythonSeconds(s.Loop, max(0, p.Running.Seconds()-s.WaitSeconds-s.EngineSeconds))
	lag := m.Lag
	lag.Merge(&p.Late)
	s.Lag = quantiles(lag)
	s.Timers, s.TimersAdded, s.TimersFired, s.TimersGone = c.Timers, st.TimersAdded+p.Late.Total(), st.TimersFired+p.Late.Total(), st.TimersCancelled
	s.Streams, s.Pipes, s.Datagrams, s.Servers, s.Watched = c.Streams, c.Pipes, c.Datagrams, c.Servers, c.Watched
	s.Paused, s.Lookups, s.Children, s.QueuedBytes = c.Paused, c.Lookups, c.Children, c.QueuedBytes
	s.Accepts, s.AcceptFailures = st.Accepts, m.AcceptFailures
	s.Reads, s.ReadBytes, s.Writes, s.WriteBytes = st.Reads, st.ReadBytes, st.Writes, st.WriteBytes
	s.Submissions, s.Completions, s.FullRings, s.Batches = st.Submissions, st.Completions, st.Overflowing, st.Batches
	return s, true
}

// TakeAll makes a snapshot of each open loop.
func TakeAll() []Snapshot {
	all := []Snapshot{}
	for _, l := range All() {
		if s, ok := Take(l); ok {
			all = append(all, s)
		}
	}
	return all
}
