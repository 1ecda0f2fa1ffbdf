package query

// A walker goes through one JSON value in search of one that a match accepts.
// It reads every byte at most once.
type walker struct {
	text    []byte // ends with the value
	pos     int
	match   *Match
	scratch []byte // for strings with escapes
}

// value reports whether match accepts a value at the end of the path sub + path
// in the value at pos. If not, pos is behind that value.
func (w *walker) value(sub, path []string, depth int) bool {
	if w.pos >= len(w.text) || depth > MaxDepth {
		w.pos = skipValue(w.text, w.pos)
		return false
	}
	arrived := len(sub)+len(path) == 0
	switch c := w.text[w.pos]; {
	case c != '{' && c != '[':
		start := w.pos
		w.pos = skipValue(w.text, start)
		return arrived && w.match.Test(scalar(w.text[start:w.pos], &w.scratch))
	case arrived && w.match.Test(Value{Kind: CompositeValue}):
		return true
	case c == '[':
		return w.elements(sub, path, depth)
	case arrived:
		w.pos = skipValue(w.text, w.pos)
		return false
	case len(sub) > 0:
		return w.object(sub[0], sub[1:], path, depth)
	default:
		return w.object(path[0], nil, path[1:], depth)
	}
}

// elements is value for the array at pos.
func (w *walker) elements(sub, path []string, depth int) bool {
	w.pos++
	for w.pos < len(w.text) && w.text[w.pos] != ']' {
		if w.value(sub, path, depth+1) {
			return true
		}
		if w.pos >= len(w.text) || w.text[w.pos] != ',' {
			break
		}
		w.pos++
	}
	w.pos++
	return false
}

// object is value for the member called name of the object at pos.
func (w *walker) object(name string, sub, path []string, depth int) bool {
	w.pos++
	for {
		found, start, ok := memberName(w.text, w.pos)
		if !ok {
			break
		}
		w.pos = start
		if string(unescaped(found, &w.scratch)) == name {
			if w.value(sub, path, depth+1) {
				return true
			}
			w.pos = skipNested(w.text, w.pos, 1)
			return false
		}
		if w.pos = skipValue(w.text, w.pos); w.pos >= len(w.text) || w.text[w.pos] != ',' {
			break
		}
		w.pos++
	}
	w.pos++
	return false
}

// keys reports whether match accepts the name of a member of the object at pos.
func (w *walker) keys() bool {
	if w.text[w.pos] != '{' {
		return false
	}
	w.pos++
	for {
		name, start, ok := memberName(w.text, w.pos)
		if !ok {
			return false
		}
		if w.match.Test(Value{Kind: StringValue, Text: unescaped(name, &w.scratch)}) {
			return true
		}
		w.pos = skipValue(w.text, start) + 1
	}
}
