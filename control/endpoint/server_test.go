package endpoint

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func echoPath(r request) answer { return text(200, r.path+"\n") }

// started is a server at a fresh path.
func started(t *testing.T, handle func(request) answer) *Server {
	t.Helper()
	s, err := serve(filepath.Join(t.TempDir(), "s"), handle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// ask sends a request and returns the answer's status and body.
func ask(t *testing.T, s *Server, source string) (int, string) {
	t.Helper()
	c := dial(t, s)
	if _, err := io.WriteString(c, source); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%.40q: %v", source, err)
	}
	body, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(body)
}

func TestAnswers(t *testing.T) {
	s := started(t, func(r request) answer {
		if r.path == "/panic" {
			panic("asked for")
		}
		return echoPath(r)
	})
	for source, want := range map[string]int{
		"GET /a HTTP/1.1\r\n\r\n":                                 200,
		"POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx":          405,
		"nonsense\r\n\r\n":                                        400,
		"GET /" + strings.Repeat("x", 5000) + " HTTP/1.1\r\n\r\n": 431,
		"GET /panic HTTP/1.1\r\n\r\n":                             500,
	} {
		if status, body := ask(t, s, source); status != want || status == 200 && body != "/a\n" {
			t.Errorf("%.40q: %d %q", source, status, body)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	c := dial(t, started(t, echoPath))
	_, _ = io.WriteString(c, "HEAD /a HTTP/1.1\r\n\r\n")
	all, _ := io.ReadAll(c)
	if !strings.Contains(string(all), "Content-Length: 3\r\n") || !strings.HasSuffix(string(all), "\r\n\r\n") {
		t.Errorf("got %q", all)
	}
}

func TestSocketIsItsOwnersAndGoesWithTheServer(t *testing.T) {
	s := started(t, echoPath)
	info, err := os.Stat(s.Address())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(s.Address())); len(left) != 1 {
		t.Errorf("besides the socket there is %v", left)
	}
	s.Close()
	if _, err := os.Stat(s.Address()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}
}

func TestPathsThatAreTaken(t *testing.T) {
	s := started(t, echoPath)
	if _, err := serve(s.Address(), echoPath); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("where somebody listens: %v", err)
	}
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := serve(file, echoPath); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("where a file lies: %v", err)
	}
	if content, err := os.ReadFile(file); string(content) != "x" {
		t.Errorf("the file is %q, %v", content, err)
	}
	if _, err := serve(filepath.Join(t.TempDir(), "no", "s"), echoPath); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("where no folder is: %v", err)
	}
}

func TestStaleSocketIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s, err := serve(path, echoPath)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if status, _ := ask(t, s, "GET / HTTP/1.1\r\n\r\n"); status != 200 {
		t.Errorf("it answers %d", status)
	}
}

func TestClosingLeavesANextOwnersSocket(t *testing.T) {
	s := started(t, echoPath)
	if err := os.Remove(s.Address()); err != nil {
		t.Fatal(err)
	}
	next, err := serve(s.Address(), echoPath)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	s.Close()
	if status, _ := ask(t, next, "GET / HTTP/1.1\r\n\r\n"); status != 200 {
		t.Errorf("the next answers %d", status)
	}
}

func TestTCPIsOfTheLoopbackUnlessNamed(t *testing.T) {
	s, err := serve(":0", echoPath)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if host, _, _ := net.SplitHostPort(s.Address()); host != "127.0.0.1" {
		t.Errorf("it listens at %s", s.Address())
	}
	if s.Fd() < 0 {
		t.Error("its descriptor cannot be told")
	}
}

func TestSlowClientsKeepNobodyOut(t *testing.T) {
	s := started(t, echoPath)
	for range clients - 1 {
		_, _ = io.WriteString(dial(t, s), "GET /") // and no more
	}
	if status, _ := ask(t, s, "GET / HTTP/1.1\r\n\r\n"); status != 200 {
		t.Errorf("answered %d", status)
	}
	for range 2 {
		_, _ = io.WriteString(dial(t, s), "GET /")
	}
	c := dial(t, s)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || r.StatusCode != 503 {
		t.Fatalf("one too many: %v, %v", r, err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Errorf("a request that comes after its refusal: %v", err)
	}
}

func TestManyClients(t *testing.T) {
	s := started(t, echoPath)
	var wait sync.WaitGroup
	for range 40 {
		wait.Go(func() {
			for range 20 {
				c, err := net.Dial("unix", s.Address())
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(c, "GET /x HTTP/1.1\r\n\r\n")
				if all, _ := io.ReadAll(c); !strings.HasSuffix(string(all), "/x\n") {
					t.Errorf("got %q", all)
				}
				c.Close()
			}
		})
	}
	wait.Wait()
}
