//go:build linux

package main

import "testing"

func TestResponseEnd(t *testing.T) {
	const response = "HTTP/1.1 200 OK\r\nserver: x\r\nContent-Length: 5\r\ndate: y\r\n\r\nhello"
	for n := range len(response) {
		if end, err := responseEnd([]byte(response[:n])); end != 0 || err != nil {
			t.Fatalf("%d bytes: %d, %v", n, end, err)
		}
	}
	if end, err := responseEnd([]byte(response + "more")); end != len(response) || err != nil {
		t.Fatalf("complete: %d, %v", end, err)
	}
	for _, bad := range []string{
		"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
	} {
		if end, err := responseEnd([]byte(bad)); err == nil {
			t.Errorf("%q: %d, no error", bad, end)
		}
	}
}

func TestResponseEndDoesNotAllocate(t *testing.T) {
	response := []byte("HTTP/1.1 200 OK\r\nserver: x\r\nContent-Length: 5\r\n\r\nhello")
	if n := testing.AllocsPerRun(100, func() { responseEnd(response) }); n != 0 {
		t.Errorf("%v allocations a response", n)
	}
}
