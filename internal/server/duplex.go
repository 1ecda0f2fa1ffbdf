package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/annals-io/annals"
)

// A duplex is a stream of values in and of answers out. A goroutine reads values into
// the window; the handler appends what has come meanwhile, as few appends as there can
// be, and answers. So many values are in flight, and the order of the stream is the
// order of the journal.
type duplex struct {
	x       *exchange
	ctx     context.Context // of the appends; readLoop has one that the drain ends
	control *http.ResponseController
	in      *annals.Decoder
	window  *window
	out     []byte
	lingers time.Time // since when; readLoop's
}

// postStream appends values one by one as they come, and answers each with a line.
func postStream(x *exchange) error {
	f, err := x.form()
	if err == nil && f != formNDJSON && f != formJSON {
		err = problemf(codeMediaType, "a stream is a sequence of JSON values: application/x-ndjson")
	}
	if err != nil {
		return err
	}
	control := http.NewResponseController(x.w)
	_ = control.EnableFullDuplex() // HTTP/2 is, and says that it cannot be made so
	clearDeadlines(control)
	body, err := x.decoded(x.r.Body)
	if err != nil {
		return err
	}
	defer body.Close()
	d := &duplex{
		x: x, ctx: x.principalContext(), control: control, window: newWindow(),
		in: annals.NewDecoder(body, x.server.streamValueBytes()),
	}
	return d.run()
}

// streamValueBytes bounds one value of a stream: the largest event, with room for white
// space and escapes, or a small list.
func (s *Server) streamValueBytes() int { return 4 * s.journal.MaxEventBytes() }

// run answers values until the stream ends.
func (d *duplex) run() error {
	x := d.x
	x.w.Header()["Content-Type"] = []string{"application/x-ndjson"}
	x.head(http.StatusOK)
	if err := d.control.Flush(); err != nil {
		return left(err)
	}
	ctx, cancel := x.streamContext()
	release := d.interruptReads(ctx)
	defer release()
	taking, stop := context.WithCancel(x.r.Context())
	var reading sync.WaitGroup
	reading.Go(func() { d.readLoop(ctx, taking) })
	defer reading.Wait()
	defer cancel()
	defer stop()
	for {
		values := d.window.take()
		if len(values) == 0 {
			release() // the connection's next request may be read
			return nil
		}
		d.append(values)
		if err := d.answer(values); err != nil {
			return err
		}
	}
}

// A stream of a server that goes down is read on, and values are refused, until nothing
// has come for lingerTime, or for maxLinger in all: that tells a busy client to stop.
// Without it the connection would be reset, and with it answers that are on their way.
const (
	lingerTime = 250 * time.Millisecond
	maxLinger  = 5 * time.Second
)

// interruptReads ends what blocks in a read when ctx ends, a moment later if the server
// goes down. Once release has returned
// nothing of it goes on: the connection is not the handler's any more when that returns.
func (d *duplex) interruptReads(ctx context.Context) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		deadline := time.Unix(1, 0)
		if isDraining(ctx) {
			deadline = time.Now().Add(lingerTime)
		}
		_ = d.control.SetReadDeadline(deadline)
	})
	return sync.OnceFunc(func() {
		if !stop() {
			<-done
		}
	})
}

// readLoop puts the values of the stream into the window, from which they are taken until
// taking ends. It ends with the stream, with ctx, or a moment after the server has begun
// to go down.
func (d *duplex) readLoop(ctx, taking context.Context) {
	defer d.window.end()
	for {
		text, err := d.in.Next()
		v := &value{line: d.in.Line(), bytes: len(text)}
		last := false
		switch {
		case err == io.EOF, ctx.Err() != nil && (err != nil || !isDraining(ctx)):
			return
		case ctx.Err() != nil:
			v.problem = problemf(codeUnavailable, "the server is going down: send this and what follows again, elsewhere or later")
			d.linger()
		case errors.Is(err, annals.ErrInvalid), errors.Is(err, annals.ErrTooLarge):
			v.problem = problemOf(err)
		case err != nil: // where the next value begins cannot be known
			v.problem, last = problemOf(err), true
		default:
			d.parse(v, text)
		}
		if d.x.paceEvents(ctx, len(v.events)) != nil && !isDraining(ctx) {
			return
		}
		if !d.window.put(taking, v) || last {
			return
		}
	}
}

// linger gives the next value its time.
func (d *duplex) linger() {
	now := time.Now()
	if d.lingers.IsZero() {
		d.lingers = now
	}
	if now.Sub(d.lingers) < maxLinger {
		_ = d.control.SetReadDeadline(now.Add(lingerTime))
	}
}

// parse reads a value.
func (d *duplex) parse(v *value, text []byte) {
	var err error
	if v.addition, err = d.x.parse(formJSON, text); err == nil {
		err = d.x.covers(v.events, v.expect)
	}
	if err != nil {
		v.problem = problemOf(err)
		d.x.auditRefusal(v.problem)
		return
	}
	if v.single {
		v.event = v.events[0]
	}
}

// append appends values in order: single events together, lists each by itself.
func (d *duplex) append(values []*value) {
	var singles []*item
	for _, v := range values {
		switch {
		case v.problem != nil:
		case v.single:
			singles = append(singles, &v.item)
		default:
			d.x.server.appendEach(d.ctx, singles)
			singles = singles[:0]
			d.appendList(v)
		}
	}
	d.x.server.appendEach(d.ctx, singles)
}

// appendList appends a value that is a list.
func (d *duplex) appendList(v *value) {
	receipts, err := d.x.server.appendEvents(d.ctx, v.expect, v.events)
	if err != nil {
		v.problem = problemOf(err)
		return
	}
	v.receipts = receipts
}

// answer sends a line for each value.
func (d *duplex) answer(values []*value) error {
	d.out = d.out[:0]
	for _, v := range values {
		d.out = append(d.appendAnswer(d.out, v), '\n')
	}
	return d.x.sendNow(d.control, d.out)
}

// appendAnswer appends the answer to a value.
func (d *duplex) appendAnswer(dst []byte, v *value) []byte {
	switch {
	case v.problem != nil:
		p := *v.problem // which several values may share
		p.line = v.line
		return p.appendJSON(dst, d.x.r.URL.EscapedPath(), d.x.id)
	case v.single:
		return v.receipt.AppendJSON(dst)
	}
	return appendReceipts(dst, v.receipts)
}
