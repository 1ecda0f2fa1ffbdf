package annals

import (
	"fmt"
	"strconv"
)

// An Expect is a condition of an append: before it, Entity's last sequence must
// be Sequence. Zero means that the entity must be new. The entity need not have
// an event in the append.
type Expect struct {
	Tenant   string // as for events
	Entity   Entity
	Sequence Sequence
}

var (
	batchShape  = &shape{"a batch", []field{{name: "events"}, {name: "expect"}}}
	expectShape = &shape{"an expectation", []field{
		{name: "tenant", max: 100},
		{name: "entity", kind: kindRecord, shape: entityShape, required: true},
		{name: "sequence", kind: kindCounter, required: true},
	}}
)

// ParseBatch reads what one append may be as a JSON value: an array of events, a
// batch {"events": […], "expect": […]}, or else a single event. Pointers and
// offsets of errors are those in body. There may be no events at all.
//
// Errors: [ErrInvalid]; [ErrTooLarge], above [MaxBatchEvents] too.
func ParseBatch(body []byte) ([]Encoded, []Expect, error) {
	return ParseOptions{}.ParseBatch(body)
}

// ParseBatch is [ParseBatch] with options.
func (o ParseOptions) ParseBatch(body []byte) ([]Encoded, []Expect, error) {
	if len(body) > maxTextBytes {
		return nil, nil, ErrTooLarge
	}
	p := batchParser{mode: parseMode{dropAssigned: o.DropAssigned}}
	p.in, p.out = body, make([]byte, 0, len(body)+len(body)/8)
	p.space()
	err := p.form()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, nil, located(err, body)
	}
	return p.events, p.expects, nil
}

// A batchParser reads a batch. The events share one buffer.
type batchParser struct {
	scanner
	mode    parseMode
	events  []Encoded
	expects []Expect
}

// form reads whichever form comes.
func (p *batchParser) form() error {
	switch {
	case p.peek() == '[':
		return p.each(p.event)
	case p.startsBatch():
		return p.batch()
	}
	return p.event()
}

// startsBatch reports whether an object is a batch: its first member says so,
// since no event has a member of those names.
func (p *batchParser) startsBatch() bool {
	at := p.pos
	defer func() { p.pos = at }()
	if p.peek() != '{' {
		return false
	}
	p.pos++
	p.space()
	name, err := p.fieldName()
	return err == nil && batchShape.index(name, 0) >= 0
}

func (p *batchParser) batch() error {
	var seen [2]bool
	open := p.pos
	err := p.fields(batchShape, 1, func(name []byte, at int) error {
		i := batchShape.index(name, 0)
		switch {
		case i < 0:
			return errUnknown(at, batchShape, name)
		case seen[i]:
			return errDuplicate(at)
		}
		seen[i] = true
		if i == 0 {
			return p.each(p.event)
		}
		return p.each(p.expect)
	})
	if err == nil && !seen[0] {
		err = errLacks(open, batchShape, "events")
	}
	return err
}

// each reads an array, one element at a time.
func (p *batchParser) each(element func() error) error {
	if p.peek() != '[' {
		return p.wrongType("an array")
	}
	p.pos++
	p.space()
	if p.peek() == ']' {
		p.pos++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		p.space()
		if p.peek() == ']' {
			p.pos++
			return nil
		}
		if err := p.token(','); err != nil {
			return err
		}
		p.space()
	}
}

// event reads one event of the batch.
func (p *batchParser) event() error {
	if len(p.events) == MaxBatchEvents {
		return fmt.Errorf("%w: more than %d events", ErrTooLarge, MaxBatchEvents)
	}
	start := p.pos
	var e Encoded
	if err := p.scanner.event(&e, p.mode); err != nil {
		return err
	}
	if p.events == nil {
		// Most batches hold events of about one size.
		p.events = make([]Encoded, 0, min(MaxBatchEvents, 1+(len(p.in)-start)/(p.pos-start)))
	}
	p.events = append(p.events, e)
	return nil
}

// expect reads one expectation of the batch.
func (p *batchParser) expect() error {
	if len(p.expects) == MaxBatchEvents {
		return fmt.Errorf("%w: more than %d expectations", ErrTooLarge, MaxBatchEvents)
	}
	open, start := p.pos, len(p.out)
	if err := p.record(expectShape, 2); err != nil {
		return err
	}
	if len(p.out) == start {
		return errLacks(open, expectShape, "entity")
	}
	var x Expect
	for w := walk(p.out[start:]); w.next(); {
		switch string(w.name) {
		case "tenant":
			x.Tenant = unquote(w.value)
		case "entity":
			x.Entity = decodeEntity(w.value)
		case "sequence":
			n, err := strconv.ParseUint(string(w.value), 10, 64)
			if err != nil {
				return invalidAt(open, err.Error())
			}
			x.Sequence = Sequence(n)
		}
	}
	p.out = p.out[:start]
	p.expects = append(p.expects, x)
	return nil
}
