package annals_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/annals-io/annals"
)

// What a producer sends as JSON is stored as it is: numbers keep their digits
// and members their order. What is no event is refused with its place.
func ExampleParseEvent() {
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

	receive(j, `{
		"id": "s-1", "type": "sensor.read", "time": "2026-01-02T04:04:05+01:00",
		"data": {"serial": 9007199254740993, "value": 1.50}
	}`)
	receive(j, `{"type": "sensor.read", "timestamp": "2026-01-02T04:04:05+01:00"}`)
	receive(j, `{"type": "sensor.read", "related": [{"type": "room", "id": 12}]}`)
	// Output:
	// 2026-01-02T03:04:05Z {"serial":9007199254740993,"value":1.50}
	// refused at /timestamp: unknown member of an event; did you mean time?
	// refused at /related/0/id: must be a string
}

// receive appends an event that came as JSON.
func receive(j *annals.Journal, text string) {
	event, err := annals.ParseEvent([]byte(text))
	if bad, ok := errors.AsType[*annals.InvalidError](err); ok {
		fmt.Printf("refused at %s: %s", bad.Pointer, bad.Detail)
		if bad.Hint != "" {
			fmt.Printf("; %s", bad.Hint)
		}
		fmt.Println()
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	receipts, err := j.AppendEncoded(ctx, nil, event)
	if err != nil {
		log.Fatal(err)
	}
	entry, err := j.At(ctx, receipts[0].Position)
	if err != nil {
		log.Fatal(err)
	}
	data, _ := entry.Member("data")
	fmt.Printf("%s %s\n", entry.Time().Format("2006-01-02T15:04:05Z07:00"), data)
}
