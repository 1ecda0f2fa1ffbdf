package query

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
)

// A number is the exact value of a JSON number, ±0.digits × 10^exponent, in the
// one form that each value has. It is as long as the number's text and never
// longer, whatever the exponent.
type number struct {
	negative bool
	digits   []byte // without zeros at either end; empty means zero

	exponent int64
	far      []byte // digits of an exponent that does not fit, else nil
	below    bool   // such an exponent is negative
}

// farDigits is how many digits make an exponent far.
const farDigits = 18

// parseNumber returns the value of a JSON number. The result shares its text.
func parseNumber(s []byte) (n number, ok bool) {
	rest, negative := bytes.CutPrefix(s, []byte("-"))
	whole, rest := cutDigits(rest)
	if len(whole) == 0 || whole[0] == '0' && len(whole) > 1 {
		return number{}, false
	}
	var fraction, power []byte
	if after, found := bytes.CutPrefix(rest, []byte(".")); found {
		if fraction, rest = cutDigits(after); len(fraction) == 0 {
			return number{}, false
		}
	}
	down := false
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
			down, rest = rest[0] == '-', rest[1:]
		}
		if power, rest = cutDigits(rest); len(power) == 0 {
			return number{}, false
		}
	}
	if len(rest) > 0 {
		return number{}, false
	}
	digits, point := significant(whole, fraction)
	if len(digits) == 0 {
		return number{}, true
	}
	n = number{negative: negative, digits: digits}
	n.setExponent(down, bytes.TrimLeft(power, "0"), int64(point))
	return n, true
}

// cutDigits cuts s after the decimal digits that it begins with.
func cutDigits(s []byte) (digits, rest []byte) {
	i := 0
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return s[:i], s[i:]
}

// significant returns the digits of whole.fraction without zeros at either end,
// and how many places left of them the decimal point is.
func significant(whole, fraction []byte) (digits []byte, point int) {
	whole = bytes.TrimLeft(whole, "0")
	fraction = bytes.TrimRight(fraction, "0")
	switch {
	case len(fraction) == 0:
		return bytes.TrimRight(whole, "0"), len(whole)
	case len(whole) == 0:
		digits = bytes.TrimLeft(fraction, "0")
		return digits, len(digits) - len(fraction)
	}
	return slices.Concat(whole, fraction), len(whole)
}

// setExponent sets the exponent to ±power + point, where power has no leading
// zero.
func (n *number) setExponent(down bool, power []byte, point int64) {
	if down {
		point = -point
	}
	// From here the exponent is ±(power + point), with the sign in down.
	if len(power) <= farDigits {
		sum, _ := strconv.ParseInt("0"+string(power), 10, 64)
		if sum += point; sum < 0 {
			sum, down = -sum, !down
		}
		power = strconv.AppendInt(nil, sum, 10)
	} else {
		power = bytes.TrimLeft(addSmall(power, point), "0")
	}
	if len(power) > farDigits {
		n.far, n.below = power, down
		return
	}
	n.exponent, _ = strconv.ParseInt(string(power), 10, 64)
	if down {
		n.exponent = -n.exponent
	}
}

// addSmall returns the digits of power + d, for a power of more than farDigits
// digits and a d so small that the sum stays positive.
func addSmall(power []byte, d int64) []byte {
	sum := append([]byte{'0'}, power...)
	for i := len(sum) - 1; i >= 0 && d != 0; i-- {
		d += int64(sum[i] - '0')
		digit := (d%10 + 10) % 10
		sum[i] = '0' + byte(digit)
		d = (d - digit) / 10
	}
	return sum
}

// compare returns -1, 0 or 1 as n is less than, equal to or greater than m.
func (n *number) compare(m *number) int {
	if a, b := n.sign(), m.sign(); a != b {
		return cmp.Compare(a, b)
	}
	c := n.compareExponent(m)
	if c == 0 {
		c = bytes.Compare(n.digits, m.digits)
	}
	if n.negative {
		return -c
	}
	return c
}

func (n *number) sign() int {
	switch {
	case len(n.digits) == 0:
		return 0
	case n.negative:
		return -1
	}
	return 1
}

func (n *number) compareExponent(m *number) int {
	a, b := n.reach(), m.reach()
	switch {
	case a != b:
		return cmp.Compare(a, b)
	case a == 0:
		return cmp.Compare(n.exponent, m.exponent)
	}
	c := cmp.Compare(len(n.far), len(m.far))
	if c == 0 {
		c = bytes.Compare(n.far, m.far)
	}
	return a * c
}

// reach returns the sign of a far exponent, and 0 for others.
func (n *number) reach() int {
	switch {
	case n.far == nil:
		return 0
	case n.below:
		return -1
	}
	return 1
}

// NumberKey returns a text that is the same for two JSON numbers exactly when
// they are equal: 10, 10.0 and 1e1 have one key. It is no longer than the number
// by more than a few bytes. ok is false when s is not a JSON number.
func NumberKey(s string) (key string, ok bool) {
	b, ok := appendNumberKey(nil, []byte(s))
	return string(b), ok
}

// appendNumberKey appends the [NumberKey] of s. What it returns is of no use when
// ok is false.
func appendNumberKey(dst, s []byte) (out []byte, ok bool) {
	if out, ok := appendPlainKey(dst, s); ok {
		return out, true
	}
	n, ok := parseNumber(s)
	if !ok {
		return dst, false
	}
	if len(n.digits) == 0 {
		return append(dst, '0'), true
	}
	if n.negative {
		dst = append(dst, '-')
	}
	dst = append(append(dst, n.digits...), 'e')
	if n.far == nil {
		return strconv.AppendInt(dst, n.exponent, 10), true
	}
	if n.below {
		dst = append(dst, '-')
	}
	return append(dst, n.far...), true
}

// appendPlainKey is appendNumberKey for numbers without an exponent, of which it
// allocates nothing. ok is false for others.
func appendPlainKey(dst, s []byte) (out []byte, ok bool) {
	rest, negative := bytes.CutPrefix(s, []byte{'-'})
	whole, rest := cutDigits(rest)
	if len(whole) == 0 || whole[0] == '0' && len(whole) > 1 {
		return dst, false
	}
	var fraction []byte
	if len(rest) > 1 && rest[0] == '.' {
		fraction, rest = cutDigits(rest[1:])
	}
	if len(rest) > 0 {
		return dst, false
	}
	start := len(dst)
	if negative {
		dst = append(dst, '-')
	}
	first := len(dst)
	dst = append(append(dst, whole...), fraction...)
	all := bytes.TrimRight(dst[first:], "0")
	digits := bytes.TrimLeft(all, "0")
	if len(digits) == 0 {
		return append(dst[:start], '0'), true
	}
	point := len(whole) - (len(all) - len(digits))
	dst = append(dst[:first], digits...)
	return strconv.AppendInt(append(dst, 'e'), int64(point), 10), true
}
