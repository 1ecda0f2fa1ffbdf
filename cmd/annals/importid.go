package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/annals-io/annals"
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
