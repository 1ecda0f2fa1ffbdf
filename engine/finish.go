package engine

import (
	"bytes"
	"errors"
	"math"
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
	dst = appendTime(dst, recordedAt)
	dst = append(dst, '"')
	if s != 0 {
		dst = append(dst, `,"sequence":`...)
		dst = strconv.AppendUint(dst, uint64(s), 10)
	}
	dst = append(dst, `,"position":`...)
	dst = strconv.AppendUint(dst, uint64(p), 10)
	return append(dst, '}')
}

// appendTime appends t in [TimeFormat]. It is what t.AppendFormat would do, at a
// third of the cost: every entry that is written pays it.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, TimeFormat)
	}
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), int(month), 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	dst = appendDigits(append(dst, 'T'), hour, 2)
	dst = appendDigits(append(dst, ':'), minute, 2)
	dst = appendDigits(append(dst, ':'), second, 2)
	dst = appendDigits(append(dst, '.'), t.Nanosecond(), 9)
	return append(dst, 'Z')
}

// appendDigits appends n with leading zeros.
func appendDigits(dst []byte, n, width int) []byte {
	at := len(dst)
	dst = append(dst, "000000000"[:width]...)
	for i := at + width - 1; i >= at; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
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
// exactly what Finish writes, for times of the years 0 to 9999.
func ParseAssigned(entry []byte) (Assigned, error) {
	var a Assigned
	rest, has := bytes.CutSuffix(entry, []byte(`}`))
	n, rest, ok := cutLastNumber(rest)
	rest, named := bytes.CutSuffix(rest, []byte(`,"position":`))
	if !has || !ok || !named {
		return a, errNoAssigned
	}
	a.Position = Position(n)
	if n, r, ok := cutLastNumber(rest); ok {
		if rest, named = bytes.CutSuffix(r, []byte(`,"sequence":`)); !named || n == 0 {
			return Assigned{}, errNoAssigned
		}
		a.Sequence = Sequence(n)
	}
	const key = `,"recorded_at":"`
	rest, has = bytes.CutSuffix(rest, []byte(`"`))
	a.BodyBytes = len(rest) - len(TimeFormat) - len(key)
	if !has || a.BodyBytes < 0 || string(rest[a.BodyBytes:a.BodyBytes+len(key)]) != key {
		return Assigned{}, errNoAssigned
	}
	if a.RecordedAt, _, ok = cutTime(rest[a.BodyBytes+len(key):]); !ok {
		return Assigned{}, errNoAssigned
	}
	return a, nil
}

// EndsAt reports whether an entry ends in a position, as [Finish] writes it.
func EndsAt(entry []byte, p Position) bool {
	rest, has := bytes.CutSuffix(entry, []byte(`}`))
	n, rest, ok := cutLastNumber(rest)
	return has && ok && Position(n) == p && bytes.HasSuffix(rest, []byte(`,"position":`))
}

// cutTime reads a time in [TimeFormat] from the start of b.
func cutTime(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < len(TimeFormat) {
		return t, b, false
	}
	text, rest := b[:len(TimeFormat)], b[len(TimeFormat):]
	for i, c := range []byte(TimeFormat) {
		digit := '0' <= c && c <= '9'
		if digit && (text[i] < '0' || text[i] > '9') || !digit && text[i] != c {
			return t, b, false
		}
	}
	num := func(from, to int) (n int) {
		for _, c := range text[from:to] {
			n = 10*n + int(c-'0')
		}
		return n
	}
	month, day, hour, minute, second := num(5, 7), num(8, 10), num(11, 13), num(14, 16), num(17, 19)
	t = time.Date(num(0, 4), time.Month(month), day, hour, minute, second, num(20, 29), time.UTC)
	return t, rest, 1 <= month && month <= 12 && t.Day() == day && hour < 24 && minute < 60 && second < 60
}

// cutLastNumber reads an unsigned integer, as Finish writes it, from the end of b.
func cutLastNumber(b []byte) (n uint64, rest []byte, ok bool) {
	at := len(b)
	for at > 0 && '0' <= b[at-1] && b[at-1] <= '9' {
		at--
	}
	digits := b[at:]
	for _, c := range digits {
		digit := uint64(c - '0')
		if n > (math.MaxUint64-digit)/10 {
			return 0, b, false
		}
		n = 10*n + digit
	}
	return n, b[:at], len(digits) == 1 || len(digits) > 1 && digits[0] != '0'
}
