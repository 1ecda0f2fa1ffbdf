package annals_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/annals-io/annals"
)

// A projection is built from the journal and kept up to date: Follow yields what
// there is, then what comes, until its context ends.
func ExampleJournal_Follow() {
	dir, err := os.MkdirTemp("", "annals")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	j, err := annals.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	place := func(id string) {
		if _, err := j.Append(ctx, annals.Event{Type: "order.placed", Entity: annals.Entity{Type: "order", ID: id}}); err != nil {
			log.Fatal(err)
		}
	}
	place("1")
	place("2")

	open := &openOrders{changed: make(chan int)}
	var following sync.WaitGroup
	following.Go(func() {
		if err := open.follow(ctx, j); !errors.Is(err, context.Canceled) {
			log.Fatal(err)
		}
	})
	fmt.Println("open orders:", <-open.changed)
	fmt.Println("open orders:", <-open.changed)
	place("3")
	fmt.Println("open orders:", <-open.changed)
	if _, err := j.Append(ctx, annals.Event{Type: "order.shipped", Entity: annals.Entity{Type: "order", ID: "2"}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("open orders:", <-open.changed)
	cancel()
	following.Wait()
	// Output:
	// open orders: 1
	// open orders: 2
	// open orders: 3
	// open orders: 2
}

// openOrders counts the orders that are placed and not shipped.
type openOrders struct {
	next    annals.Position // what was not seen yet: keep it to go on after a restart
	count   int
	changed chan int
}

// follow keeps the count until ctx ends.
func (o *openOrders) follow(ctx context.Context, j *annals.Journal) error {
	for entry, err := range j.Follow(ctx, o.next) {
		if err != nil {
			return err
		}
		switch entry.Type() {
		case "order.placed":
			o.count++
		case "order.shipped":
			o.count--
		}
		o.next = entry.Position + 1
		o.changed <- o.count
	}
	return nil
}
