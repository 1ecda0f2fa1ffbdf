package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A condOp is how a condition compares.
type condOp uint8

const (
	opThere condOp = iota
	opHas
	opEquals
	opDiffers
	opIn
	opStarts
	opEnds
	opContains
	opLess
	opAtMost
	opMore
	opAtLeast
)

// A cond is a condition of an alternative.
type cond struct {
	op      condOp
	not     bool
	operand operand
	texts   []string // to compare with
	number  float64
	text    string // as the file has it
}

// comparisons are the operators of conditions; of those that begin alike, the
// longer first.
var comparisons = []struct {
	sign string
	op   condOp
}{
	{" = ", opEquals}, {" != ", opDiffers}, {" in ", opIn}, {" starts ", opStarts}, {" ends ", opEnds}, {" contains ", opContains},
	{" <= ", opAtMost}, {" < ", opLess}, {" >= ", opAtLeast}, {" > ", opMore},
}

// cond reads a condition: an operand that must say something, a path that has to
// be there whatever it says, or a comparison; after not, the contrary.
func (p *exprParser) cond(text string) (cond, error) {
	var c cond
	text = strings.TrimSpace(text)
	text, c.not = strings.CutPrefix(text, "not ")
	if path, ok := strings.CutPrefix(text, "has "); ok {
		var err error
		c.op = opHas
		if c.operand, err = p.ref(strings.TrimSpace(path)); err == nil && c.operand.slot == 0 {
			err = errors.New("has takes a path, no variable")
		}
		return c, err
	}
	left, right := text, ""
	for _, cmp := range comparisons {
		if before, after, ok := cutUnquoted(text, cmp.sign); ok && len(before) < len(left) {
			left, right, c.op = before, after, cmp.op
		}
	}
	var err error
	if c.operand, err = p.operand(left); err != nil {
		return c, err
	}
	c.operand.numbers = true
	switch {
	case c.op == opThere:
		return c, nil
	case c.op >= opLess:
		if c.number, err = strconv.ParseFloat(strings.TrimSpace(right), 64); err != nil {
			return c, fmt.Errorf("%.40q is not a number to compare with", right)
		}
		return c, nil
	}
	for more := true; more; {
		one := right
		if more = false; c.op == opIn {
			one, right, more = cutUnquoted(right, ",")
		}
		if one, err = unquoteArg(strings.TrimSpace(one)); err != nil {
			return c, err
		}
		c.texts = append(c.texts, one)
	}
	return c, nil
}

// holds reports whether all conditions do.
func (r *run) holds(conds []cond) bool {
	for i := range conds {
		if !r.cond(&conds[i]) {
			return false
		}
	}
	return true
}

func (r *run) cond(c *cond) bool {
	switch c.op {
	case opThere:
		return r.there(&c.operand) != c.not
	case opHas:
		return (r.values[c.operand.slot] != nil) != c.not
	}
	var v value
	if r.operand(&c.operand, &v) != usable {
		return (c.op == opDiffers) != c.not
	}
	return c.matches(v.text) != c.not
}

// there reports whether an operand says anything, of whatever type.
func (r *run) there(o *operand) bool {
	if o.slot != 0 && len(o.steps) == 0 {
		raw := r.values[o.slot]
		return says(raw) && !r.m.isEmpty(plain(raw))
	}
	var v value
	return r.operand(o, &v) != nothing
}

// matches compares a text that is there.
func (c *cond) matches(text []byte) bool {
	switch c.op {
	case opEquals:
		return string(text) == c.texts[0]
	case opDiffers:
		return string(text) != c.texts[0]
	case opStarts:
		return len(text) >= len(c.texts[0]) && string(text[:len(c.texts[0])]) == c.texts[0]
	case opEnds:
		return len(text) >= len(c.texts[0]) && string(text[len(text)-len(c.texts[0]):]) == c.texts[0]
	case opContains:
		return bytes.Contains(text, []byte(c.texts[0]))
	case opIn:
		for _, t := range c.texts {
			if string(text) == t {
				return true
			}
		}
		return false
	}
	if !isNumber(text) {
		return false
	}
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return false
	}
	switch c.op {
	case opLess:
		return n < c.number
	case opAtMost:
		return n <= c.number
	case opMore:
		return n > c.number
	}
	return n >= c.number
}
