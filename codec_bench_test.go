package annals

import (
	"errors"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/go-json-experiment/json/jsontext"
)

// benchText is an event of about 1 KB as a client sends it.
const benchText = `{"id":"018f5c0e-6b1a-7c3e-9f10-2d4b8a6c1e55","time":"2026-03-14T09:26:53.589793Z","type":"order.status.changed",` +
	`"version":"1.2","tenant":"default","source":"order-service","category":"orders","action":"update","outcome":"success","severity":"info",` +
	`"message":"Order 10042 moved from placed to paid","actor":{"type":"user","id":"u-48213","name":"Alice Example","address":"203.0.113.77",` +
	`"user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},"entity":{"type":"order","id":"10042","name":"Order 10042"},` +
	`"correlation_id":"req-7f3a9c52","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7",` +
	`"namespace":"shop","cluster":"eu-west-1a","tags":{"region":"eu","channel":"web"},"changes":{"status":["placed","paid"],"total":[1299,1399]},` +
	`"data":{"order":{"number":10042,"currency":"EUR","lines":[{"sku":"A-1","qty":2,"price":499.5},{"sku":"B-7","qty":1,"price":400}],` +
	`"address":{"street":"Main Street 1","city":"Example","zip":"12345"}},"payment":{"method":"card","last4":"4242","ok":true}},"duration_ms":12.5}`

// benchEvent is benchText as a Go producer fills it.
func benchEvent() Event {
	e, err := ParseEvent([]byte(benchText))
	if err != nil {
		panic(err)
	}
	entry := Entry{JSON: finished(&e)}
	event, err := entry.Event()
	if err != nil {
		panic(err)
	}
	return event
}

// finish returns the body of an event.
func finish(e *Encoded, id string, at time.Time, d defaults) ([]byte, error) {
	f, err := newFinisher(d)
	if err = errors.Join(err, f.at(at)); err != nil {
		return nil, err
	}
	return f.finish(nil, e, id)
}

// finished returns an event as it would be stored.
func finished(e *Encoded) []byte {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	body, err := finish(e, "default-id", at, defaults{
		tenant: "default", recordedBy: Identity{"local", "1000"}, maxBytes: MaxEventBytes,
	})
	if err != nil {
		panic(err)
	}
	s := Sequence(0)
	if e.has(memberEntity) {
		s = 1
	}
	return engine.Finish(nil, body, at, s, 7)
}

func BenchmarkParseEvent(b *testing.B) {
	text := []byte(benchText)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEvent(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseBatch(b *testing.B) {
	body := []byte("[")
	for range 100 {
		body = append(append(body, benchText...), ',')
	}
	body[len(body)-1] = ']'
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseBatch(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	event := benchEvent()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFinish(b *testing.B) {
	e, err := ParseEvent([]byte(benchText))
	if err != nil {
		b.Fatal(err)
	}
	f, err := newFinisher(defaults{recordedBy: Identity{"local", "1000"}, maxBytes: DefaultEventBytes})
	if err != nil {
		b.Fatal(err)
	}
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		if body, err = f.finish(body[:0], &e, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDescribe(b *testing.B) {
	e, err := ParseEvent([]byte(benchText))
	if err != nil {
		b.Fatal(err)
	}
	entry := finished(&e)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, _, err := describe(entry); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSameContent(b *testing.B) {
	e, err := ParseEvent([]byte(benchText))
	if err != nil {
		b.Fatal(err)
	}
	entry := finished(&e)
	b.ReportAllocs()
	for b.Loop() {
		if !sameContent(&e, entry) {
			b.Fatal("not the same")
		}
	}
}

func BenchmarkEntryEvent(b *testing.B) {
	e, err := ParseEvent([]byte(benchText))
	if err != nil {
		b.Fatal(err)
	}
	entry := Entry{JSON: finished(&e)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := entry.Event(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReference is what an independent strict decoder takes for the same
// text: the measure of [BenchmarkParseEvent] on a noisy machine.
func BenchmarkReference(b *testing.B) {
	text := []byte(benchText)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if !jsontext.Value(text).IsValid() {
			b.Fatal("not valid")
		}
	}
}
