package annals_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/annals-io/annals"
)

// A program appends an event, reads it back by its id, and has the whole journal
// verified.
func Example() {
	dir, err := os.MkdirTemp("", "annals")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := keepRecord(filepath.Join(dir, "journal")); err != nil {
		log.Fatal(err)
	}
	// Output:
	// stored at position 0 as number 1 of order 1001, durable: true
	// order.placed by alice: {"total":129.5}
	// the receipt's hash is the entry's: true
	// verified: true, 1 events
}

func keepRecord(dir string) error {
	ctx := context.Background()
	j, err := annals.Open(dir, nil)
	if err != nil {
		return err
	}
	defer j.Close() // for the errors below; the Close that counts is at the end

	receipts, err := j.Append(ctx, annals.Event{
		ID:     "order-1001-placed",
		Type:   "order.placed",
		Actor:  annals.Actor{Type: "user", ID: "alice"},
		Entity: annals.Entity{Type: "order", ID: "1001"},
		Data:   map[string]any{"total": 129.5},
	})
	if err != nil {
		return err
	}
	r := receipts[0]
	fmt.Printf("stored at position %d as number %d of order 1001, durable: %t\n", r.Position, r.Sequence, r.Durable)

	entry, err := j.Get(ctx, "order-1001-placed")
	if err != nil {
		return err
	}
	event, err := entry.Event()
	if err != nil {
		return err
	}
	fmt.Printf("%s by %s: %s\n", event.Type, event.Actor.ID, event.Data)
	fmt.Println("the receipt's hash is the entry's:", r.Hash == entry.Hash())

	if err := j.Close(); err != nil {
		return err
	}
	report, err := annals.Verify(ctx, dir, nil)
	if err != nil {
		return err
	}
	fmt.Printf("verified: %t, %d events\n", report.OK, report.Events)
	return nil
}
