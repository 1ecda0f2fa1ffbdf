package query

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Parse returns the expression of a filter text. Distances such as 24h count
// back from now. The error is a *[SyntaxError].
func Parse(text string, now time.Time) (Expr, error) {
	p := &parser{text: text, now: now}
	return p.filter()
}

// filter reads the whole text.
func (p *parser) filter() (Expr, error) {
	if err := p.checkText(); err != nil {
		return nil, err
	}
	if p.space(); p.pos == len(p.text) {
		return And{}, nil
	}
	e, err := p.any(target{}, 0)
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.text) {
		return nil, p.fail(p.pos, "", "unmatched )")
	}
	if what := excess(e); what != "" {
		return nil, p.fail(0, hintSplit, "%s", what)
	}
	return e, nil
}

// excess says which limit of a whole filter e is above, if any.
func excess(e Expr) string {
	if n := len(e.String()); n > MaxTextBytes {
		return fmt.Sprintf("filter written out with a field before each value is longer than %d bytes", MaxTextBytes)
	}
	if parens(e) > MaxDepth {
		return fmt.Sprintf("more than %d parentheses in each other", MaxDepth)
	}
	return ""
}

// A parser reads one filter text, or one parameter's value.
type parser struct {
	text    string
	pos     int
	now     time.Time
	terms   int
	written int // bytes of the terms so far as String writes them
}

// A target is the field that a value is for; the zero target is none, where
// terms name their own.
type target struct {
	field *Field
	path  []string
}

// fail returns the error that points at offset.
func (p *parser) fail(offset int, hint, format string, args ...any) error {
	return &SyntaxError{Input: p.text, Offset: offset, Text: fmt.Sprintf(format, args...), Hint: hint}
}

func (p *parser) checkText() error {
	if len(p.text) > MaxTextBytes {
		return p.fail(MaxTextBytes, hintSplit, "filter is longer than %d bytes", MaxTextBytes)
	}
	for i, r := range p.text {
		if r == utf8.RuneError && !strings.HasPrefix(p.text[i:], "\uFFFD") {
			return p.fail(i, "", "filter is not valid UTF-8")
		}
	}
	return nil
}

// any reads terms joined by OR.
func (p *parser) any(in target, depth int) (Expr, error) {
	var parts []Expr
	for {
		e, err := p.all(in, depth)
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		if !p.keyword("OR") {
			return AnyOf(parts...), nil
		}
	}
}

// all reads terms joined by spaces or AND, up to OR, a closing parenthesis or
// the end.
func (p *parser) all(in target, depth int) (Expr, error) {
	var parts []Expr
	for {
		e, err := p.not(in, depth)
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		if r, ok := p.peek(); ok && r != ')' && !unicode.IsSpace(r) {
			return nil, p.fail(p.pos, "put text with quotes or parentheses in it in quotes as a whole",
				"unexpected %q; expected a space", r)
		}
		p.space()
		if r, ok := p.peek(); !ok || r == ')' || p.atKeyword("OR") {
			return AllOf(parts...), nil
		}
		p.keyword("AND")
	}
}

// not reads one term and what negates it.
func (p *parser) not(in target, depth int) (Expr, error) {
	p.space()
	negated := p.keyword("NOT")
	if !negated && strings.HasPrefix(p.text[p.pos:], "-") {
		p.pos++
		negated = true
		if r, ok := p.peek(); !ok || r == ')' || r == '-' || unicode.IsSpace(r) {
			return nil, p.fail(p.pos-1, `put it in quotes to search for it`, "- without a term after it")
		}
	}
	e, err := p.term(in, depth)
	if err != nil || !negated {
		return e, err
	}
	return Not{e}, nil
}

// term reads a group, a value of the field in, or a term with or without a field.
func (p *parser) term(in target, depth int) (Expr, error) {
	p.space()
	start := p.pos
	r, ok := p.peek()
	switch {
	case !ok || r == ')' || p.atKeyword("OR") || p.atKeyword("AND") || p.atKeyword("NOT"):
		return nil, p.fail(start, "", "expected a term")
	case r == '(':
		return p.group(in, depth)
	case in.field != nil:
		return p.value(in)
	case r == '"':
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return p.freeText(start, text)
	}
	name, named := p.fieldName()
	if !named {
		return p.word()
	}
	field, path, err := Lookup(name)
	if err != nil {
		var unknown *ParamError
		errors.As(err, &unknown)
		hint := unknown.Hint
		if hint == "" {
			hint = "put text with a colon in it in quotes"
		}
		return nil, p.fail(start, hint, "%s", unknown.Text)
	}
	in = target{field, path}
	if r, _ := p.peek(); r == '(' {
		return p.group(in, depth)
	}
	return p.value(in)
}

