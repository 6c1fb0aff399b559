package endpoint

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// limits of a request, bytes.
const (
	lineLimit = 4 << 10
	headLimit = 16 << 10
)

// request is the part of an HTTP request that is of interest.
type request struct {
	method string
	path   string
	query  url.Values
}

var (
	errMalformed = errors.New("malformed request")
	errTooLarge  = errors.New("request is too large")
)

// parse reads the head of an HTTP/1 request. Errors: errMalformed, errTooLarge, or the reader's.
func parse(r *bufio.Reader) (request, error) {
	line, left, err := readLine(r, headLimit)
	if err != nil {
		return request{}, err
	}
	words := strings.Split(line, " ")
	if len(words) != 3 || !strings.HasPrefix(words[2], "HTTP/1.") || words[0] == "" {
		return request{}, errMalformed
	}
	target, err := url.ParseRequestURI(words[1])
	if err != nil {
		return request{}, errMalformed
	}
	query, err := url.ParseQuery(target.RawQuery)
	if err != nil {
		return request{}, errMalformed
	}
	for line != "" {
		if line, left, err = readLine(r, left); err != nil {
			return request{}, err
		}
		if line != "" && strings.IndexByte(line, ':') <= 0 {
			return request{}, errMalformed
		}
	}
	return request{method: words[0], path: target.Path, query: query}, nil
}

// readLine reads a line without its end, and returns how much of left is left.
func readLine(r *bufio.Reader, left int) (string, int, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > min(left, lineLimit):
			return "", 0, errTooLarge
		case err == nil:
			return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), left - len(line), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return "", 0, io.ErrUnexpectedEOF
		default:
			return "", 0, err
		}
	}
}

// answer is what is sent.
type answer struct {
	status int
	kind   string // Content-Type
	body   string
}

var reasons = map[int]string{
	200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 431: "Request Header Fields Too Large",
	500: "Internal Server Error", 503: "Service Unavailable",
}

func text(status int, body string) answer { return answer{status, "text/plain; charset=utf-8", body} }

// write sends it. What is asked for by HEAD has no body.
func (a answer) write(w io.Writer, head bool) error {
	allow := ""
	if a.status == 405 {
		allow = "Allow: GET, HEAD\r\n"
	}
	_, err := fmt.Fprintf(w, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%sCache-Control: no-store\r\nConnection: close\r\n\r\n",
		a.status, reasons[a.status], a.kind, len(a.body), allow)
	if err == nil && !head {
		_, err = io.WriteString(w, a.body)
	}
	return err
}
