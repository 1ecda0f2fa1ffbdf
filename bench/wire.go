package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// A wire is one connection to a server. It speaks as little HTTP/1.1 as will do, so
// that what is measured is the server and not a client: the two share the processors.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	host string
	auth string // a header line, or empty
	buf  []byte
}

// dial connects to a server at http://HOST:PORT.
func dial(ctx context.Context, s *Service) (*wire, error) {
	host := strings.TrimPrefix(s.URL, "http://")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	w := &wire{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), host: host}
	if s.Token != "" {
		w.auth = "Authorization: Bearer " + s.Token + "\r\n"
	}
	return w, nil
}

// post sends a body and returns the status and the answer, valid until the next call.
func (w *wire) post(path, contentType string, body []byte) (status int, answer []byte, err error) {
	w.buf = fmt.Appendf(w.buf[:0], "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, w.host, w.auth, contentType, len(body))
	w.buf = append(w.buf, body...)
	if _, err := w.conn.Write(w.buf); err != nil {
		return 0, nil, err
	}
	return w.answer()
}

// get asks for a path.
func (w *wire) get(path string) (status int, answer []byte, err error) {
	if err := w.ask(path); err != nil {
		return 0, nil, err
	}
	return w.answer()
}

func (w *wire) ask(path string) error {
	w.buf = fmt.Appendf(w.buf[:0], "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, w.host, w.auth)
	_, err := w.conn.Write(w.buf)
	return err
}

// answer reads a whole answer.
func (w *wire) answer() (status int, answer []byte, err error) {
	status, length, err := w.head()
	if err != nil {
		return status, nil, err
	}
	w.buf = w.buf[:0]
	if length < 0 {
		err = w.chunks(func(b []byte) error { w.buf = append(w.buf, b...); return nil })
		return status, w.buf, err
	}
	w.buf = append(w.buf, make([]byte, length)...)
	_, err = io.ReadFull(w.in, w.buf)
	return status, w.buf, err
}

// head reads the head of an answer; a length of -1 means chunks.
func (w *wire) head() (status int, length int64, err error) {
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, 0, errors.New("answer is no HTTP")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, fmt.Errorf("status of the answer: %w", err)
	}
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return status, 0, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		switch {
		case len(name) == 0:
			return status, length, nil
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return status, 0, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = -1
		}
	}
}

// chunks hands on the chunks of an answer until the last.
func (w *wire) chunks(each func([]byte) error) error {
	piece := make([]byte, 64<<10)
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return fmt.Errorf("size of a chunk: %w", err)
		}
		for left := n; left > 0; {
			b := piece[:min(left, int64(len(piece)))]
			if _, err := io.ReadFull(w.in, b); err != nil {
				return err
			}
			if err := each(b); err != nil {
				return err
			}
			left -= int64(len(b))
		}
		if _, err := w.in.Discard(2); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

func (w *wire) close() { w.conn.Close() }
