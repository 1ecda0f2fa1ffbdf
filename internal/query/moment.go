package query

import (
	"strconv"
	"strings"
	"time"
)

// timeFormat is the canonical form of times in entries. Its texts are of one
// length, so they compare as the times do.
const timeFormat = "2006-01-02T15:04:05.000000000Z"

// timeHint names the forms that a time may have.
const timeHint = "write a time such as 2026-01-31T09:30:00Z, a date such as 2026-01-31, or a time before now such as 24h or 7d"

// A moment is what a time in filter text stands for: from first to last, both
// included, which are the same for all but dates.
type moment struct {
	first, last time.Time
	relative    bool // it was given as a distance before now
}

// parseMoment reads a time. The text what says what is wrong, if anything is.
func parseMoment(s string, now time.Time) (m moment, what string) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return bounded(moment{first: t, last: t.AddDate(0, 0, 1).Add(-1)})
	}
	if d, ok := ParseDistance(s); ok {
		t := now.Add(-d)
		return bounded(moment{first: t, last: t, relative: true})
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(s)); err != nil {
		return moment{}, "not a time: " + strconv.Quote(clip(s))
	}
	_, fraction, _ := strings.Cut(s, ".")
	if digits, _ := cutDigits([]byte(fraction)); len(digits) > 9 {
		return moment{}, "a time of more than nine fraction digits"
	}
	return bounded(moment{first: t, last: t})
}

// bounded puts m in UTC and refuses years that entries cannot have.
func bounded(m moment) (moment, string) {
	m.first, m.last = m.first.UTC(), m.last.UTC()
	if m.first.Year() < 0 || m.last.Year() > 9999 {
		return moment{}, "a time outside of the years 0000 to 9999"
	}
	return m, ""
}

// units are the parts of a distance, in descending order.
var units = map[byte]time.Duration{
	'w': 7 * 24 * time.Hour, 'd': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second,
}

// ParseDistance reads 90s, 24h, 7d, 1d12h and the like.
func ParseDistance(s string) (total time.Duration, ok bool) {
	for last := time.Duration(1<<63 - 1); s != ""; {
		digits, _ := cutDigits([]byte(s))
		if len(digits) == 0 || len(digits) > 9 || len(digits) == len(s) {
			return 0, false
		}
		unit, known := units[s[len(digits)]]
		n, _ := strconv.ParseInt(string(digits), 10, 64)
		if !known || unit >= last || n > int64((1<<63-1-total)/unit) {
			return 0, false
		}
		total, last, ok = total+time.Duration(n)*unit, unit, true
		s = s[len(digits)+1:]
	}
	return total, ok
}

// canonicalTime returns the operand for t.
func canonicalTime(t time.Time) Operand { return Operand{Text: t.Format(timeFormat)} }

// shortTime returns a canonical time without the zeros of its fraction.
func shortTime(s string) string {
	return strings.TrimRight(strings.TrimRight(strings.TrimSuffix(s, "Z"), "0"), ".") + "Z"
}
