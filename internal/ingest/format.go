package ingest

import (
	"errors"
	"slices"
)

// A Format turns source values into event JSON. Its methods may be called
// concurrently.
type Format interface {
	// Name is what the command line and settings call the format.
	Name() string

	// Map appends to dst the event that raw, one JSON value, stands for, and
	// returns the extended buffer. On an error, which says why raw cannot become
	// an event, it returns dst as it was. It keeps neither argument, and they must
	// not overlap.
	//
	// The event is not canonical, and the journal may still refuse it. Map
	// answers for the members that it fills in itself: an optional one that
	// the journal would refuse is left out and counted.
	Map(dst, raw []byte, in Input) ([]byte, Notes, error)

	// Containers returns the names of the members whose array holds the values,
	// as Records does in a CloudTrail file; nil if the format has none.
	Containers() []string
}

// Input is what the caller knows about a value beyond its bytes.
type Input struct {
	Time string // RFC 3339; for a value without a usable time. Empty: such a value is [ErrNoTime]
}

// Notes say what a mapping did beyond copying.
type Notes struct {
	Omitted int  // members of the source that were there but could not be used
	NoID    bool // the source has no natural id: the event has no id either, the caller derives one
}

// ErrNoTime is the reason why a value without a usable time becomes no event. The
// time of the import is never taken instead.
var ErrNoTime = errors.New("no usable time")

// A Guess is a format that may be that of some values.
type Guess struct {
	Format  Format
	Matched int // values that look like the format
	Of      int // values looked at
}

// A recognizer is a format that knows its values by their members.
type recognizer interface {
	recognizes(raw []byte) bool
}

// Detect returns the built-in formats that samples look like, best first.
func Detect(samples [][]byte) []Guess {
	var guesses []Guess
	for _, name := range Names() {
		f := builtin[name]()
		r, ok := f.(recognizer)
		if !ok {
			continue
		}
		g := Guess{Format: f, Of: len(samples)}
		for _, raw := range samples {
			if r.recognizes(raw) {
				g.Matched++
			}
		}
		if g.Matched > 0 {
			guesses = append(guesses, g)
		}
	}
	slices.SortStableFunc(guesses, func(a, b Guess) int { return b.Matched - a.Matched })
	return guesses
}

// jsonLines is the journal's own events, such as an export holds. Members that the
// journal assigned are left in place: its parser drops and counts them.
type jsonLines struct{}

// recognizes reports whether a value is an object of members that an event or an
// entry has, a type among them.
func (jsonLines) recognizes(raw []byte) bool {
	w := walker{in: raw}
	if w.space(); w.pos == len(raw) || raw[w.pos] != '{' {
		return false
	}
	typed := false
	for first := true; ; first = false {
		name, done, err := w.member(first)
		if done || err != nil {
			return typed && err == nil
		}
		if !slices.Contains(ownMembers, string(name)) {
			return false
		}
		from, err := w.skip()
		if err != nil {
			return false
		}
		typed = typed || string(name) == nameType && raw[from] == '"'
	}
}

// ownMembers are the members of an entry.
var ownMembers = func() []string {
	names := []string{"producer", "changes", "snapshot", "metadata", "retention_days",
		"recorded_by", "redacted", "recorded_at", "sequence", "position"}
	for _, m := range members {
		names = append(names, m.name)
	}
	return names
}()

func (jsonLines) Name() string { return "jsonl" }

func (jsonLines) Containers() []string { return nil }

func (jsonLines) Map(dst, raw []byte, _ Input) ([]byte, Notes, error) {
	return append(dst, raw...), Notes{}, nil
}
