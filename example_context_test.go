package annals_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/annals-io/annals"
)

// A request handler says once who acts and which request it is; every event
// below it carries that, also what is found out on the way.
func Example_context() {
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

	ctx := annals.WithActor(context.Background(), annals.Actor{Type: "user", ID: "alice", Address: "192.0.2.7"})
	ctx = annals.WithTags(ctx, map[string]string{"request": "r-17"})
	if err := renameCustomer(ctx, j); err != nil {
		log.Fatal(err)
	}
	for entry, err := range j.Scan(ctx, 0, j.Size()) {
		if err != nil {
			log.Fatal(err)
		}
		actor, _ := entry.Member("actor")
		tags, _ := entry.Member("tags")
		fmt.Printf("%s\n  %s\n  %s\n", entry.Type(), actor, tags)
	}
	// Output:
	// customer.read
	//   {"type":"user","id":"alice","address":"192.0.2.7"}
	//   {"request":"r-17"}
	// customer.renamed
	//   {"type":"user","id":"alice","address":"192.0.2.7"}
	//   {"cache":"miss","request":"r-17","rows":"1"}
}

// renameCustomer knows nothing of requests. It tags what it finds.
func renameCustomer(ctx context.Context, j *annals.Journal) error {
	customer := annals.Entity{Type: "customer", ID: "7"}
	if _, err := j.Append(ctx, annals.Event{Type: "customer.read", Entity: customer}); err != nil {
		return err
	}
	annals.Tag(ctx, "cache", "miss")
	inner := annals.WithTags(ctx, map[string]string{"rows": "1"})
	_, err := j.Append(inner, annals.Event{Type: "customer.renamed", Entity: customer})
	return err
}