// group reads a parenthesis.
func (p *parser) group(in target, depth int) (Expr, error) {
	start := p.pos
	if depth == MaxDepth {
		return nil, p.fail(start, "", "more than %d parentheses in each other", MaxDepth)
	}
	p.pos++
	e, err := p.any(in, depth+1)
	if err != nil {
		return nil, err
	}
	if r, _ := p.peek(); r != ')' {
		return nil, p.fail(start, "", "( is never closed")
	}
	p.pos++
	return e, nil
}

// word reads free text up to a space.
func (p *parser) word() (Expr, error) {
	start := p.pos
	text := p.bare()
	if i := strings.IndexByte(text, '*'); i >= 0 {
		return nil, p.fail(start+i, "free text is found inside of longer text anyway; quote a real *", "* in free text")
	}
	return p.freeText(start, text)
}

func (p *parser) freeText(start int, text string) (Expr, error) {
	if text == "" {
		return nil, p.fail(start, "", "empty text")
	}
	t := &Text{Text: text, folded: Fold(nil, []byte(text))}
	return t, p.count(start, t)
}

// count holds the limits of a filter for one more term.
func (p *parser) count(start int, e Expr) error {
	p.terms++
	if p.terms > MaxTerms {
		return p.fail(start, hintSplit, "more than %d terms", MaxTerms)
	}
	p.written += len(e.String())
	if p.written > MaxTextBytes {
		return p.fail(start, hintSplit,
			"filter written out with a field before each value is longer than %d bytes", MaxTextBytes)
	}
	return nil
}

// fieldName reads a name and its colon, or nothing if there is none.
func (p *parser) fieldName() (name string, ok bool) {
	escaped := false
	for i, r := range p.text[p.pos:] {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == ':':
			name = p.text[p.pos : p.pos+i]
			p.pos += i + 1
			return name, true
		case endsWord(r):
			return "", false
		}
	}
	return "", false
}

// bare reads text without quotes.
func (p *parser) bare() string {
	rest := p.text[p.pos:]
	n := strings.IndexFunc(rest, endsWord)
	if n < 0 {
		n = len(rest)
	}
	p.pos += n
	return rest[:n]
}

// endsWord reports whether r ends text without quotes.
func endsWord(r rune) bool { return r == '(' || r == ')' || r == '"' || unicode.IsSpace(r) }

// endsName reports whether r ends a field's name.
func endsName(r rune) bool { return r == ':' || endsWord(r) }

// quoted reads text in quotes.
func (p *parser) quoted() (string, error) {
	start := p.pos
	end := start + 1
	for end < len(p.text) && p.text[end] != '"' {
		if p.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p.text) {
		return "", p.fail(start, `write \" for a quote inside of quotes`, "quote is never closed")
	}
	raw := p.text[start+1 : end]
	text, bad := unescape(nil, []byte(raw))
	if bad >= 0 {
		return "", p.fail(start+1+bad, `write \\ for a backslash inside of quotes`, "unknown escape")
	}
	p.pos = end + 1
	return string(text), nil
}

// peek returns the next character.
func (p *parser) peek() (r rune, ok bool) {
	if p.pos == len(p.text) {
		return 0, false
	}
	r, _ = utf8.DecodeRuneInString(p.text[p.pos:])
	return r, true
}

// space skips white space.
func (p *parser) space() {
	p.pos = len(p.text) - len(strings.TrimLeftFunc(p.text[p.pos:], unicode.IsSpace))
}

// atKeyword reports whether the word comes next.
func (p *parser) atKeyword(word string) bool {
	rest, found := strings.CutPrefix(p.text[p.pos:], word)
	if !found {
		return false
	}
	r, size := utf8.DecodeRuneInString(rest)
	return size == 0 || endsWord(r)
}

// keyword skips the word and the space around it if it comes next.
func (p *parser) keyword(word string) bool {
	if p.space(); !p.atKeyword(word) {
		return false
	}
	p.pos += len(word)
	p.space()
	return true
}
