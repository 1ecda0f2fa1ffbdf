package ingest

import (
	"bytes"
	"strings"
	"time"
)

// A timeForm is how a source writes a time.
type timeForm struct {
	kind   timeKind
	layout string // of timeLayout
	utc    bool   // a time without a zone is UTC
}

type timeKind uint8

const (
	timeRFC3339  timeKind = iota
	timeDate              // as RFC 3339, more loosely
	timeLayout            // as the standard library's layouts say
	timeSeconds           // since 1970
	timeMillis            // since 1970
	timeMicros            // since 1970
	timeNanos             // since 1970
	timeFiletime          // 100 ns since 1601
)

// time makes v an RFC 3339 time. One that has this form already stays as the
// source has it.
func (r *run) time(form *timeForm, v *value) found {
	ok := false
	switch form.kind {
	case timeRFC3339:
		ok = isTime(v.text)
	case timeDate:
		ok = r.date(form, v)
	case timeLayout:
		t, err := time.Parse(form.layout, string(v.text))
		ok = err == nil && r.formatTime(t, v)
	default:
		t, isNumber := epochTime(form.kind, v.text)
		ok = isNumber && r.formatTime(t, v)
	}
	if ok {
		return usable
	}
	if r.badTime == nil {
		r.badTime = v.text
	}
	return unusable
}

// date reads the form timeDate.
func (r *run) date(form *timeForm, v *value) bool {
	if isTime(v.text) {
		return true
	}
	from := len(r.scratch)
	out, ok := appendDate(r.scratch, v.text, form.utc)
	if ok {
		r.scratch = out
		v.raw, v.text = nil, out[from:]
	}
	return ok
}

// formatTime sets v to a time in UTC; false if RFC 3339 has no form for its year.
func (r *run) formatTime(t time.Time, v *value) bool {
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return false
	}
	from := len(r.scratch)
	r.scratch = t.AppendFormat(r.scratch, time.RFC3339Nano)
	v.raw, v.text = nil, r.scratch[from:]
	return true
}

// epochShift is how many decimal digits of a number are below the second.
var epochShift = map[timeKind]int{timeSeconds: 0, timeMillis: 3, timeMicros: 6, timeNanos: 9, timeFiletime: 7}

// filetimeEpoch is 1970 in seconds since 1601.
const filetimeEpoch = 11_644_473_600

// epochTime reads a decimal number of units. Digits below a nanosecond are cut off.
func epochTime(kind timeKind, text []byte) (time.Time, bool) {
	s, negative := strings.CutPrefix(string(text), "-")
	whole, part, _ := strings.Cut(s, ".")
	shift := epochShift[kind]
	if len(whole) == 0 || len(whole) > 20 || len(part) > 20 || !digitsOnly(whole+part) {
		return time.Time{}, false
	}
	if pad := shift + 1 - len(whole); pad > 0 {
		whole = strings.Repeat("0", pad) + whole
	}
	fraction := (whole[len(whole)-shift:] + part + "000000000")[:9]
	whole = strings.TrimLeft(whole[:len(whole)-shift], "0")
	if len(whole) > 12 {
		return time.Time{}, false // beyond the year 9999 by far
	}
	seconds, nanos := decimal(whole), decimal(fraction)
	if negative {
		seconds, nanos = -seconds, -nanos
	}
	if kind == timeFiletime {
		seconds -= filetimeEpoch
	}
	return time.Unix(seconds, nanos), true
}

func digitsOnly(text string) bool {
	return strings.Trim(text, "0123456789") == ""
}

// decimal reads at most 12 digits.
func decimal(digits string) (n int64) {
	for _, c := range []byte(digits) {
		n = n*10 + int64(c-'0')
	}
	return n
}

// dateLen is the length of a date and a time of seconds.
const dateLen = len("2006-01-02T15:04:05")

// appendDate appends the RFC 3339 form of a date and time that may have a space
// for the T, a comma for the point, more than nine fraction digits, which are cut
// off, and a zone like +0100, +01 or UTC, with or without a space before; or, if
// utc, none.
func appendDate(dst, text []byte, utc bool) ([]byte, bool) {
	from := len(dst)
	if len(text) < dateLen || text[10] != ' ' && text[10]|0x20 != 't' {
		return dst, false
	}
	dst = append(dst, text[:dateLen]...)
	dst[from+10] = 'T'
	rest := text[dateLen:]
	if len(rest) > 0 && (rest[0] == '.' || rest[0] == ',') {
		n := 1
		for n < len(rest) && '0' <= rest[n] && rest[n] <= '9' {
			n++
		}
		dst = append(dst, '.')
		dst = append(dst, rest[1:min(n, 10)]...)
		rest = rest[n:]
	}
	var ok bool
	if dst, ok = appendZone(dst, rest, utc); !ok || !isTime(dst[from:]) {
		return dst[:from], false
	}
	return dst, true
}

// appendZone appends a zone in the form of RFC 3339.
func appendZone(dst, zone []byte, utc bool) ([]byte, bool) {
	zone = bytes.TrimPrefix(zone, []byte{' '})
	switch string(zone) {
	case "":
		return append(dst, 'Z'), utc
	case "Z", "z", "UTC", "GMT":
		return append(dst, 'Z'), true
	}
	switch len(zone) {
	case len("+01:00"):
		return append(dst, zone...), true
	case len("+0100"):
		dst = append(append(dst, zone[:3]...), ':')
		return append(dst, zone[3:]...), true
	case len("+01"):
		return append(append(dst, zone...), ":00"...), true
	}
	return dst, false
}

// isTime reports whether text is an RFC 3339 time of at most nanoseconds, with a
// capital T and Z.
func isTime(text []byte) bool {
	if len(text) <= dateLen || text[10] != 'T' || !isDate(text[:dateLen]) {
		return false
	}
	zone := text[dateLen:]
	if zone[0] == '.' {
		n := 1
		for n < len(zone) && '0' <= zone[n] && zone[n] <= '9' {
			n++
		}
		if n == 1 || n > 10 {
			return false
		}
		zone = zone[n:]
	}
	return string(zone) == "Z" || isOffset(string(zone))
}

// isDate reports whether text is the date and time of a second that exists, with
// any character between the two.
func isDate(text []byte) bool {
	for i, c := range []byte("0000-00-00T00:00:00") {
		switch {
		case c == '0' && (text[i] < '0' || text[i] > '9'), c != '0' && i != 10 && text[i] != c:
			return false
		}
	}
	two := func(i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	return 1 <= month && month <= 12 && 1 <= day && day <= daysIn(year, month) &&
		two(11) < 24 && two(14) < 60 && two(17) < 60
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// isOffset reports whether zone is a numeric offset.
func isOffset(zone string) bool {
	return len(zone) == len("+00:00") && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':' &&
		digitsOnly(zone[1:3]) && digitsOnly(zone[4:]) && zone[1:3] <= "23" && zone[4:] <= "59"
}
