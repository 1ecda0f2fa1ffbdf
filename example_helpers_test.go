package annals_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/annals-io/annals"
)

// Four helpers make the events of a table's rows.
func ExampleInserted() {
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

	// Without WithActor the actor is the system's user and this program.
	ctx := annals.WithActor(context.Background(), annals.Actor{Type: "service", ID: "crm"})
	who := annals.Entity{Type: "customer", ID: "7"}
	_, err = j.Append(ctx,
		annals.Inserted(ctx, who, customer{"Ada", "London"}),
		annals.Updated(ctx, who, map[string]annals.Change{"city": {Old: "London", New: "Paris"}}),
		annals.Deleted(ctx, who, customer{"Ada", "Paris"}),
		annals.Ingested(ctx, annals.Entity{Type: "customer", ID: "all"}, 1200, "customers.csv"),
	)
	if err != nil {
		log.Fatal(err)
	}
	for entry, err := range j.Scan(ctx, 0, j.Size()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", entry.Type())
		for _, name := range []string{"action", "changes", "snapshot", "message", "data"} {
			if value, ok := entry.Member(name); ok {
				fmt.Printf("  %s: %s\n", name, value)
			}
		}
	}
	// Output:
	// customer.inserted
	//   action: "insert"
	//   snapshot: {"name":"Ada","city":"London"}
	// customer.updated
	//   action: "update"
	//   changes: {"city":["London","Paris"]}
	// customer.deleted
	//   action: "delete"
	//   snapshot: {"name":"Ada","city":"Paris"}
	// customer.ingested
	//   action: "ingest"
	//   message: "1200 rows from customers.csv"
	//   data: {"rows":1200,"from":"customers.csv"}
}

type customer struct {
	Name string `json:"name"`
	City string `json:"city"`
}
