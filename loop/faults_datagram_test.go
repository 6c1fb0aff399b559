//go:build unix && faults

package loop

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

const (
	receivingDatagrams = "recvmmsg"
	sendingDatagrams   = "sendto|sendmmsg"
)

// packetsOf takes the datagrams that fd has.
func packetsOf(t testing.TB, fd int) (got []string) {
	t.Helper()
	b := make([]byte, maxPacket)
	for {
		n, err := unix.Read(fd, b)
		if err == unix.EAGAIN {
			return got
		}
		if err != nil {
			t.Fatal("read:", err)
		}
		got = append(got, string(b[:n]))
	}
}

func texts(packets []packet) (got []string) {
	for _, p := range packets {
		got = append(got, p.data)
	}
	return got
}

// TestReceivingDatagramsFails: an error is told once for each call, nothing is lost, and the socket goes on.
func TestReceivingDatagramsFails(t *testing.T) {
	eachErrno(t, func(t *testing.T, errno syscall.Errno) {
		onEveryBackend(t, func(t *testing.T, r *rig) {
			a, b := datagramPair(t)
			s := r.datagram(a, 1)
			want := []string{"one", "", "three"}
			for _, text := range want {
				put(t, b, []byte(text))
			}
			plan := arm(t, sys.Fault{Name: receivingDatagrams, Fd: a, Times: 2, Errno: errno})
			if got := texts(r.awaitPackets(s, 3)); !slices.Equal(got, want) {
				t.Errorf("came %q", got)
			}
			expectMet(t, plan, 2)
			expectErrors(t, r, s, errno, FlagRead, 2)
		})
	})
}

func expectErrors(t *testing.T, r *rig, s pair, errno syscall.Errno, direction uint16, n int) {
	t.Helper()
	if waits(errno) {
		n = 0
	}
	for _, c := range r.inbox {
		if c.Kind == Error && (syscall.Errno(c.Res) != errno || c.Flags != direction) {
			t.Errorf("Error %v, flags %#x", syscall.Errno(c.Res), c.Flags)
		}
	}
	if got := r.count(Error, s); got != n {
		t.Errorf("%d errors, want %d", got, n)
	}
}

func TestReceivingDatagramsComesBackShort(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := datagramPair(t)
		s := r.datagram(a, 1)
		want := []string{"one", "two", "", "four", "five"}
		for _, text := range want {
			put(t, b, []byte(text))
		}
		arm(t, sys.Fault{Name: receivingDatagrams, Fd: a, Times: sys.Always, N: 2})
		if got := texts(r.awaitPackets(s, len(want))); !slices.Equal(got, want) {
			t.Errorf("came %q", got)
		}
		expectErrors(t, r, s, 0, 0, 0)
	})
}

// TestSendingDatagramsFails: each call that fails costs the datagram that it began with, which is told; the others leave,
// in order and once.
func TestSendingDatagramsFails(t *testing.T) {
	for _, queued := range []bool{false, true} {
		for _, count := range []int{1, 4} {
			eachErrno(t, func(t *testing.T, errno syscall.Errno) {
				onEveryBackend(t, func(t *testing.T, r *rig) {
					a, b := datagramPair(t)
					s := r.datagram(a, 1)
					r.turn(0)
					if queued {
						stuff(t, a)
					}
					var want []string
					for i := range count {
						want = append(want, fmt.Sprint("datagram ", i))
						r.send(s, []byte(want[i]), nil)
					}
					if queued {
						r.turn(0)
						packetsOf(t, b)
					}
					r.inbox = nil
					plan := arm(t, sys.Fault{Name: sendingDatagrams, Fd: a, Errno: errno})
					r.turn(TurnPoll)
					for r.buffered[s] > 0 {
						r.turn(TurnPoll)
					}
					expectMet(t, plan, 1)
					if !waits(errno) {
						want = want[1:]
					}
					if got := packetsOf(t, b); !slices.Equal(got, want) {
						t.Errorf("the peer got %q", got)
					}
					expectErrors(t, r, s, errno, FlagWrite, 1)
					r.settled()
				})
			})
		}
	}
}

// stuff fills a socket: what the engine is to send next has to wait.
func stuff(t *testing.T, a int) {
	t.Helper()
	for range 10_000 {
		if _, err := unix.Write(a, []byte("in the way")); err != nil {
			return
		}
	}
	t.Fatal("the socket is never full")
}

