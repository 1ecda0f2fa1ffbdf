package query

import "bytes"

// A Document is what an expression is evaluated on.
type Document interface {
	// Any reports whether m.Test accepts any of the values that the document has
	// for m.Field and m.Path, asking in any order until one passes. An array
	// stands for each of its elements; when it or an object ends a path it is
	// also itself a value, of kind [CompositeValue]. Times are in the canonical
	// form of entries.
	Any(m *Match) bool

	// FoldedText returns the texts that free text is searched in, each passed
	// through [Fold] and followed by the byte 0xFF, which no text contains. The
	// result is valid until the document changes.
	FoldedText() []byte
}

// Eval reports whether doc satisfies e. It allocates only what doc does, and its
// time is at most that of one look at the document per term.
func Eval(e Expr, doc Document) bool {
	switch e := e.(type) {
	case *Match:
		return doc.Any(e)
	case *Text:
		return bytes.Contains(doc.FoldedText(), e.folded)
	case Not:
		return !Eval(e.X, doc)
	case And:
		for _, x := range e {
			if !Eval(x, doc) {
				return false
			}
		}
		return true
	case Or:
		for _, x := range e {
			if Eval(x, doc) {
				return true
			}
		}
		return false
	}
	panic("query: internal error: unknown expression")
}
