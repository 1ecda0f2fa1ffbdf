package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/annals-io/annals"
)

// Follow yields the entries of every tenant of the token from a position on, without an
// end: those that there are, then new ones as they become durable. See
// [Client.FollowMatching].
func (c *Client) Follow(ctx context.Context, from annals.Position) iter.Seq2[annals.Entry, error] {
	return c.FollowMatching(ctx, from, annals.Query{Tenants: []string{"*"}})
}

// FollowMatching is [Client.Follow] for the entries that q chooses. It leaves none out and
// yields none twice: when the connection ends it is made again, from the next position on,
// until ctx ends, whose error is yielded last. The bytes of an entry are valid until the
// next step. Order, Limit, Offset, Cursor and Total do not go with it.
//
// Damage is yielded as a *[annals.CorruptError]; a consumer that goes on gets the entries
// behind it. Any other error ends the iteration; a server that stays away is an
// [annals.ErrUnavailable] after [Options.RetryFor].
func (c *Client) FollowMatching(ctx context.Context, from annals.Position, q annals.Query) iter.Seq2[annals.Entry, error] {
	return func(yield func(annals.Entry, error) bool) {
		v, err := values(&q)
		if err != nil {
			yield(annals.Entry{}, err)
			return
		}
		ctx, done := c.bound(ctx)
		defer done()
		k := get(eventsPath+"/stream", v)
		k.accept = typeEventStream
		f := &follower{client: c, call: k, next: from, yield: yield}
		f.run(ctx)
	}
}

// A follower reads one stream of entries over as many connections as it takes.
type follower struct {
	client *Client
	call   *call
	next   annals.Position
	yield  func(annals.Entry, error) bool

	heard   bool // the connection has brought something
	stopped bool // by whom it yields to
}

// run follows until ctx ends, or an error that another connection would not help.
func (f *follower) run(ctx context.Context) {
	r := f.client.newRetrier()
	for {
		f.heard = false
		err := f.connect(ctx)
		if f.stopped {
			return
		}
		if f.heard {
			r = f.client.newRetrier()
		}
		if !r.pause(ctx, err) {
			f.yield(annals.Entry{}, readError(ctx, err))
			return
		}
	}
}

// connect makes a connection and yields what it brings.
func (f *follower) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.call.query.Set("from", strconv.FormatUint(uint64(f.next), 10))
	answer, err := f.client.begin(ctx, cancel, f.call, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	err = f.read(newLines(answer.Body))
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return transportError(ctx, f.call, err)
}

// read yields the events of a stream until it ends, which is an error.
func (f *follower) read(in *lines) error {
	var event, data []byte
	for {
		line, err := in.next()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		f.heard = true
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			event = append(event[:0], value...)
		case "data":
			data = append(data[:0], value...)
		}
		if len(line) > 0 || len(data) == 0 {
			continue
		}
		if err := f.take(string(event), data); err != nil {
			return err
		}
		event, data = event[:0], data[:0]
	}
}

var errStopped = errors.New("no more is wanted")

// take yields what an event of the stream says.
func (f *follower) take(event string, data []byte) error {
	var e annals.Entry
	var err error
	switch event {
	case "", "message", "entry":
		if e, err = parseEntry(data); err != nil {
			return err
		}
		f.next = e.Position + 1
	case "damage":
		var d struct{ First, Next annals.Position }
		if err := json.Unmarshal(data, &d); err != nil {
			return fmt.Errorf("%w: damage: %w", errAnswer, err)
		}
		err = damageError(d.First, d.Next)
	case "problem":
		return parseProblem(data, errorStatus(0))
	default:
		return nil // of a later version
	}
	if !f.yield(e, err) {
		f.stopped = true
		return errStopped
	}
	return nil
}
