package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/annals-io/annals/client/slogaudit"
)

// A program appends an event to a server, reads it back and looks at its history.
func Example() {
	address, stop := serveExample()
	defer stop()
	ctx := context.Background()
	c, err := client.New(address, &client.Options{Token: os.Getenv("ANNALS_TOKEN")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	order := annals.Entity{Type: "order", ID: "1001"}
	receipts, err := c.Append(ctx, annals.Event{ID: "placed-1001", Type: "order.placed", Entity: order})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("number %d of order 1001, durable: %t\n", receipts[0].Sequence, receipts[0].Durable)

	_, err = c.AppendExpect(ctx, []annals.Expect{{Entity: order, Sequence: 7}}, annals.Event{Type: "order.paid", Entity: order})
	if conflict, ok := errors.AsType[*annals.ConflictError](err); ok {
		fmt.Println("not appended:", conflict)
	}

	for entry, err := range c.History(ctx, order, annals.HistoryOptions{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(entry.Sequence, entry.Type())
	}
	// Output:
	// number 1 of order 1001, durable: true
	// not appended: entity order/1001 is at sequence 1, not 7
	// 1 order.placed
}

// A buffer takes events without waiting for the server. With a directory they survive both
// the server's absence and the end of the program.
func ExampleBuffer() {
	address, stop := serveExample()
	defer stop()
	dir, err := os.MkdirTemp("", "spill")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := buffered(address, dir); err != nil {
		fmt.Println(err)
	}
	// Output:
	// rejected: bad: id "taken" is taken by other content at position 0
	// delivered 3, rejected 1
}

func buffered(address, dir string) error {
	ctx := context.Background()
	c, err := client.New(address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	b, err := client.NewBuffer(c, &client.BufferOptions{
		Policy: client.Spill, Dir: dir, Producer: "gateway",
		OnReject: func(e annals.Encoded, err error) { fmt.Printf("rejected: %s: %v\n", e.Type(), err) },
	})
	if err != nil {
		return err
	}
	for _, e := range []annals.Event{{ID: "taken", Type: "good"}, {Type: "good"}, {ID: "taken", Type: "bad"}, {Type: "good"}} {
		if err := b.Append(ctx, e); err != nil {
			return err
		}
	}
	if err := b.Close(ctx); err != nil { // delivers what is left
		return err
	}
	s := b.Stats()
	fmt.Printf("delivered %d, rejected %d\n", s.Delivered, s.Rejected)
	return nil
}

// A stream sends many events over one connection and receives their answers in order.
func ExampleStream() {
	address, stop := serveExample()
	defer stop()
	c, err := client.New(address, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := streamed(c.Stream(context.Background(), nil)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// e1 at position 0
	// e2 at position 1
	// e3 at position 2
}

// streamed sends a few events, fewer than the stream holds, and then looks at the answers.
// With more, another goroutine sends.
func streamed(s *client.Stream) error {
	defer s.Close()
	ctx := context.Background()
	for _, id := range []string{"e1", "e2", "e3"} {
		if err := s.Send(ctx, annals.Event{ID: id, Type: "reading.taken"}); err != nil {
			return err
		}
	}
	s.CloseSend()
	for {
		ack, err := s.Receive(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if ack.Err != nil {
			return ack.Err
		}
		fmt.Printf("%s at position %d\n", ack.Receipt.ID, ack.Receipt.Position)
	}
}

// Log records become audit events.
func Example_slog() {
	address, stop := serveExample()
	defer stop()
	c, err := client.New(address, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	audit := slog.New(slogaudit.New(func(ctx context.Context, e annals.Event) error {
		_, err := c.Append(ctx, e)
		return err
	}, nil))

	ctx := annals.WithActor(context.Background(), annals.Actor{Type: "user", ID: "alice"})
	audit.WarnContext(ctx, "login refused", "type", "user.login", "outcome", "failure", "attempt", 3)

	page, err := c.Search(ctx, annals.Query{Filter: "actor_id:alice"})
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := page.Entries[0].Event()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %s %s %s %s\n", event.Type, event.Outcome, event.Severity, event.Message, event.Data)
	// Output:
	// user.login failure warning login refused {"attempt":3}
}
