package query

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// bounds are what the parts of a conjunction say of time, position and tenant.
type bounds struct {
	since, until  time.Time
	hasSince      bool
	hasUntil      bool
	from, to      uint64
	hasTo         bool
	tenants       []string
	hasTenants    bool
	contradictory bool
}

// narrow takes in one part of the conjunction. It returns false if the part says
// something else, or more.
func (b *bounds) narrow(e Expr) bool {
	if tenants, ok := tenantsOf(e); ok {
		b.allowTenants(tenants)
		return true
	}
	m, ok := e.(*Match)
	switch {
	case !ok || m.Op == Exists:
		return false
	case m.Field.Name == "time":
		return b.narrowTime(m)
	case m.Field.Name == "position":
		b.narrowPosition(m)
		return true
	}
	return false
}

// tenantsOf returns the tenants that e asks for, if it asks for nothing else.
func tenantsOf(e Expr) (tenants []string, ok bool) {
	switch e := e.(type) {
	case *Match:
		if e.Field.Name == "tenant" && e.Op == Equal {
			return []string{e.Value.Text}, true
		}
	case Or:
		for _, x := range e {
			some, ok := tenantsOf(x)
			if !ok {
				return nil, false
			}
			tenants = append(tenants, some...)
		}
		return tenants, true
	}
	return nil, false
}

func (b *bounds) allowTenants(tenants []string) {
	slices.Sort(tenants)
	tenants = slices.Compact(tenants)
	if b.hasTenants {
		tenants = slices.DeleteFunc(tenants, func(s string) bool { return !slices.Contains(b.tenants, s) })
	}
	b.tenants, b.hasTenants = tenants, true
}

// narrowTime takes in a comparison of the time, which entries have in steps of a
// nanosecond.
func (b *bounds) narrowTime(m *Match) bool {
	low, ok := operandTime(&m.Value)
	if !ok {
		return false
	}
	switch m.Op {
	case Equal:
		b.setSince(low)
		b.setUntil(low.Add(1))
	case Less:
		b.setUntil(low)
	case LessOrEqual:
		b.setUntil(low.Add(1))
	case Greater:
		b.setSince(low.Add(1))
	case GreaterOrEqual:
		b.setSince(low)
	case Between:
		high, ok := operandTime(&m.High)
		if !ok {
			return false
		}
		b.setSince(low)
		b.setUntil(high.Add(1))
	}
	return true
}

// operandTime returns the time of an operand of a [Time] field.
func operandTime(o *Operand) (t time.Time, ok bool) {
	t, err := time.Parse(timeFormat, o.Text)
	return t, err == nil
}

func (b *bounds) setSince(t time.Time) {
	if !b.hasSince || t.After(b.since) {
		b.since, b.hasSince = t, true
	}
}

func (b *bounds) setUntil(t time.Time) {
	if !b.hasUntil || t.Before(b.until) {
		b.until, b.hasUntil = t, true
	}
}

// narrowPosition takes in a comparison of the position.
func (b *bounds) narrowPosition(m *Match) {
	low, high := &m.Value.number, &m.High.number
	switch m.Op {
	case Equal:
		b.setFrom(low.ceiling())
		b.setTo(low.above())
	case Less:
		b.setTo(low.ceiling())
	case LessOrEqual:
		b.setTo(low.above())
	case Greater:
		b.setFrom(low.above())
	case GreaterOrEqual:
		b.setFrom(low.ceiling())
	case Between:
		b.setFrom(low.ceiling())
		b.setTo(high.above())
	}
}

// setFrom takes in the least position; ok is false if that is out of reach.
func (b *bounds) setFrom(n uint64, ok bool) {
	b.from = max(b.from, n)
	b.contradictory = b.contradictory || !ok
}

// setTo takes in the position after the last; ok is false if that is out of reach.
func (b *bounds) setTo(n uint64, ok bool) {
	if ok && (!b.hasTo || n < b.to) {
		b.to, b.hasTo = n, true
	}
}

// apply puts the bounds into a plan.
func (b *bounds) apply(p *Plan) {
	p.Since, p.Until, p.From, p.To, p.Tenants = b.since, b.until, b.from, b.to, b.tenants
	if b.contradictory || b.hasTo && b.from >= b.to || b.hasTenants && len(b.tenants) == 0 ||
		b.hasSince && b.hasUntil && !b.since.Before(b.until) {
		p.Filter = Any{}
	}
}

// ceiling returns the least integer that is not negative and not below n; ok is
// false if it does not fit.
func (n *number) ceiling() (least uint64, ok bool) {
	whole, part, ok := n.split()
	if part && ok {
		return whole + 1, whole < math.MaxUint64
	}
	return whole, ok
}

// above returns the least integer that is not negative and above n; ok is false
// if it does not fit.
func (n *number) above() (least uint64, ok bool) {
	if n.sign() < 0 {
		return 0, true
	}
	whole, _, ok := n.split()
	return whole + 1, ok && whole < math.MaxUint64
}

// split returns n without its fraction, whether it has one, and whether that
// fits; of a negative n it returns zero.
func (n *number) split() (whole uint64, part, ok bool) {
	const longest = 20 // digits of the greatest uint64
	switch {
	case n.sign() <= 0 || n.reach() < 0:
		return 0, n.sign() > 0, true
	case n.reach() > 0 || n.exponent > longest:
		return 0, false, false
	case n.exponent <= 0:
		return 0, true, true
	}
	digits := make([]byte, n.exponent)
	for i := range digits {
		digits[i] = '0'
	}
	copy(digits, n.digits)
	whole, err := strconv.ParseUint(string(digits), 10, 64)
	return whole, len(n.digits) > len(digits), err == nil
}
