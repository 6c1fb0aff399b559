//go:build linux

// Command loadgen drives one benchmark server over loopback and prints one line of JSON.
//
// It knows sockets, epoll and the few protocols it speaks; it knows nothing of Python or of the loop behind the
// server. Everything runs on one goroutine locked to one thread, with raw system calls, no garbage collection and no
// allocation per request, so that one core of load generator is worth more than one core of server. Nothing here
// is safe for a second goroutine.
//
// A server that answers wrongly (another connection's bytes, lost bytes, a refused connection) shows in "errors": the
// harness reports such a row as failed.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// options is what the command line says.
type options struct {
	addr    string
	conns   int
	size    int
	depth   int
	lead    time.Duration // load that is not counted, before the window
	seconds time.Duration // length of the window
	pid     int           // server whose processor time is read at both ends of the window, 0 for none
	path    string        // target of the HTTP requests
	rate    float64       // messages a second of the open loop
	seed    uint64        // of its schedule
	batch   bool          // one system call for all that is ready, where that gains something; otherwise each by itself
}

// modes names every kind of traffic.
var modes = map[string]func(*options, *meter) traffic{
	"echo":      newEchoBatch,     // closed loop: -conns connections, -depth messages of -size bytes outstanding on each
	"open":      newOpenLoop,      // open loop: -rate messages of -size bytes a second come by themselves, over -conns connections
	"upload":    newUpload,        // client sends, server counts
	"download":  newDownload,      // server sends, client counts
	"close":     newClose,         // connect, one request, one reply, closed by the server
	"http":      newHTTP,          // keep-alive GET
	"handshake": newHandshakes,    // connect, a whole TLS handshake, one message and back, reset
	"websocket": newWebsockets,    // echo of binary messages through WebSocket
	"tls":       newTLS,           // echo through TLS, certificate not verified
	"datagram":  newDatagramBatch, // closed loop over UDP: -conns peers, -depth messages outstanding on each
}

func main() {
	runtime.LockOSThread()
	// The only goroutine waits in raw system calls, in which the collector could not stop it. Nothing allocates per
	// request (TLS: a little), so the limit is a safety net that is not reached.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(2 << 30)

	var opt options
	mode := flag.String("mode", "echo", "echo, open, upload, download, close, http, tls, handshake, websocket, datagram or idle")
	flag.StringVar(&opt.addr, "addr", "", "127.0.0.1:PORT or unix:PATH")
	flag.IntVar(&opt.conns, "conns", 10, "connections")
	flag.IntVar(&opt.size, "size", 1024, "bytes of a message, or of one write of a bulk transfer")
	flag.IntVar(&opt.depth, "depth", 1, "messages outstanding on each connection (echo)")
	flag.DurationVar(&opt.lead, "lead", 200*time.Millisecond, "load before the measured window")
	flag.DurationVar(&opt.seconds, "seconds", 1500*time.Millisecond, "the measured window")
	flag.IntVar(&opt.pid, "pid", 0, "server process whose processor time is reported")
	flag.StringVar(&opt.path, "path", "/", "HTTP target")
	flag.Float64Var(&opt.rate, "rate", 0, "messages a second, of all connections together (open)")
	flag.Uint64Var(&opt.seed, "seed", 1, "of the schedule (open)")
	flag.BoolVar(&opt.batch, "batch", false, "one system call for all that is ready (echo and datagram, of small messages)")
	flag.Parse()

	if err := run(*mode, &opt); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func run(mode string, opt *options) error {
	if opt.addr == "" || opt.conns < 1 || opt.size < 1 || opt.depth < 1 {
		return fmt.Errorf("-addr is needed, and -conns, -size and -depth of 1 or more")
	}
	if mode == "idle" {
		return idle(opt)
	}
	kind, ok := modes[mode]
	if !ok {
		return fmt.Errorf("unknown mode %q", mode)
	}
	m := newMeter(opt.conns)
	out, err := measure(kind(opt, m), m, opt)
	if err != nil {
		return err
	}
	out.Mode = mode
	return json.NewEncoder(os.Stdout).Encode(out)
}