func TestSendingDatagramsComesBackShort(t *testing.T) {
	for _, queued := range []bool{false, true} {
		onEveryBackend(t, func(t *testing.T, r *rig) {
			a, b := datagramPair(t)
			s := r.datagram(a, 1)
			r.turn(0)
			if queued {
				stuff(t, a)
			}
			var want []string
			for i := range 7 {
				want = append(want, fmt.Sprint("datagram ", i))
				r.send(s, []byte(want[i]), nil)
			}
			if queued {
				r.turn(0)
				packetsOf(t, b)
			}
			arm(t, sys.Fault{Name: sendingDatagrams, Fd: a, Times: sys.Always, N: 2})
			for r.turn(TurnPoll); r.buffered[s] > 0; r.turn(TurnPoll) {
			}
			if got := packetsOf(t, b); !slices.Equal(got, want) {
				t.Errorf("the peer got %q", got)
			}
			expectErrors(t, r, s, 0, 0, 0)
			r.settled()
		})
	}
}

// TestDatagramSocketCannotBeWatched: it is told as the end of the socket, for it could neither be read nor send what waits.
func TestDatagramSocketCannotBeWatched(t *testing.T) {
	for _, queued := range []bool{false, true} {
		onEveryBackend(t, func(t *testing.T, r *rig) {
			if r.Selector().Name() == "kqueue" {
				t.Skip("a change has the queue's descriptor")
			}
			a, _ := datagramPair(t)
			s := r.datagram(a, 1)
			r.turn(0)
			if queued {
				stuff(t, a)
				r.send(s, []byte("waits"), nil)
			} else {
				r.op(OpDetach, s)
				r.turn(0)
				s = r.datagram(a, 2)
			}
			plan := arm(t, sys.Fault{Name: registering, Fd: a, Errno: syscall.ENOMEM})
			r.turn(0)
			expectMet(t, plan, 1)
			r.expectError(s, syscall.ENOMEM, FlagRead|FlagFatal)
			r.settled()
		})
	}
}

// TestDatagramSocketOfUnknownName: a long datagram is not cut because the system does not tell what the socket is.
func TestDatagramSocketOfUnknownName(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := datagramPair(t)
		arm(t, sys.Fault{Name: "getsockname", Fd: a, Errno: syscall.ENOBUFS})
		s := r.datagram(a, 1)
		r.turn(0)
		long := pattern(maxPacket + 5000)
		put(t, b, long)
		if got := r.awaitPackets(s, 1)[0].data; got != string(long) {
			t.Errorf("%d bytes came of %d", len(got), len(long))
		}
	})
}

// TestDatagramsInBadWeather: whatever a call says, each datagram is received once, or told as failed; in order.
func TestDatagramsInBadWeather(t *testing.T) {
	for seed := range uint64(10) {
		onEveryBackendWith(t, settings{ring: 64}, func(t *testing.T, r *rig) {
			a, b := datagramPair(t)
			s, p := r.datagram(a, 1), r.datagram(b, 2)
			random := rand.New(rand.NewPCG(seed, 6))
			failed := 0
			sys.Inject(func(c sys.Call) (int, syscall.Errno) {
				if c.Name != "recvmmsg" && c.Name != "sendto" && c.Name != "sendmmsg" || random.IntN(3) > 0 {
					return c.N, 0
				}
				switch random.IntN(3) {
				case 0:
					return 0, []syscall.Errno{syscall.EAGAIN, syscall.EINTR}[random.IntN(2)]
				case 1:
					if c.Name != "recvmmsg" {
						failed++
						return 0, errnos[2+random.IntN(len(errnos)-2)]
					}
				}
				return random.IntN(c.N + 1), 0
			})
			defer sys.Disarm()
			sent, got := 0, []string{}
			for range 60 {
				for range random.IntN(20) {
					r.send(s, fmt.Append(nil, sent), nil)
					sent++
				}
				r.turn(TurnPoll)
			}
			for turns := 0; r.buffered[s] > 0 || len(r.packets[p]) < sent-failed; turns++ {
				r.turn(TurnPoll)
				if turns > 5000 {
					t.Fatalf("seed %d: %d sent, %d failed, %d came", seed, sent, failed, len(r.packets[p]))
				}
			}
			last := -1
			for _, text := range texts(r.packets[p]) {
				var i int
				if _, err := fmt.Sscan(text, &i); err != nil || i <= last {
					t.Fatalf("seed %d: %q after %d", seed, text, last)
				}
				last = i
				got = append(got, text)
			}
			if len(got) != sent-failed || r.count(Error, s) != failed {
				t.Errorf("seed %d: %d sent, %d failed, %d told, %d came", seed, sent, failed, r.count(Error, s), len(got))
			}
			r.settled()
		})
	}
}
