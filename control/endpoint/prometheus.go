package endpoint

import (
	"fmt"
	"strings"
	"time"

	"goloop/control/loops"
	"goloop/loop"
)

// measure is one metric of each loop.
type measure struct {
	name, kind, help string
	of               func(*loops.Snapshot) float64
}

var measures = []measure{
	{"goloop_callbacks_total", "counter", "Callbacks that have begun.", func(s *loops.Snapshot) float64 { return float64(s.Callbacks) }},
	{"goloop_ready_callbacks", "gauge", "Callbacks that were ready when the last turn began.", func(s *loops.Snapshot) float64 { return float64(s.Ready) }},
	{"goloop_ready_callbacks_most", "gauge", "The same of the longest turn.", func(s *loops.Snapshot) float64 { return float64(s.MostReady) }},
	{"goloop_turns_total", "counter", "Turns that asked the engine or the selector.", func(s *loops.Snapshot) float64 { return float64(s.Turns) }},
	{"goloop_wait_seconds_total", "counter", "Time in the selector, with nothing to do.", func(s *loops.Snapshot) float64 { return s.WaitSeconds }},
	{"goloop_engine_seconds_total", "counter", "Time in the engine, estimated from each 64th of its turns.", func(s *loops.Snapshot) float64 { return s.EngineSeconds }},
	{"goloop_python_seconds_total", "counter", "Time in callbacks and in waits for the GIL.", func(s *loops.Snapshot) float64 { return s.PythonSeconds }},
	{"goloop_timers", "gauge", "Timers that are not due.", func(s *loops.Snapshot) float64 { return float64(s.Timers) }},
	{"goloop_timers_fired_total", "counter", "Timers whose turn came.", func(s *loops.Snapshot) float64 { return float64(s.TimersFired) }},
	{"goloop_timers_cancelled_total", "counter", "Timers that were cancelled after the engine had taken them.", func(s *loops.Snapshot) float64 { return float64(s.TimersGone) }},
	{"goloop_paused_transports", "gauge", "Transports that are not read.", func(s *loops.Snapshot) float64 { return float64(s.Paused) }},
	{"goloop_lookups", "gauge", "Names that are being looked up.", func(s *loops.Snapshot) float64 { return float64(s.Lookups) }},
	{"goloop_children", "gauge", "Child processes that are watched.", func(s *loops.Snapshot) float64 { return float64(s.Children) }},
	{"goloop_queued_bytes", "gauge", "Bytes that transports have taken and the kernel has not.", func(s *loops.Snapshot) float64 { return float64(s.QueuedBytes) }},
	{"goloop_accepts_total", "counter", "Connections accepted.", func(s *loops.Snapshot) float64 { return float64(s.Accepts) }},
	{"goloop_accept_failures_total", "counter", "Failures of accept(2), such as for want of descriptors.", func(s *loops.Snapshot) float64 { return float64(s.AcceptFailures) }},
	{"goloop_reads_total", "counter", "Reads that brought something.", func(s *loops.Snapshot) float64 { return float64(s.Reads) }},
	{"goloop_read_bytes_total", "counter", "Bytes read.", func(s *loops.Snapshot) float64 { return float64(s.ReadBytes) }},
	{"goloop_writes_total", "counter", "Writes that the kernel took.", func(s *loops.Snapshot) float64 { return float64(s.Writes) }},
	{"goloop_written_bytes_total", "counter", "Bytes written.", func(s *loops.Snapshot) float64 { return float64(s.WriteBytes) }},
	{"goloop_full_rings_total", "counter", "Completions that found no room.", func(s *loops.Snapshot) float64 { return float64(s.FullRings) }},
	{"goloop_batches_total", "counter", "System calls of io_uring that served several sockets.", func(s *loops.Snapshot) float64 { return float64(s.Batches) }},
}

// coarse are the bounds of the histograms as they are told: of each fourth place, for what reads them keeps a
// series for each.
const coarse = 4

// prometheus is the text format 0.0.4.
func prometheus(all []loops.Snapshot, held map[int64]time.Duration) string {
	var out strings.Builder
	for _, m := range measures {
		fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
		for i := range all {
			fmt.Fprintf(&out, "%s{loop=\"%d\"} %g\n", m.name, all[i].Loop, m.of(&all[i]))
		}
	}
	out.WriteString("# HELP goloop_transports Open descriptors.\n# TYPE goloop_transports gauge\n")
	for _, s := range all {
		for _, each := range []struct {
			kind string
			n    int
		}{{"stream", s.Streams}, {"pipe", s.Pipes}, {"datagram", s.Datagrams}, {"server", s.Servers}, {"watched", s.Watched}} {
			fmt.Fprintf(&out, "goloop_transports{loop=\"%d\",kind=\"%s\"} %d\n", s.Loop, each.kind, each.n)
		}
	}
	out.WriteString("# HELP goloop_held_seconds How long the loop has not gone on; 0 when it does.\n# TYPE goloop_held_seconds gauge\n")
	for _, s := range all {
		fmt.Fprintf(&out, "goloop_held_seconds{loop=\"%d\"} %g\n", s.Loop, held[s.Loop].Seconds())
	}
	histogram(&out, "goloop_lag_seconds", "By how much timers were late.", all, func(s *loops.Snapshot) *loop.Histogram {
		return s.Lag.Histogram()
	})
	histogram(&out, "goloop_callback_seconds", "Times of callbacks, of each 256th.", all, func(s *loops.Snapshot) *loop.Histogram {
		return s.CallbackTimes.Histogram()
	})
	return out.String()
}

func histogram(out *strings.Builder, name, help string, all []loops.Snapshot, of func(*loops.Snapshot) *loop.Histogram) {
	fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name)
	for i := range all {
		h := of(&all[i])
		var below uint64
		for place, n := range h.Counts {
			below += n
			if place%coarse == 0 && place < loop.Places-1 {
				fmt.Fprintf(out, "%s_bucket{loop=\"%d\",le=\"%g\"} %d\n", name, all[i].Loop, loop.Below(place).Seconds(), below)
			}
		}
		fmt.Fprintf(out, "%s_bucket{loop=\"%d\",le=\"+Inf\"} %d\n", name, all[i].Loop, below)
		fmt.Fprintf(out, "%s_sum{loop=\"%d\"} %g\n%s_count{loop=\"%d\"} %d\n", name, all[i].Loop, h.Sum.Seconds(), name, all[i].Loop, below)
	}
}
