//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestTrafficAgainstEchoes: each kind of load is answered by a server that echoes, over all connections, and finds no error.
func TestTrafficAgainstEchoes(t *testing.T) {
	// The generator waits in raw system calls, of which the scheduler does not know: the servers need processors of their own,
	// and a collector that stops the world would wait for the generator, which waits for them.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	tcp, unix, secure, udp := echoing(t, "tcp", "127.0.0.1:0", nil), echoing(t, "unix", filepath.Join(t.TempDir(), "socket"), nil),
		echoing(t, "tcp", "127.0.0.1:0", selfSigned(t)), echoingDatagrams(t)
	for _, test := range []struct {
		name, mode string
		opt        options
		batched    bool
	}{
		{"echo, each by itself", "echo", options{addr: tcp}, false},
		{"echo, together", "echo", options{addr: tcp, batch: true}, true},
		{"echo of what is too much for a batch", "echo", options{addr: tcp, batch: true, size: 100_000}, false},
		{"echo over a Unix socket, each by itself", "echo", options{addr: "unix:" + unix}, false},
		{"echo over a Unix socket, together", "echo", options{addr: "unix:" + unix, batch: true}, true},
		{"datagrams, each by itself", "datagram", options{addr: udp}, false},
		{"datagrams, two outstanding", "datagram", options{addr: udp, depth: 2}, false},
		{"datagrams, together", "datagram", options{addr: udp, batch: true}, true},
		{"open loop", "open", options{addr: tcp, rate: 5000, seed: 1}, false},
		{"TLS", "tls", options{addr: secure}, false},
		{"TLS handshakes", "handshake", options{addr: secure}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			opt := test.opt
			opt.conns, opt.depth, opt.size = 4, max(opt.depth, 1), max(opt.size, 512)
			opt.seconds = 50 * time.Millisecond
			m := newMeter(opt.conns)
			kind := modes[test.mode](&opt, m)
			result, err := measure(kind, m, &opt) // fails unless each connection of a closed loop has been answered
			if err != nil {
				t.Fatal(err)
			}
			if result.Errors != 0 {
				t.Errorf("%d errors: %s", result.Errors, result.Reason)
			}
			if open, ok := kind.(*openLoop); ok && (m.latency.total == 0 || open.outstanding() > 0) {
				t.Errorf("%d latencies, %d messages without an answer", m.latency.total, open.outstanding())
			}
			if result.Batched != test.batched {
				if test.batched {
					t.Skip("no io_uring here")
				}
				t.Error("one system call served several connections")
			}
		})
	}
}

// echoing serves until the test ends, and returns where.
func echoing(t *testing.T, network, addr string, config *tls.Config) string {
	listener, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	serving := listener
	if config != nil {
		serving = tls.NewListener(listener, config)
	}
	go func() {
		for {
			conn, err := serving.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func echoingDatagrams(t *testing.T) string {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for buffer := make([]byte, 1<<16); ; {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			conn.WriteTo(buffer[:n], from)
		}
	}()
	return conn.LocalAddr().String()
}

func selfSigned(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
