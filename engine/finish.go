package engine

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// TimeFormat is the form of every assigned time: UTC with nine fraction digits.
const TimeFormat = "2006-01-02T15:04:05.000000000Z"

// maxSuffixBytes bounds what [Finish] adds to a body.
const maxSuffixBytes = len(`,"recorded_at":"2006-01-02T15:04:05.000000000Z","sequence":18446744073709551615,"position":18446744073709551615}`)

// MaxAssignedBytes is the most that [Finish] adds to a body.
const MaxAssignedBytes = maxSuffixBytes

// Finish appends to dst the entry of a body: the body and the members that only
// the engine can know, in their order, and the closing brace. A zero sequence is
// left out. It is the one place where an entry is completed, so that the same
// record has the same bytes in every engine.
func Finish(dst, body []byte, recordedAt time.Time, s Sequence, p Position) []byte {
	dst = append(dst, body...)
	dst = append(dst, `,"recorded_at":"`...)
	dst = recordedAt.UTC().AppendFormat(dst, TimeFormat)
	dst = append(dst, '"')
	if s != 0 {
		dst = append(dst, `,"sequence":`...)
		dst = strconv.AppendUint(dst, uint64(s), 10)
	}
	dst = append(dst, `,"position":`...)
	dst = strconv.AppendUint(dst, uint64(p), 10)
	return append(dst, '}')
}

// An Assigned holds the members that [Finish] added.
type Assigned struct {
	BodyBytes  int // length of the body that Finish was given
	RecordedAt time.Time
	Sequence   Sequence
	Position   Position
}

var errNoAssigned = errors.New("entry does not end in the assigned members")

// ParseAssigned reads the members that [Finish] appended to an entry. It accepts
// exactly what Finish writes.
func ParseAssigned(entry []byte) (Assigned, error) {
	var a Assigned
	const key = `,"recorded_at":"`
	at := bytes.LastIndex(entry, []byte(key))
	if at < 0 || len(entry)-at > maxSuffixBytes || len(entry)-at < len(key)+len(TimeFormat) {
		return a, errNoAssigned
	}
	a.BodyBytes = at
	rest := entry[at+len(key):]
	t, err := time.Parse(TimeFormat, string(rest[:len(TimeFormat)]))
	if err != nil {
		return a, errNoAssigned
	}
	a.RecordedAt = t
	rest = rest[len(TimeFormat):]
	rest = bytes.TrimPrefix(rest, []byte(`"`))
	if r, ok := bytes.CutPrefix(rest, []byte(`,"sequence":`)); ok {
		end := bytes.IndexByte(r, ',')
		if end < 0 {
			return a, errNoAssigned
		}
		n, err := strconv.ParseUint(string(r[:end]), 10, 64)
		if err != nil {
			return a, errNoAssigned
		}
		a.Sequence, rest = Sequence(n), r[end:]
	}
	r, ok := bytes.CutPrefix(rest, []byte(`,"position":`))
	if !ok || len(r) == 0 {
		return a, errNoAssigned
	}
	n, err := strconv.ParseUint(string(r[:len(r)-1]), 10, 64)
	if err != nil {
		return a, errNoAssigned
	}
	a.Position = Position(n)
	var buf [maxSuffixBytes]byte
	if !bytes.Equal(Finish(buf[:0], nil, a.RecordedAt, a.Sequence, a.Position), entry[at:]) {
		return a, errNoAssigned
	}
	return a, nil
}
