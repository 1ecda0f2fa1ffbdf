package annals

import "time"

// parseTime reads a time in the form of RFC 3339: any offset, at most nine
// fraction digits, T and Z in either case. It takes neither a leap second, which
// no later reader could tell from the next minute, nor a day that no calendar
// has. The detail says what is wrong; it is empty if nothing is.
func parseTime(text []byte) (t time.Time, detail string) {
	const malformed = "is not a time in RFC 3339 form"
	if len(text) < len("2006-01-02T15:04:05Z") || text[4] != '-' || text[7] != '-' || text[10]|0x20 != 't' ||
		text[13] != ':' || text[16] != ':' {
		return t, malformed
	}
	year, ok1 := digits2(text[0:])
	yearLow, ok2 := digits2(text[2:])
	month, ok3 := digits2(text[5:])
	day, ok4 := digits2(text[8:])
	hour, ok5 := digits2(text[11:])
	minute, ok6 := digits2(text[14:])
	second, ok7 := digits2(text[17:])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) {
		return t, malformed
	}
	year = year*100 + yearLow
	nanos, rest, detail := fraction(text[19:])
	if detail != "" {
		return t, detail
	}
	offset, ok := offsetSeconds(rest)
	switch {
	case !ok:
		return t, malformed
	case second == 60:
		return t, "leap seconds are not accepted"
	case month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59:
		return t, "is no time that exists"
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second-offset, nanos, time.UTC)
	if offset != 0 && (t.Year() < 0 || t.Year() > 9999) {
		return t, "its year in UTC is outside 0000 to 9999"
	}
	return t, ""
}

// digits2 reads two digits.
func digits2(text []byte) (int, bool) {
	a, b := text[0]-'0', text[1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

// fraction reads the fraction of a second, if there is one.
func fraction(text []byte) (nanos int, rest []byte, detail string) {
	if len(text) == 0 || text[0] != '.' {
		return 0, text, ""
	}
	scale := 1_000_000_000
	i := 1
	for ; i < len(text) && '0' <= text[i] && text[i] <= '9'; i++ {
		scale /= 10
		nanos += int(text[i]-'0') * scale
	}
	switch {
	case i == 1:
		return 0, nil, "has a decimal point without digits"
	case i > 10:
		return 0, nil, "has more than 9 fraction digits"
	}
	return nanos, text[i:], ""
}

// offsetSeconds reads Z or an offset from UTC in hours and minutes.
func offsetSeconds(text []byte) (seconds int, ok bool) {
	switch {
	case len(text) == 1:
		return 0, text[0]|0x20 == 'z'
	case len(text) != 6 || text[3] != ':' || text[0] != '+' && text[0] != '-':
		return 0, false
	}
	hours, ok1 := digits2(text[1:])
	minutes, ok2 := digits2(text[4:])
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, false
	}
	seconds = hours*3600 + minutes*60
	if text[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// appendTime appends a time as a canonical JSON string: [engine.TimeFormat] in
// quotes. Its year must be one of 0000 to 9999.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, '"')
	dst = appendDigits(dst, year, 4, '-')
	dst = appendDigits(dst, int(month), 2, '-')
	dst = appendDigits(dst, day, 2, 'T')
	dst = appendDigits(dst, hour, 2, ':')
	dst = appendDigits(dst, minute, 2, ':')
	dst = appendDigits(dst, second, 2, '.')
	dst = appendDigits(dst, t.Nanosecond(), 9, 'Z')
	return append(dst, '"')
}

// appendDigits appends n with leading zeros, and what comes after it.
func appendDigits(dst []byte, n, width int, after byte) []byte {
	var buf [10]byte
	for i := width - 1; i >= 0; i-- {
		buf[i] = byte('0' + n%10)
		n /= 10
	}
	buf[width] = after
	return append(dst, buf[:width+1]...)
}
