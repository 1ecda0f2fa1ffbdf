package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/annals-io/annals"
)

// Formats of an export.
const (
	FormatNDJSON   = "ndjson"   // entries in canonical form, one a line
	FormatJSON     = "json"     // one array of them
	FormatCSV      = "csv"      // a header and a row an entry, safe for spreadsheets
	FormatJournald = "journald" // rows of changed fields, one JSON object a line, as a data lake's change journal has them
)

// Export yields every entry that q chooses, oldest first unless q says otherwise, in one
// answer: it needs the permission to export, and is the fastest way to read a lot. The
// bytes of an entry are valid until the next step: clone what is kept.
//
// An error ends the iteration. An answer that breaks off is an
// [annals.ErrUnavailable]; the filter position:>=N goes on where it ended.
func (c *Client) Export(ctx context.Context, q annals.Query) iter.Seq2[annals.Entry, error] {
	return func(yield func(annals.Entry, error) bool) {
		r, err := c.ExportTo(ctx, q, FormatNDJSON)
		if err != nil {
			yield(annals.Entry{}, err)
			return
		}
		defer r.Close() // read to its end, or not wanted
		lines := newLines(r)
		for {
			text, err := lines.next()
			if err == io.EOF {
				return
			}
			var e annals.Entry
			if err == nil {
				e, err = parseEntry(text)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// ExportTo returns the entries that q chooses in a format, as the server makes it. In every
// format but [FormatNDJSON] the parameter redact of q hides the values at its paths. The
// caller closes the result; a Read that fails with another error than [io.EOF] says that
// something is missing.
func (c *Client) ExportTo(ctx context.Context, q annals.Query, format string) (io.ReadCloser, error) {
	v, err := values(&q)
	if err != nil {
		return nil, err
	}
	v.Set("format", format)
	k := get(apiPath+"/export", v)
	k.accept = "*/*"
	ctx, done := c.bound(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	for r := c.newRetrier(); ; {
		answer, err := c.begin(ctx, cancel, k, nil)
		if err == nil {
			return &answerReader{answer: answer, ctx: ctx, call: k, end: func() { cancel(nil); done() }}, nil
		}
		if !r.pause(ctx, err) {
			err = readError(ctx, err)
			cancel(nil)
			done()
			return nil, err
		}
	}
}

// An answerReader reads an answer bit by bit.
type answerReader struct {
	answer *http.Response
	ctx    context.Context
	call   *call
	end    func() // releases the context
}

// Read implements [io.Reader].
func (r *answerReader) Read(p []byte) (int, error) {
	n, err := r.answer.Body.Read(p)
	if err != nil && err != io.EOF {
		err = readError(r.ctx, transportError(r.ctx, r.call, err))
	}
	return n, err
}

// Close ends the answer, read or not.
func (r *answerReader) Close() error {
	err := r.answer.Body.Close()
	r.end()
	return err
}

// maxLineBytes bounds a line of an answer: the largest entry, and what is around it.
const maxLineBytes = annals.MaxEventBytes + 64<<10

var errLongLine = errors.New("a line of the answer is longer than any entry")

// lines reads lines of bounded length.
type lines struct {
	in  *bufio.Reader
	buf []byte
}

func newLines(r io.Reader) *lines { return &lines{in: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next line, without its end, which is valid until the next call. A last
// line that does not end is an [io.ErrUnexpectedEOF].
func (l *lines) next() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		switch {
		case err == nil && len(l.buf) == 0:
			return trimLine(part), nil
		case err == nil:
			l.buf = append(l.buf, part...)
			return trimLine(l.buf), nil
		case err == bufio.ErrBufferFull:
			if l.buf = append(l.buf, part...); len(l.buf) > maxLineBytes {
				return nil, errLongLine
			}
		case err == io.EOF && len(l.buf)+len(part) > 0:
			return nil, fmt.Errorf("read answer: %w", io.ErrUnexpectedEOF)
		default:
			return nil, err
		}
	}
}

// trimLine removes the end of a line.
func trimLine(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}
