// Package batch sends to, or receives from, several sockets in one system call, where the
// system can.
//
// What each socket does is what it would do alone, in the order of the requests:
//
//	Gather, Send …, or Receive …  ▶  Run  ▶  Result of each  ▶  Reset
//
// Addresses are plain numbers; the memory behind them has to stay until Run returns.
package batch

import "syscall"

// Max is how many sockets one system call can serve.
const Max = 64

// ErrNotTried is the Result of a request that the system has not tried, for want of
// memory or because it does not know such requests: the socket has to be served alone.
const ErrNotTried = syscall.ENOSYS
