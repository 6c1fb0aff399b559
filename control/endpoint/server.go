package endpoint

import (
	"bufio"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	clients  = 64               // at once; more are told 503
	refusals = 256              // so many at once; more are closed without a word
	patience = 10 * time.Second // for one request and its answer
)

// Server is an endpoint that listens.
type Server struct {
	listener net.Listener
	path     string      // of a Unix socket, or ""
	file     os.FileInfo // what was made there
	handle   func(request) answer

	mu     sync.Mutex
	open   map[net.Conn]bool
	told   map[net.Conn]bool // are refused
	closed bool
	done   sync.WaitGroup
}

// listen opens a Unix socket of mode 0600 for a path, or a TCP socket for HOST:PORT; without HOST, of the loopback. A path
// at which nobody listens any more is taken over. Errors: the system's; EADDRINUSE for a path where somebody listens, or where there
// is no socket.
func listen(address string) (net.Listener, string, error) {
	if !isPath(address) {
		if strings.HasPrefix(address, ":") {
			address = "127.0.0.1" + address
		}
		l, err := net.Listen("tcp", address)
		return l, "", err
	}
	path := strings.TrimPrefix(address, "unix:")
	l, err := bind(path)
	if errors.Is(err, syscall.EADDRINUSE) && isStale(path) {
		if err = os.Remove(path); err == nil {
			l, err = bind(path)
		}
	}
	return l, path, err
}

// bind makes the socket in a folder of its own, for nobody may connect before it has its mode, and then gives it its
// name, unless that is taken.
func bind(path string) (net.Listener, error) {
	folder, err := os.MkdirTemp(filepath.Dir(path), ".g")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	private := filepath.Join(folder, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(private, 0o600); err == nil {
		err = os.Link(private, path)
	}
	if errors.Is(err, syscall.EEXIST) {
		err = &os.PathError{Op: "bind", Path: path, Err: syscall.EADDRINUSE}
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// isPath tells a path from HOST:PORT.
func isPath(address string) bool {
	return strings.HasPrefix(address, "unix:") || strings.Contains(address, "/") || !strings.Contains(address, ":")
}

// isStale tells whether path is a socket at which nobody listens.
func isStale(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// serve answers until Close.
func serve(address string, handle func(request) answer) (*Server, error) {
	l, path, err := listen(address)
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l, path: path, handle: handle, open: map[net.Conn]bool{}, told: map[net.Conn]bool{}}
	if path != "" {
		s.file, _ = os.Lstat(path)
	}
	s.done.Add(1)
	go s.accept()
	return s, nil
}

// Address is where it listens: the path, or HOST:PORT.
func (s *Server) Address() string {
	if s.path != "" {
		return s.path
	}
	return s.listener.Addr().String()
}

// Fd is the listening descriptor, for a forked child to close; -1 when it cannot be told.
func (s *Server) Fd() int {
	fd := -1
	if l, ok := s.listener.(syscall.Conn); ok {
		if raw, err := l.SyscallConn(); err == nil {
			_ = raw.Control(func(n uintptr) { fd = int(n) })
		}
	}
	return fd
}

// Close ends it, and takes its path away unless somebody else's socket is there by now.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	for c := range s.told {
		c.Close()
	}
	s.mu.Unlock()
	if s.path != "" {
		if info, err := os.Lstat(s.path); err == nil && s.file != nil && os.SameFile(info, s.file) {
			_ = os.Remove(s.path)
		}
	}
	s.listener.Close()
	s.done.Wait()
}

func (s *Server) accept() {
	defer s.done.Done()
	for {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			s.take(c)
		case errors.Is(err, net.ErrClosed):
			return
		default: // descriptors have run out, say
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func (s *Server) take(c net.Conn) {
	s.mu.Lock()
	full := len(s.open) >= clients
	switch {
	case s.closed || full && len(s.told) >= refusals:
		s.mu.Unlock()
		c.Close()
		return
	case full:
		s.told[c] = true
	default:
		s.open[c] = true
	}
	s.done.Add(1)
	s.mu.Unlock()
	_ = c.SetDeadline(time.Now().Add(patience))
	if full {
		go s.refuse(c)
	} else {
		go s.converse(c)
	}
}

// refuse tells a client that it is one too many. It is heard out, or its request would meet a closed connection and it
// would not read why.
func (s *Server) refuse(c net.Conn) {
	defer s.done.Done()
	defer func() {
		_ = recover()
		s.mu.Lock()
		delete(s.told, c)
		s.mu.Unlock()
		c.Close()
	}()
	if text(503, "too many clients\n").write(c, false) == nil {
		linger(c, patience)
	}
}

func (s *Server) converse(c net.Conn) {
	defer s.done.Done()
	defer func() {
		_ = recover()
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
		c.Close()
	}()
	req, err := parse(bufio.NewReaderSize(c, 1<<10))
	var a answer
	switch {
	case errors.Is(err, errTooLarge):
		a = text(431, "the request is too large\n")
	case errors.Is(err, errMalformed):
		a = text(400, "this is no HTTP/1 request\n")
	case err != nil:
		return
	case req.method != "GET" && req.method != "HEAD":
		a = text(405, "only GET and HEAD: nothing can be changed from here\n")
	default:
		a = s.safely(req)
	}
	if err = a.write(c, req.method == "HEAD"); err == nil && a.status >= 400 {
		linger(c, time.Second)
	}
}

// linger takes what the client still sends, so that closing does not reset the connection before it has read the answer.
func linger(c net.Conn, within time.Duration) {
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = c.SetDeadline(time.Now().Add(within))
		buf := make([]byte, 4<<10)
		for range 64 {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	}
}

func (s *Server) safely(req request) (a answer) {
	defer func() {
		if recover() != nil {
			a = text(500, "goloop's endpoint has failed\n")
		}
	}()
	return s.handle(req)
}
