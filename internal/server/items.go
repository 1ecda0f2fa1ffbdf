package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/annals-io/annals"
	"github.com/go-json-experiment/json/jsontext"
)

// An item is one of several things to append that stand or fall by themselves.
type item struct {
	event   annals.Encoded
	receipt annals.Receipt
	problem *problem // nil: it was appended
}

// appendItems appends the events of a list one by one and answers for each.
func (x *exchange) appendItems() error {
	if _, err := x.choice("wait", "durable"); err != nil {
		return err
	}
	if x.query.Has("expected_sequence") {
		return badParam("expected_sequence", "does not go with atomic=false")
	}
	items, err := x.items()
	if err != nil {
		return err
	}
	x.auditItems(items)
	if err := x.principalAppend(items); err != nil {
		return err
	}
	out := takeBuffer()
	defer out.give()
	out.b = append(out.b, `{"results":[`...)
	for i := range items {
		if i > 0 {
			out.b = append(out.b, ',')
		}
		out.b = items[i].appendResult(out.b, x)
	}
	x.send(http.StatusMultiStatus, "application/json", append(out.b, `]}`...))
	return nil
}

// auditItems journals that an item was refused for who sends it, once for all of them.
func (x *exchange) auditItems(items []item) {
	for i := range items {
		if p := items[i].problem; p != nil && p.code == codeForbidden {
			x.auditRefusal(p)
			return
		}
	}
}

// appendResult appends the answer for one item.
func (it *item) appendResult(dst []byte, x *exchange) []byte {
	if it.problem != nil {
		dst = strconv.AppendInt(append(dst, `{"status":`...), int64(it.problem.status), 10)
		dst = it.problem.appendJSON(append(dst, `,"problem":`...), x.r.URL.EscapedPath(), x.id)
		return append(dst, '}')
	}
	status := int64(http.StatusCreated)
	if it.receipt.Duplicate {
		status = http.StatusOK
	}
	dst = strconv.AppendInt(append(dst, `{"status":`...), status, 10)
	return append(it.receipt.AppendJSON(append(dst, `,"receipt":`...)), '}')
}

// items reads the body of a list. What is wrong with one item is the item's problem.
func (x *exchange) items() ([]item, error) {
	f, err := x.form()
	if err != nil {
		return nil, err
	}
	b, err := x.body()
	if err != nil {
		return nil, err
	}
	defer b.give()
	var items []item
	parse := func(text []byte, err error) error {
		if len(items) == annals.MaxBatchEvents {
			return fmt.Errorf("%w: more than %d events", annals.ErrTooLarge, annals.MaxBatchEvents)
		}
		items = append(items, x.item(f, text, err))
		return nil
	}
	switch f {
	case formNDJSON:
		err = eachValue(b.b, parse)
	case formJSON, formCloudEvents:
		err = eachElement(b.b, parse)
	default:
		return nil, badParam("atomic", "is for lists of events")
	}
	if err == nil && len(items) == 0 {
		err = fmt.Errorf("%w: there are no events to append", annals.ErrInvalid)
	}
	if err == nil {
		err = x.takeEvents(len(items))
	}
	return items, err
}

// item reads one item, unless it is known to be wrong.
func (x *exchange) item(f form, text []byte, err error) (it item) {
	switch {
	case err != nil:
	case f == formCloudEvents:
		it.event, err = annals.ParseCloudEvent(text)
	default:
		it.event, err = annals.ParseEvent(text)
	}
	if err == nil {
		err = x.covers([]annals.Encoded{it.event}, nil)
	}
	if err != nil {
		it.problem = problemOf(err)
	}
	return it
}

// eachValue calls each with every value of a sequence, or with what is wrong with it.
func eachValue(body []byte, each func([]byte, error) error) error {
	d := annals.NewDecoder(bytes.NewReader(body), maxValueBytes)
	for {
		text, err := d.Next()
		if err == io.EOF {
			return nil
		}
		if err := each(text, err); err != nil {
			return err
		}
	}
}

// eachElement calls each with every element of an array.
func eachElement(body []byte, each func([]byte, error) error) error {
	// The elements are checked by whoever reads them.
	d := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '[' {
		return problemf(codeInvalid, "with atomic=false the body is an array of events, or a sequence of them")
	}
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != ']' {
		var text jsontext.Value
		if text, err = d.ReadValue(); err == nil {
			if err := each(text, nil); err != nil {
				return err
			}
		}
	}
	if err == nil {
		_, err = d.ReadToken()
	}
	if err == nil {
		if _, err = d.ReadToken(); err == io.EOF {
			return nil
		}
	}
	return problemf(codeInvalid, "the body is no JSON array")
}

// principalAppend appends the items of a request.
func (x *exchange) principalAppend(items []item) error {
	sound := make([]*item, 0, len(items))
	for i := range items {
		if items[i].problem == nil {
			sound = append(sound, &items[i])
		}
	}
	ctx := x.principalContext()
	x.server.appendEach(ctx, sound)
	return ctx.Err()
}

// appendEach appends items in order, as few appends as there can be: all at once, and if
// that is refused, which adds nothing, each half by itself.
func (s *Server) appendEach(ctx context.Context, items []*item) {
	if len(items) == 0 {
		return
	}
	events := make([]annals.Encoded, len(items))
	for i, it := range items {
		events[i] = it.event
	}
	receipts, err := s.appendEvents(ctx, nil, events)
	if err == nil {
		for i := range items {
			items[i].receipt = receipts[i]
		}
		return
	}
	p := problemOf(err)
	if len(items) > 1 && p.isOfItem() {
		s.appendEach(ctx, items[:len(items)/2])
		s.appendEach(ctx, items[len(items)/2:])
		return
	}
	for _, it := range items {
		it.problem = p
	}
}

// isOfItem reports whether a problem of several items may be that of one of them.
func (p *problem) isOfItem() bool {
	return p.code == codeInvalid || p.code == codeConflict || p.code == codeTooLarge
}
