package annals

import "bytes"

// ParseEvent reads one event: a JSON object in UTF-8 as docs/format.md describes
// it, with white space around it at most. It refuses unknown members and
// whatever else is not exactly an event, with an [*InvalidError] that says where.
//
// The result does not refer to text, which the caller may reuse.
//
// Errors: [ErrInvalid], [ErrTooLarge].
func ParseEvent(text []byte) (Encoded, error) {
	return ParseOptions{}.ParseEvent(text)
}

// ParseOptions change what [ParseEvent] accepts. The zero value is its behaviour.
type ParseOptions struct {
	// DropAssigned drops the members that the journal assigns, such as position,
	// instead of refusing them, so that an export can be imported.
	// [Encoded.DroppedMembers] counts them.
	DropAssigned bool
}

// ParseEvent is [ParseEvent] with options.
func (o ParseOptions) ParseEvent(text []byte) (Encoded, error) {
	return parseEvent(text, parseMode{dropAssigned: o.DropAssigned})
}

// A parseMode is what a decoder accepts beyond what producers may send.
type parseMode struct {
	system       bool // the journal's own types and tenant
	dropAssigned bool // assigned members, which are dropped
	keepAssigned bool // assigned members up to recorded_at, which are kept
}

func parseEvent(text []byte, mode parseMode) (Encoded, error) {
	if len(text) > maxTextBytes {
		return Encoded{}, ErrTooLarge
	}
	var e Encoded
	s := newScanner(text, make([]byte, 0, len(text)+len(`"0000-00-00T00:00:00.000000000Z"`)))
	defer s.release()
	s.space()
	err := s.event(&e, mode)
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return Encoded{}, located(err, text)
	}
	return e, nil
}

// event reads an event.
func (s *scanner) event(e *Encoded, mode parseMode) error {
	open, start := s.pos, len(s.out)
	var seen uint64
	expected := 0
	err := s.fields(eventShape, 1, func(name []byte, at int) error {
		i := eventShape.index(name, expected)
		if i < 0 {
			return errUnknown(at, eventShape, name)
		}
		if seen&(1<<i) != 0 {
			return errDuplicate(at)
		}
		seen |= 1 << i
		expected = i + 1
		if m := member(i); m >= firstAssigned && !(mode.keepAssigned && m < firstOfEngine) {
			return s.assigned(e, mode, m, at)
		}
		from := len(s.out)
		if err := s.typed(&eventShape.fields[i], 2); err != nil {
			return err
		}
		e.set(member(i), from-start, len(s.out)-start)
		return nil
	})
	if err != nil {
		return err
	}
	e.values = s.out[start:len(s.out):len(s.out)]
	if len(e.values) > MaxEventBytes {
		return ErrTooLarge
	}
	return e.check(open, mode)
}

// assigned reads a member that only the journal may set.
func (s *scanner) assigned(e *Encoded, mode parseMode, m member, at int) error {
	if !mode.dropAssigned {
		return invalidHint(at, "is assigned by the journal", "leave it out; importing an export drops it")
	}
	e.dropped++
	from := len(s.out)
	err := s.verbatim(2)
	s.out = s.out[:from]
	return err
}

// check tests what concerns more than one member, or whose members they are.
// The offset is that of the event in its text.
func (e *Encoded) check(offset int, mode parseMode) error {
	fail := func(m member, detail, hint string) error {
		return &InvalidError{Pointer: "/" + eventShape.fields[m].name, Offset: offset, Detail: detail, Hint: hint}
	}
	if !e.has(memberType) {
		return fail(memberType, "is required", "say what happened, such as order.placed")
	}
	if e.has(memberError) && string(e.raw(memberOutcome)) == `"success"` {
		return fail(memberError, "does not go with the outcome success", "send outcome failure, or no error")
	}
	if mode.system {
		return nil
	}
	if bytes.HasPrefix(e.raw(memberType), []byte(`"`+journalTypes)) {
		return fail(memberType, "the prefix "+journalTypes+" is the journal's own", "use another prefix")
	}
	if string(e.raw(memberTenant)) == `"`+journalTenant+`"` {
		return fail(memberTenant, "the tenant "+journalTenant+" is the journal's own", "use another tenant")
	}
	return nil
}

// fields reads an object of typed members. It calls each with every name, its
// escapes resolved, and the offset of it, when pos is at the value.
func (s *scanner) fields(sh *shape, depth int, each func(name []byte, at int) error) error {
	if s.peek() != '{' {
		return s.wrongType(sh.name + " as an object")
	}
	if depth > MaxDepth {
		return errDepth(s.pos)
	}
	s.pos++
	s.space()
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		at := s.pos
		name, err := s.fieldName()
		if err != nil {
			return err
		}
		if err := each(name, at); err != nil {
			return err
		}
		s.space()
		if s.peek() == '}' {
			s.pos++
			return nil
		}
		if err := s.token(','); err != nil {
			return err
		}
		s.space()
	}
}

// fieldName reads a name, the colon and the white space around it. The result
// is valid until the next call.
func (s *scanner) fieldName() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.unexpected("a member name")
	}
	start := s.pos
	plain, err := s.str()
	if err != nil {
		return nil, err
	}
	name := s.in[start+1 : s.pos-1]
	if !plain {
		name = appendUnquoted(nil, name)
	}
	s.space()
	if err := s.token(':'); err != nil {
		return nil, err
	}
	s.space()
	return name, nil
}
