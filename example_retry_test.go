package annals_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/annals-io/annals"
)

// An event's id makes it safe to append it again when the first outcome is not
// known: it is stored once, and every attempt gets the first receipt.
func Example_retry() {
	dir, err := os.MkdirTemp("", "annals")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	payment := annals.Event{ID: "payment-42", Type: "payment.taken", Data: 129.5}
	for attempt := range 2 {
		receipt, err := appendOnce(dir, payment) // the program may have crashed in between
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("attempt %d: position %d, duplicate: %t\n", attempt+1, receipt.Position, receipt.Duplicate)
	}

	payment.Data = 1000
	_, err = appendOnce(dir, payment)
	if c, ok := errors.AsType[*annals.ConflictError](err); ok {
		fmt.Printf("other content: %v\n", c)
	}
	// Output:
	// attempt 1: position 0, duplicate: false
	// attempt 2: position 0, duplicate: true
	// other content: id "payment-42" is taken by other content at position 0
}

// appendOnce opens a journal for one event.
func appendOnce(dir string, event annals.Event) (receipt annals.Receipt, err error) {
	j, err := annals.Open(dir, nil)
	if err != nil {
		return receipt, err
	}
	receipts, err := j.Append(context.Background(), event)
	if err == nil {
		receipt = receipts[0]
	}
	return receipt, errors.Join(err, j.Close())
}
