package control

import (
	"strings"
	"sync"
	"syscall"
	"time"

	"goloop/control/endpoint"
)

var serving = struct {
	sync.Mutex
	server *endpoint.Server
}{}

// Serve answers questions about the loops by HTTP, at a path or at HOST:PORT, in place of where it did so before. stuck is from how many
// seconds on a loop that does not go on is ill. It returns the listening descriptor, for a forked child to close. Errors: EINVAL
// for stuck, EADDRINUSE where somebody listens or something else lies, or the system's.
func Serve(address string, stuck float64, version string) (fd int64) {
	defer failed(&fd)
	if !(stuck > 0) || stuck > 1e9 || address == "" {
		return -int64(syscall.EINVAL)
	}
	pages := &endpoint.Pages{Desk: &desk, Tracer: &tracer, Dog: dog, Stuck: time.Duration(stuck * float64(time.Second)), Version: version}
	if strings.TrimPrefix(address, "unix:") == Served() {
		Unserve() // it cannot listen beside itself
	}
	server, err := pages.Serve(address)
	if err != nil {
		return errnoOf(err)
	}
	dog.Follow()
	replace(server)
	return int64(server.Fd())
}

// replace ends the server before.
func replace(server *endpoint.Server) {
	serving.Lock()
	before := serving.server
	serving.server = server
	serving.Unlock()
	if before != nil {
		dog.Unfollow()
		before.Close()
	}
}

// Served is where the endpoint listens, or empty.
func Served() string {
	serving.Lock()
	defer serving.Unlock()
	if serving.server == nil {
		return ""
	}
	return serving.server.Address()
}

// Unserve ends Serve.
func Unserve() (rc int64) {
	defer failed(&rc)
	replace(nil)
	return 0
}
