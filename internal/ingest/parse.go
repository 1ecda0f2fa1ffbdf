package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A scope is the source value that paths begin in, or an element of one of its
// arrays.
type scope struct {
	outer *scope // of an element; nil for the value
	trie  *node
	roots [][]segment // where the value's members may be, besides at its top
	known map[string]int
}

// An exprParser reads the small language of expressions. The zero value of vars
// and tables knows none.
type exprParser struct {
	m      *mapping
	scope  *scope
	vars   map[string]int
	tables map[string]map[string][]byte
}

// alternative reads a constant, a template or an operand.
func (p *exprParser) alternative(text string) (expr, error) {
	e := expr{text: text}
	if constant, ok := strings.CutPrefix(text, "="); ok {
		if constant == "" {
			return e, errors.New("constant is empty")
		}
		e.parts = []part{{literal: []byte(constant)}}
		return e, nil
	}
	if !isTemplate(text) {
		o, err := p.operand(text)
		e.parts = []part{{operand: &o}}
		return e, err
	}
	err := p.template(&e, text)
	return e, err
}

// isTemplate reports whether a brace opens that no backslash makes ordinary.
func isTemplate(text string) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			return true
		}
	}
	return false
}

// pipe goes before a step.
const pipe = " | "

// template reads literals and operands in braces, and the steps after them.
func (p *exprParser) template(e *expr, text string) error {
	for text != "" {
		if len(e.parts) == maxParts {
			return fmt.Errorf("template has more than %d parts", maxParts)
		}
		if inner, ok := strings.CutPrefix(text, "{"); ok {
			operand, rest, ok := cutUnquoted(inner, "}")
			if !ok {
				return errors.New("template lacks a }")
			}
			o, err := p.operand(operand)
			if err != nil {
				return err
			}
			e.parts = append(e.parts, part{operand: &o})
			if text = rest; strings.HasPrefix(text, pipe) {
				e.steps, err = p.steps(text[len(pipe):])
				return err
			}
			continue
		}
		literal, rest, err := cutName(text, "{")
		if err != nil {
			return errors.New("a backslash ends the template")
		}
		e.parts = append(e.parts, part{literal: []byte(literal)})
		text = rest
	}
	return nil
}

// cutUnquoted cuts text around the first sep that is in no quotes and follows no
// backslash.
func cutUnquoted(text, sep string) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(text[i:], sep):
			return text[:i], text[i+len(sep):], true
		}
	}
	return text, "", false
}

// operand reads a path or a variable, and its steps.
func (p *exprParser) operand(text string) (operand, error) {
	ref, rest, piped := cutUnquoted(text, pipe)
	o, err := p.ref(strings.TrimSpace(ref))
	if err != nil || !piped {
		return o, err
	}
	if o.steps, err = p.steps(rest); err != nil {
		return o, err
	}
	for i, s := range o.steps {
		switch {
		case s.kind != stepText && s.kind != stepTime && s.kind != stepJoin:
			continue
		case i > 0 && s.kind == stepJoin:
			return o, errors.New("join must be the first step: it takes an array")
		case s.kind == stepJoin:
			o.join = s.arg
		}
		o.numbers = o.numbers || i == 0
	}
	return o, nil
}

func (p *exprParser) ref(text string) (operand, error) {
	name, ok := strings.CutPrefix(text, "$")
	if ok && !strings.HasPrefix(name, ".") {
		i, ok := p.vars[name]
		if !ok {
			return operand{}, fmt.Errorf("unknown variable $%.40s: variables are declared before they are used", name)
		}
		return operand{variable: i}, nil
	}
	slot, err := p.path(text)
	return operand{slot: slot}, err
}

// path returns the slot of a path, which it makes if needed. A path that begins
// with $. begins at the top of the whole value.
func (p *exprParser) path(text string) (int, error) {
	s := p.scope
	rest, top := strings.CutPrefix(text, "$.")
	for top && s.outer != nil {
		s = s.outer
	}
	if slot := s.known[text]; slot != 0 {
		return slot, nil
	}
	path, err := parsePath(rest)
	if err != nil {
		return 0, err
	}
	if p.m.slots == maxSlots {
		return 0, fmt.Errorf("more than %d different paths", maxSlots)
	}
	p.m.slots++
	s.known[text] = p.m.slots
	return p.m.slots, s.add(path, top, p.m.slots)
}

