package ingest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of a mapping, so that a hostile one stays small.
const (
	maxSegments = 16    // of a path
	maxPicks    = 32    // different elements wanted of one array
	maxSlots    = 1_000 // different paths of a mapping
	maxName     = 1_000 // bytes of a name
)

// A segment is one step of a path: the member of an object, or an element of an
// array.
type segment struct {
	name  string // of the member, unless pick
	pick  bool   // an element
	index int    // of the element, unless key
	key   []string
	not   bool // key must differ from value
	value string
	exist bool // key must only be there
}

// parsePath reads a.b[0].c[type=User].d, where a backslash makes the next
// character an ordinary one.
func parsePath(text string) ([]segment, error) {
	var path []segment
	rest := text
	for {
		name, after, err := cutName(rest, ".[")
		if err != nil {
			return nil, err
		}
		if name == "" && (len(path) > 0 || !strings.HasPrefix(after, "[")) {
			return nil, fmt.Errorf("path %.60q has an empty name", text)
		}
		if name != "" {
			path = append(path, segment{name: name})
		}
		for strings.HasPrefix(after, "[") {
			var pick segment
			if pick, after, err = parsePick(after[1:]); err != nil {
				return nil, fmt.Errorf("path %.60q: %w", text, err)
			}
			path = append(path, pick)
		}
		switch {
		case len(name) > maxName:
			return nil, fmt.Errorf("path %.60q has a name of %d bytes, limit %d", text, len(name), maxName)
		case len(path) > maxSegments:
			return nil, fmt.Errorf("path %.60q has more than %d names", text, maxSegments)
		case after == "":
			return path, nil
		case after[0] != '.':
			return nil, fmt.Errorf("path %.60q has %.20q after ], want . or [", text, after)
		}
		rest = after[1:]
	}
}

// cutName returns the text up to one of the stops, without its backslashes, and
// what follows.
func cutName(text, stops string) (name, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 == len(text):
			return "", "", errors.New("a backslash ends the path")
		case c == '\\':
			i++
			c = text[i]
		case strings.IndexByte(stops, c) >= 0:
			return b.String(), text[i:], nil
		}
		b.WriteByte(c)
	}
	return b.String(), "", nil
}

// parsePick reads what stands in brackets: 0, key, key=value or key!=value.
func parsePick(text string) (s segment, rest string, err error) {
	key, rest, err := cutName(text, "]=!")
	if err != nil {
		return s, "", err
	}
	s = segment{pick: true, key: strings.Split(key, "."), exist: true}
	if s.not = strings.HasPrefix(rest, "!="); s.not {
		rest = rest[1:]
	}
	if strings.HasPrefix(rest, "=") {
		s.exist = false
		if s.value, rest, err = cutName(rest[1:], "]"); err != nil {
			return s, "", err
		}
	}
	if !strings.HasPrefix(rest, "]") || key == "" {
		return s, "", errors.New("want [0], [key], [key=value] or [key!=value]")
	}
	if n, err := strconv.Atoi(key); err == nil && s.exist {
		if n < 0 || n > 1_000 {
			return s, "", errors.New("want an index from 0 to 1000")
		}
		s = segment{pick: true, index: n}
	}
	return s, rest[1:], nil
}

// A node is a place in source values that paths lead to or through. The nodes
// are never changed after compilation.
type node struct {
	slots []int    // where the value goes, for each path that ends here
	lax   bool     // another kind of value here is nothing to count
	edges [][]edge // members wanted, by the length of their name
	picks []pick   // elements wanted
}

// An edge leads to a member.
type edge struct {
	name string
	to   *node
}

// A pick leads to an element.
type pick struct {
	segment
	to *node
}

// member returns the node of a member, or nil.
func (n *node) member(name []byte) *node {
	if len(name) >= len(n.edges) {
		return nil
	}
	for i := range n.edges[len(name)] {
		if e := &n.edges[len(name)][i]; e.name == string(name) {
			return e.to
		}
	}
	return nil
}

// add returns the node at the end of a path, which it makes if needed.
func (n *node) add(path []segment) (*node, error) {
	for _, s := range path {
		var err error
		if n, err = n.step(s); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *node) step(s segment) (*node, error) {
	if !s.pick {
		if to := n.member([]byte(s.name)); to != nil {
			return to, nil
		}
		for len(n.edges) <= len(s.name) {
			n.edges = append(n.edges, nil)
		}
		to := new(node)
		n.edges[len(s.name)] = append(n.edges[len(s.name)], edge{s.name, to})
		return to, nil
	}
	for _, p := range n.picks {
		if p.same(s) {
			return p.to, nil
		}
	}
	if len(n.picks) == maxPicks {
		return nil, fmt.Errorf("more than %d different elements of one array", maxPicks)
	}
	to := new(node)
	n.picks = append(n.picks, pick{s, to})
	return to, nil
}

func (s segment) same(o segment) bool {
	return s.index == o.index && s.not == o.not && s.exist == o.exist && s.value == o.value &&
		strings.Join(s.key, "\x00") == strings.Join(o.key, "\x00")
}

// takes reports whether a pick wants the element number i.
func (p *pick) takes(i int, element []byte) bool {
	if p.key == nil {
		return i == p.index
	}
	raw := find(element, p.key)
	if p.exist {
		return says(raw)
	}
	return (string(plain(raw)) == p.value) != p.not
}

// find returns the value at a path of members in a value that was walked before;
// nil if it is not there.
func find(raw []byte, names []string) []byte {
	for _, name := range names {
		if raw = memberOf(raw, name); raw == nil {
			return nil
		}
	}
	return raw
}

// memberOf returns the last value of a member of raw; nil if there is none.
func memberOf(raw []byte, name string) (value []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	w := walker{in: raw}
	for first := true; ; first = false {
		got, done, err := w.member(first)
		if done || err != nil {
			return value
		}
		from, err := w.skip()
		if err != nil {
			return value
		}
		if string(got) == name {
			value = raw[from:w.pos]
		}
	}
}
