package endpoint

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRequests(t *testing.T) {
	long := strings.Repeat("x", lineLimit)
	for source, want := range map[string]error{
		"GET / HTTP/1.1\r\n\r\n":                 nil,
		"GET /a?b=c HTTP/1.0\nHost: x\n\n":       nil,
		"HEAD /metrics HTTP/1.1\r\nA: b\r\n\r\n": nil,
		"GET http://x/stack HTTP/1.1\r\n\r\n":    nil,
		"":                                       io.EOF,
		"GET / HTTP/1.1\r\n":                     io.EOF,
		"GET / HTTP/1.1\r\nA: b":                 io.ErrUnexpectedEOF,
		"GET /":                                  io.ErrUnexpectedEOF,
		"GET / HTTP/2.0\r\n\r\n":                 errMalformed,
		"GET /\r\n\r\n":                          errMalformed,
		"GET  / HTTP/1.1\r\n\r\n":                errMalformed,
		"GET x HTTP/1.1\r\n\r\n":                 errMalformed,
		"GET /?%zz HTTP/1.1\r\n\r\n":             errMalformed,
		"GET / HTTP/1.1\r\nno header\r\n\r\n":    errMalformed,
		"\x16\x03\x01\x02\x00\x01\n":             errMalformed,
		"GET /" + long + " HTTP/1.1\r\n\r\n":     errTooLarge,
		long + long:                              errTooLarge,
		"GET / HTTP/1.1\r\n" + strings.Repeat("A: bcdefgh\r\n", 3000): errTooLarge,
	} {
		got, err := parse(bufio.NewReaderSize(strings.NewReader(source), 64))
		if !errors.Is(err, want) {
			t.Errorf("%.60q: %v, want %v", source, err, want)
		}
		if err == nil && !strings.HasPrefix(got.path, "/") {
			t.Errorf("%q asks for %q", source, got.path)
		}
	}
}

// FuzzRequests: no request is more than a request, and what is one is so for the standard library.
func FuzzRequests(f *testing.F) {
	f.Add([]byte("GET /healthz?stuck=1 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("\x00\r\n\r\n"))
	f.Fuzz(func(t *testing.T, source []byte) {
		got, err := parse(bufio.NewReaderSize(strings.NewReader(string(source)), 64))
		if err != nil {
			return
		}
		if len(got.method) == 0 || len(got.path) > lineLimit {
			t.Errorf("%q became %+v", source, got)
		}
		theirs, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(source))))
		if err == nil && (theirs.URL.Path != got.path || theirs.Method != got.method) {
			t.Errorf("%q: %q %q, of the standard library %q %q", source, got.method, got.path, theirs.Method, theirs.URL.Path)
		}
	})
}