// add puts a path into the trie of a scope, below each of its roots unless it
// begins at the top.
func (s *scope) add(path []segment, top bool, slot int) error {
	n, err := s.trie.add(path)
	if err != nil {
		return err
	}
	n.slots = append(n.slots, slot)
	if top {
		return nil
	}
	for _, root := range s.roots {
		if n, err = s.trie.add(slices.Concat(root, path)); err != nil {
			return err
		}
		n.slots = append(n.slots, slot)
	}
	return nil
}

// steps reads what follows a path.
func (p *exprParser) steps(text string) ([]step, error) {
	var steps []step
	for more := true; more; {
		var one string
		one, text, more = cutUnquoted(text, pipe)
		name, arg, _ := strings.Cut(strings.TrimSpace(one), " ")
		s, err := p.step(name, strings.TrimSpace(arg))
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// plainSteps take no argument.
var plainSteps = map[string]stepKind{"text": stepText, "lower": stepLower, "upper": stepUpper, "trim": stepTrim}

// textSteps take a text.
var textSteps = map[string]stepKind{"before": stepBefore, "before-last": stepBeforeLast, "after": stepAfter,
	"after-last": stepAfterLast, "join": stepJoin}

// timeSteps make a time; all but layout take utc, or nothing.
var timeSteps = map[string]timeKind{"rfc3339": timeRFC3339, "datetime": timeDate, "layout": timeLayout, "layout-utc": timeLayout,
	"seconds": timeSeconds, "milliseconds": timeMillis, "microseconds": timeMicros, "nanoseconds": timeNanos, "filetime": timeFiletime}

func (p *exprParser) step(name, arg string) (step, error) {
	if kind, ok := timeSteps[name]; ok {
		form, err := parseTimeForm(kind, name, arg)
		return step{kind: stepTime, time: form}, err
	}
	if kind, ok := plainSteps[name]; ok {
		if arg != "" {
			return step{}, fmt.Errorf("step %s takes nothing, not %.20q", name, arg)
		}
		return step{kind: kind}, nil
	}
	arg, err := unquoteArg(arg)
	if err != nil {
		return step{}, fmt.Errorf("step %s: %w", name, err)
	}
	kind, ok := textSteps[name]
	switch {
	case ok && arg == "":
		return step{}, fmt.Errorf("step %s lacks a text, as in %s \"/\"", name, name)
	case ok:
		return step{kind: kind, arg: []byte(arg)}, nil
	case name != "map":
		return step{}, fmt.Errorf("unknown step %.40q%s", name, hint(name, stepNames()))
	}
	table, ok := p.tables[arg]
	if !ok {
		return step{}, fmt.Errorf("unknown table %.40q: tables are declared under tables", arg)
	}
	return step{kind: stepMap, table: table}, nil
}

func stepNames() []string {
	names := []string{"map"}
	for n := range plainSteps {
		names = append(names, n)
	}
	for n := range textSteps {
		names = append(names, n)
	}
	for n := range timeSteps {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func parseTimeForm(kind timeKind, name, arg string) (timeForm, error) {
	form := timeForm{kind: kind}
	switch {
	case kind == timeLayout:
		layout, err := unquoteArg(arg)
		if err != nil {
			return form, err
		}
		form.layout, form.utc = layout, name == "layout-utc"
		return form, checkLayout(form)
	case kind == timeDate && arg == "utc":
		form.utc = true
	case arg != "":
		return form, fmt.Errorf("step %s does not take %.20q", name, arg)
	}
	return form, nil
}

// checkLayout tells whether a layout has a zone, by writing a time with it in two
// zones: a layout without one says nothing about when something was.
func checkLayout(form timeForm) error {
	at := time.Unix(1_000_000_000, 0)
	here, there := at.In(time.FixedZone("", 3600)), at.In(time.FixedZone("", 7200))
	// Times of the same clock differ by nothing but their zones.
	there = there.Add(-time.Hour)
	hasZone := here.Format(form.layout) != there.Format(form.layout)
	switch {
	case form.layout == "" || here.Format(form.layout) == here.AddDate(1, 1, 1).Format(form.layout):
		return errors.New(`layout lacks a date, as in layout "2006-01-02 15:04:05 -0700"`)
	case !hasZone && !form.utc:
		return errors.New("layout lacks a zone (-0700): if its times are UTC, use layout-utc")
	}
	return nil
}

// unquoteArg takes the quotes from a text that has them.
func unquoteArg(arg string) (string, error) {
	if !strings.HasPrefix(arg, `"`) {
		return arg, nil
	}
	text, err := strconv.Unquote(arg)
	if err != nil {
		return "", fmt.Errorf("%.40s is not a quoted text", arg)
	}
	return text, nil
}
