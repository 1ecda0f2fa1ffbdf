package annals_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/annals-io/annals"
)

// exampleJournal opens a journal with a few events of a shop.
func exampleJournal() (j *annals.Journal, remove func()) {
	dir, err := os.MkdirTemp("", "annals")
	if err != nil {
		log.Fatal(err)
	}
	if j, err = annals.Open(dir, nil); err != nil {
		log.Fatal(err)
	}
	order := func(typ, id, status string) annals.Event {
		return annals.Event{
			Type: typ, Entity: annals.Entity{Type: "order", ID: id}, Actor: annals.Actor{Type: "user", ID: "alice"},
			Changes: map[string]annals.Change{"status": {New: status}}, CorrelationID: "cart-" + id,
		}
	}
	if _, err := j.Append(context.Background(), order("order.placed", "1", "placed"), order("order.placed", "2", "placed"),
		order("order.paid", "1", "paid"), order("order.shipped", "1", "shipped")); err != nil {
		log.Fatal(err)
	}
	return j, func() {
		if err := j.Close(); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(dir)
	}
}

// An answer comes in pages, the newest entry first; the cursor of a page asks for
// the next one.
func ExampleJournal_Search() {
	j, remove := exampleJournal()
	defer remove()
	q := annals.Query{Filter: "actor:alice type:order.* -changes.status:shipped", Limit: 2, Total: true}
	for {
		page, err := j.Search(context.Background(), q)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d of %d:\n", len(page.Entries), *page.Total)
		for _, e := range page.Entries {
			fmt.Println(" ", e.Type(), e.Entity().ID)
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			break
		}
	}
	// Output:
	// 2 of 3:
	//   order.paid 1
	//   order.placed 2
	// 1 of 3:
	//   order.placed 1
}

// The history of an entity has all its entries in the order of their sequences.
// If only the id is known, a search for entity_id finds them.
func ExampleJournal_History() {
	j, remove := exampleJournal()
	defer remove()
	order := annals.Entity{Type: "order", ID: "1"}
	for e, err := range j.History(context.Background(), order, annals.HistoryOptions{Field: "status", From: 2}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Sequence, e.Type())
	}
	for e, err := range j.SearchAll(context.Background(), annals.Query{Filter: "entity_id:2"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Entity().Type, e.Entity().ID, e.Type())
	}
	// Output:
	// 2 order.paid
	// 3 order.shipped
	// order 2 order.placed
}

// A subscriber is told of what there is and of what comes, and remembers how far
// it has come.
func ExampleJournal_FollowMatching() {
	j, remove := exampleJournal()
	defer remove()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	next := annals.Position(0) // kept where it survives a restart
	paid := make(chan string)
	var following sync.WaitGroup
	following.Go(func() {
		for e, err := range j.FollowMatching(ctx, next, annals.Query{Filter: "type:order.paid"}) {
			if err != nil {
				return // ctx has ended
			}
			next = e.Position + 1
			paid <- e.Entity().ID
		}
	})
	fmt.Println("paid:", <-paid)
	for _, typ := range []string{"order.seen", "order.paid"} {
		if _, err := j.Append(ctx, annals.Event{Type: typ, Entity: annals.Entity{Type: "order", ID: "2"}}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("paid:", <-paid)
	cancel()
	following.Wait()
	fmt.Println("next:", next)
	// Output:
	// paid: 1
	// paid: 2
	// next: 6
}
