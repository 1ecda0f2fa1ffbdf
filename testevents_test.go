package annals_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/annals-io/annals"
)

// An oddity makes events that searching could get wrong: few values in many
// spellings, names that look alike, hundreds of scalars, long values.
type oddity struct {
	rand *rand.Rand
	n    int
}

var (
	oddTypes   = []string{"order", "order.placed", "order.placed.eu", "orderly.conduct", "Order.placed", "order..x", "user.login", "user"}
	oddNames   = []string{"a", "A", "b", "a.b", "é", "é", "x y", `q"\`, "", "~more", "region", "*", "a:b", "\n"}
	oddTexts   = []string{"", "a", "A", "ab", "10", "10.0", "true", "null", "é", "é", "eu west", `q"\`, "*", "OR", "\x00", "x\ty", "-1"}
	oddNumbers = []string{"10", "10.0", "1e1", "100e-1", "-0", "0", "0.0", "1e400", "1e-400", "9007199254740993", "9007199254740992", "-1", "12345678901234567890.5"}
	oddAddress = []string{"10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:DB8:0:0::1", "host.example", "010.0.0.1"}
	oddTenants = []string{"", "", "", "acme", `b"\`}
)

func (o *oddity) pick(from []string) string { return from[o.rand.IntN(len(from))] }

// some picks a value or none.
func (o *oddity) some(from []string) string {
	if o.rand.IntN(3) == 0 {
		return ""
	}
	return o.pick(from)
}

// event makes the next event.
func (o *oddity) event() annals.Event {
	o.n++
	e := annals.Event{
		ID: fmt.Sprintf("odd-%06d", o.n), Type: o.pick(oddTypes), Tenant: o.pick(oddTenants), Time: o.time(),
		Source: o.some(oddTexts[1:4]), Action: o.some([]string{"insert", "update", "delete"}),
		Outcome: annals.Outcome(o.some([]string{"success", "failure", "pending"})), Severity: annals.Severity(o.some([]string{"info", "error", "debug"})),
		Message: o.some([]string{"ÉCOLE was opened", "the order was placed", "Straße"}), CorrelationID: o.some([]string{"c-1", "c-2", "C-1"}),
		Actor: annals.Actor{Type: o.some([]string{"user", "service"}), ID: o.some([]string{"u-1", "u-2", "user"}), Address: o.some(oddAddress)},
	}
	if o.rand.IntN(2) == 0 {
		e.Entity = annals.Entity{Type: o.pick([]string{"order", "user", "Order"}), ID: o.pick([]string{"1", "01", "order", "user"})}
	}
	if o.rand.IntN(5) == 0 {
		e.Related = []annals.Entity{{Type: "user", ID: o.pick([]string{"1", "7"})}, {Type: "order", ID: "8"}}
		e.Subjects = []string{"s-" + o.pick([]string{"1", "2"}), "s-3"}
		e.Outcome = annals.OutcomeFailure
		e.Error = annals.Failure{Code: o.pick([]string{"E1", "E2"}), Message: "no"}
		e.DurationMS = new(float64(o.rand.IntN(3)) / 2)
	}
	if o.rand.IntN(4) == 0 {
		e.Tags = map[string]string{"env": o.pick([]string{"prod", "dev", "10"}), "a.b": o.pick(oddTexts[1:])}
		e.Changes = map[string]annals.Change{"status": {Old: o.pick(oddTexts), New: json.RawMessage(o.value(1))}, "a.b": {New: json.RawMessage(o.value(1))}}
		e.Snapshot = json.RawMessage(o.object(1, 3))
		e.Metadata = json.RawMessage(o.object(1, 3))
	}
	e.Data = json.RawMessage(o.data())
	return e
}

// time makes a time: of the last weeks, equal to others now and then, or absurd.
func (o *oddity) time() time.Time {
	base := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	switch o.rand.IntN(20) {
	case 0:
		return time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)
	case 1:
		return time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	case 2:
		return time.Date(2500, 1, 1, 0, 0, 0, 1, time.UTC) // beyond nanoseconds of 64 bits
	case 3, 4, 5:
		return base
	}
	return base.Add(time.Duration(o.rand.Int64N(int64(10 * 24 * time.Hour))))
}

// data makes the data of an event.
func (o *oddity) data() string {
	switch o.rand.IntN(30) {
	case 0: // more scalars than an index keeps
		var b strings.Builder
		for i := range 250 + o.rand.IntN(200) {
			fmt.Fprintf(&b, `%c"f%03d":%d`, " ,"[min(i, 1)], i, o.rand.IntN(4))
		}
		return "{" + b.String()[1:] + "}"
	case 1:
		return `{"long":"` + strings.Repeat("x", 3000) + o.pick([]string{"1", "2"}) + `"}`
	case 2:
		return o.value(0)
	}
	return o.object(3, 4)
}

// object makes an object of so many members at most.
func (o *oddity) object(depth, members int) string {
	parts := make(map[string]bool)
	var b strings.Builder
	b.WriteByte('{')
	for range 1 + o.rand.IntN(members) {
		name := o.pick(oddNames)
		if parts[name] {
			continue
		}
		if len(parts) > 0 {
			b.WriteByte(',')
		}
		parts[name] = true
		b.WriteString(quoteText(name) + ":" + o.value(depth-1))
	}
	return b.String() + "}"
}

// value makes JSON of any shape.
func (o *oddity) value(depth int) string {
	n := o.rand.IntN(10)
	switch {
	case n < 4 || depth <= 0 && n > 6:
		return quoteText(o.pick(oddTexts))
	case n < 6:
		return o.pick(oddNumbers)
	case n < 7:
		return o.pick([]string{"true", "false", "null"})
	case n < 9:
		return o.object(depth, 3)
	}
	var parts []string
	for range o.rand.IntN(4) {
		parts = append(parts, o.value(depth-1))
	}
	return "[" + strings.Join(parts, ",") + "]"
}
