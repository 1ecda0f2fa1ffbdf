package annals_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/annals-io/annals"
)

// Accounts are rebuilt from their events, and no withdrawal may overdraw one:
// each is appended on condition that nothing happened since the balance was
// computed, and tried again if something did.
func Example_expectations() {
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

	ctx := context.Background()
	account := annals.Entity{Type: "account", ID: "7"}
	opening := annals.Event{Type: "account.opened", Entity: account, Data: movement{100}}
	if _, err := j.AppendExpect(ctx, []annals.Expect{{Entity: account}}, opening); err != nil {
		log.Fatal(err) // sequence 0: the account must be new
	}

	// Ten at once want 30 each.
	var paid [10]bool
	var wg sync.WaitGroup
	for i := range paid {
		wg.Go(func() {
			ok, err := withdraw(ctx, j, account, 30)
			if err != nil {
				log.Fatal(err)
			}
			paid[i] = ok
		})
	}
	wg.Wait()
	n := 0
	for _, ok := range paid {
		if ok {
			n++
		}
	}
	left, sequence, err := balance(ctx, j, account)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d were paid, %d is left after %d events\n", n, len(paid), left, sequence)
	// Output: 3 of 10 were paid, 10 is left after 4 events
}

// A movement is what an event does to an account.
type movement struct {
	Amount int `json:"amount"`
}

// withdraw takes an amount from an account, if it is there.
func withdraw(ctx context.Context, j *annals.Journal, account annals.Entity, amount int) (bool, error) {
	for {
		have, sequence, err := balance(ctx, j, account)
		if err != nil || have < amount {
			return false, err
		}
		expect := []annals.Expect{{Entity: account, Sequence: sequence}}
		_, err = j.AppendExpect(ctx, expect, annals.Event{Type: "account.debited", Entity: account, Data: movement{-amount}})
		if _, ok := errors.AsType[*annals.ConflictError](err); ok {
			continue // somebody was quicker: look again
		}
		return err == nil, err
	}
}

// balance folds an account's events.
func balance(ctx context.Context, j *annals.Journal, account annals.Entity) (sum int, last annals.Sequence, err error) {
	for entry, err := range j.Scan(ctx, 0, j.Size()) {
		if err != nil {
			return 0, 0, err
		}
		if entry.Entity() != account {
			continue
		}
		raw, _ := entry.Member("data")
		var m movement
		if err := json.Unmarshal(raw, &m); err != nil {
			return 0, 0, err
		}
		sum, last = sum+m.Amount, entry.Sequence
	}
	return sum, last, nil
}
