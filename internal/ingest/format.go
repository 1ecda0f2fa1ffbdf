package ingest

import (
	"fmt"
	"slices"
	"strings"
)

// A Format turns source events into event JSON. Its methods may be called
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
	Map(dst, raw []byte) ([]byte, Notes, error)
}

// Notes say what a mapping did beyond copying.
type Notes struct {
	Omitted int // members of the source that were there but could not be used
}

// formats are the built-in formats, by name.
var formats = []Format{cloudTrail{}, jsonLines{}}

// Lookup returns the format with the given name.
func Lookup(name string) (Format, error) {
	for _, f := range formats {
		if f.Name() == name {
			return f, nil
		}
	}
	return nil, fmt.Errorf("unknown format %.40q, want %s", name, strings.Join(Names(), " or "))
}

// Names returns the names that [Lookup] knows, sorted.
func Names() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name())
	}
	slices.Sort(names)
	return names
}

// jsonLines is the journal's own events, such as an export holds. Members that the
// journal assigned are left in place: its parser drops and counts them.
type jsonLines struct{}

func (jsonLines) Name() string { return "jsonl" }

func (jsonLines) Map(dst, raw []byte) ([]byte, Notes, error) {
	return append(dst, raw...), Notes{}, nil
}
