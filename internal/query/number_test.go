package query_test

import (
	"cmp"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/annals-io/annals/internal/query"
)

// ascending are groups of equal numbers, each above the one before.
var ascending = [][]string{
	{"-1e99999999999999999999999"},
	{"-1e999999999999999999", "-0.1e1000000000000000000", "-10e999999999999999998"},
	{"-1e999999999"},
	{"-9007199254740993"},
	{"-9007199254740992"},
	{"-10", "-1e1", "-10.0", "-100E-1"},
	{"-1.5"},
	{"-0.001"},
	{"-1e-99999999999999999999999"},
	{"0", "-0", "0.0", "0e5", "0e-99999999999999999999999", "-0.000e99999999999999999999999"},
	{"1e-999999999999999999999999"},
	{"1e-99999999999999999999999", "0.1e-99999999999999999999998"},
	{"2e-99999999999999999999999"},
	{"1e-999999999"},
	{"0.001", "1e-3", "1E-03", "0.0010"},
	{"0.01", "0.001e0000000000000000000000001"},
	{"1", "1.0", "1e0", "1e-0", "1e+0", "0.1e1", "10e-1", "1000e-3"},
	{"1.00000000000000000000000000000000000001"},
	{"1.5"},
	{"10", "10.0", "1e1", "0.010e3"},
	{"15", "1.5e1"},
	{"9007199254740992", "9007199254740992.0"},
	{"9007199254740993", "9.007199254740993e15"},
	{"1e999999999", "10e999999998", "0.1e1000000000"},
	{"1e999999999999999998"},
	{"1e999999999999999999", "0.1e1000000000000000000", "0.001e1000000000000000002", "1000e999999999999999996"},
	{"1e1000000000000000000", "10e999999999999999999"},
	{"1e99999999999999999999999", "1e000099999999999999999999999", "10e99999999999999999999998", "0.1e100000000000000000000000"},
	{"1e100000000000000000000000"},
}

func TestNumbersByValue(t *testing.T) {
	type ranked struct {
		text string
		rank int
	}
	var all []ranked
	for i, group := range ascending {
		for _, text := range group {
			all = append(all, ranked{text, i})
		}
	}
	for _, a := range all {
		for _, b := range all {
			want := cmp.Compare(a.rank, b.rank)
			if got, ok := query.CompareNumbers(a.text, b.text); !ok || got != want {
				t.Errorf("compare %s, %s: got %d %t, want %d", a.text, b.text, got, ok, want)
			}
			ka, _ := query.NumberKey(a.text)
			kb, _ := query.NumberKey(b.text)
			if (ka == kb) != (want == 0) {
				t.Errorf("keys of %s and %s: %q, %q", a.text, b.text, ka, kb)
			}
		}
	}
}

func TestNotNumbers(t *testing.T) {
	for _, s := range []string{
		"", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1.e1", "1e1.0", "0x10", "1_000", " 1", "1 ", "NaN",
		"Infinity", "1,5", "--1", "１", "1e--1",
	} {
		if key, ok := query.NumberKey(s); ok {
			t.Errorf("%q is a number: %s", s, key)
		}
	}
}

// Fault 104: the size of an exponent costs nothing, and that of a number is linear.
func TestFault104HugeNumbers(t *testing.T) {
	nines := strings.Repeat("9", 1<<20)
	zeros := strings.Repeat("0", 1<<20)
	for _, s := range []string{nines, "1" + zeros, "0." + zeros + "1", "1e" + nines, "1e-" + nines, nines + "." + nines + "e" + nines} {
		key, ok := query.NumberKey(s)
		if !ok || len(key) > len(s)+30 {
			t.Errorf("number of %d bytes: key of %d, %t", len(s), len(key), ok)
		}
		if c, ok := query.CompareNumbers(s, s); !ok || c != 0 {
			t.Errorf("number of %d bytes is not equal to itself", len(s))
		}
	}
	if got, _ := query.NumberKey("1" + zeros); got != "1e1048577" {
		t.Errorf("got key %s", got)
	}
}

// drawNumber draws the text of a JSON number with a small exponent.
func drawNumber(t *rapid.T, label string) string {
	return rapid.StringMatching(`-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?`).Draw(t, label)
}

func TestNumbersAgainstRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawNumber(t, "a"), drawNumber(t, "b")
		ra, okA := new(big.Rat).SetString(a)
		rb, okB := new(big.Rat).SetString(b)
		if !okA || !okB {
			t.Fatalf("drew no numbers: %q, %q", a, b)
		}
		want := ra.Cmp(rb)
		if got, ok := query.CompareNumbers(a, b); !ok || got != want {
			t.Fatalf("compare %s, %s: got %d %t, want %d", a, b, got, ok, want)
		}
		ka, _ := query.NumberKey(a)
		kb, _ := query.NumberKey(b)
		if (ka == kb) != (want == 0) {
			t.Fatalf("keys of %s and %s: %q, %q", a, b, ka, kb)
		}
	})
}
