package annals

// A walker steps through the members of a canonical object: one that a scanner
// has written, so there is no white space and nothing to check. Other text ends
// the walk early, with bad set where that was noticed; it never panics.
type walker struct {
	text  []byte
	pos   int
	name  []byte // between the quotes, escapes not resolved
	value []byte
	bad   bool
}

// walk returns a walker over an object, or over nothing.
func walk(object []byte) walker {
	return walker{text: object}
}

// next goes to the next member.
func (w *walker) next() bool {
	text := w.text
	if len(text) == 0 || w.bad {
		return false
	}
	if w.pos == 0 && string(text) == "{}" {
		return false
	}
	want := byte(',')
	if w.pos == 0 {
		want = '{'
	}
	if w.pos < len(text) && text[w.pos] == '}' && w.pos > 0 {
		return false
	}
	if w.pos+1 >= len(text) || text[w.pos] != want || text[w.pos+1] != '"' {
		w.bad = true
		return false
	}
	start := w.pos + 1
	end := skipString(text, start)
	if end < 0 || end >= len(text) || text[end] != ':' {
		w.bad = true
		return false
	}
	stop := skipValue(text, end+1)
	if stop < 0 {
		w.bad = true
		return false
	}
	w.name, w.value, w.pos = text[start+1:end-1], text[end+1:stop], stop
	return true
}

// nameText returns the name with its escapes resolved.
func (w *walker) nameText() string {
	return unescape(w.name)
}

// elements yields the elements of a canonical array.
func elements(array []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for i := 1; i < len(array) && array[i] != ']'; {
			end := skipValue(array, i)
			if end < 0 || !yield(array[i:end]) {
				return
			}
			if i = end; i < len(array) && array[i] == ',' {
				i++
			}
		}
	}
}

// skipString returns the offset after the string at i, or -1.
func skipString(text []byte, i int) int {
	if i >= len(text) || text[i] != '"' {
		return -1
	}
	for i++; ; {
		i, _ = plainText(text, i, 0)
		switch {
		case i >= len(text):
			return -1
		case text[i] == '"':
			return i + 1
		case text[i] != '\\':
			return -1
		}
		i += 2
	}
}

// skipValue returns the offset after the value at i, or -1.
func skipValue(text []byte, i int) int {
	if i >= len(text) {
		return -1
	}
	switch text[i] {
	case '"':
		return skipString(text, i)
	case '{', '[':
		return skipNested(text, i)
	}
	start := i
	for i < len(text) && text[i] != ',' && text[i] != '}' && text[i] != ']' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// skipNested returns the offset after the object or array at i, or -1.
func skipNested(text []byte, i int) int {
	for depth := 0; i < len(text); {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			if i = skipString(text, i); i < 0 {
				return -1
			}
			continue
		}
		i++
	}
	return -1
}
