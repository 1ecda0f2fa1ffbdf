package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/annals-io/annals/engine"
	"github.com/go-json-experiment/json/jsontext"
)

// maxID is the longest id, in bytes.
const maxID = 255

// withID returns an event with another id.
func withID(e *annals.Encoded, id string) (annals.Encoded, error) {
	text := e.JSON()
	rest := text[1:]
	if old, ok := e.Member("id"); ok { // which comes first, and type follows
		rest = rest[len(`"id":`)+len(old)+len(`,`):]
	}
	out := append(make([]byte, 0, len(text)+len(id)+len(`"id":"",`)), `{"id":`...)
	out, err := jsontext.AppendQuote(out, id)
	if err != nil {
		return annals.Encoded{}, err
	}
	return annals.ParseEvent(append(append(out, ','), rest...))
}

// derive gives the id of a line without one the count of equal lines before it in
// its file.
func (l *line) derive(equal *tally) error {
	id := l.event.ID()
	var key lineKey
	if _, err := hex.Decode(key[:], []byte(id)); err != nil {
		return err
	}
	before, err := equal.add(key)
	if err == nil && before > 0 {
		l.event, err = withID(&l.event, id+"."+strconv.FormatUint(before, 10))
	}
	return err
}

// renameTaken gives the lines whose ids other content has, which err says there are,
// other ids, and reports whether there were any. Our own events keep their ids: to
// send one again with other content is a mistake.
func (l *lane) renameTaken(ctx context.Context, c *chunk, lines []*line, err error) (some bool, other error) {
	if isOwn(c.file.format) {
		return false, nil
	}
	if !errors.Is(err, engine.ErrSameID) && !isConflict(err) {
		return false, nil
	}
	firsts := make(map[name]*annals.Encoded)
	for _, x := range lines {
		if x.renamed {
			continue
		}
		is, err := l.isTaken(ctx, &x.event, firsts)
		if err == nil && is {
			some = true
			err = x.rename(c.lineText(x))
		}
		if err != nil {
			return some, err
		}
	}
	return some, nil
}

// A name is what an event is found by.
type name struct{ tenant, id string }

// isTaken reports whether other content has the id of an event: in the journal, which
// decides if it has the id at all, or else in the first event of a batch with that id,
// of which firsts has those so far.
func (l *lane) isTaken(ctx context.Context, e *annals.Encoded, firsts map[name]*annals.Encoded) (bool, error) {
	n := name{l.tenantOf(e), e.ID()}
	entry, err := l.journal.GetTenant(ctx, n.tenant, n.id)
	if errors.Is(err, client.ErrForbidden) {
		return false, nil // the token does not read, so the line is rejected as it is
	}
	if err != nil && !errors.Is(err, annals.ErrNotFound) {
		return false, fmt.Errorf("get entry %q: %w", n.id, err)
	}
	if err == nil {
		return !l.isEntry(&entry, e), nil
	}
	if first := firsts[n]; first != nil {
		return !isRetry(first, e), nil
	}
	firsts[n] = e
	return false, nil
}

// freeOnRetry are the members that a retry may lack.
var freeOnRetry = []string{"id", "time", "tenant", "version", "trace_id", "span_id"}

// isRetry reports whether a journal takes an event for the same as one before.
func isRetry(first, again *annals.Encoded) bool {
	for _, name := range memberNames {
		a, before := first.Member(name)
		b, now := again.Member(name)
		if now && !bytes.Equal(a, b) || before && !now && !slices.Contains(freeOnRetry, name) {
			return false
		}
	}
	return true
}

// rename gives a line whose id other content has another one, which the line's bytes
// decide.
func (l *line) rename(text []byte) error {
	event, err := withID(&l.event, otherID(l.event.ID(), text))
	if err == nil {
		l.event, l.renamed = event, true
	}
	return err
}

// otherID returns the id of a line whose own is taken.
func otherID(id string, text []byte) string {
	sum := sha256.Sum256(text)
	other := id + "#" + hex.EncodeToString(sum[:8])
	if len(other) > maxID {
		long := sha256.Sum256([]byte(other))
		other = hex.EncodeToString(long[:])
	}
	return other
}
