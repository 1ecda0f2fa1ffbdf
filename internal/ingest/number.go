package ingest

// A numberState is how far a JSON number has come.
type numberState uint8

const (
	notNumber numberState = iota
	startNumber
	inSign
	inZero
	inInteger
	inPoint
	inFraction
	inE
	inExponentSign
	inExponent
)

// complete reports whether a number may end here.
func (n numberState) complete() bool {
	return n == inZero || n == inInteger || n == inFraction || n == inExponent
}

// next returns the state after c, notNumber if c cannot go on with the number.
func (n numberState) next(c byte) numberState {
	switch {
	case '0' <= c && c <= '9':
		return n.digit(c)
	case c == '-' && n == startNumber:
		return inSign
	case c == '.' && (n == inZero || n == inInteger):
		return inPoint
	case (c == 'e' || c == 'E') && n != inExponent && n.complete():
		return inE
	case (c == '+' || c == '-') && n == inE:
		return inExponentSign
	}
	return notNumber
}

func (n numberState) digit(c byte) numberState {
	switch n {
	case startNumber, inSign:
		if c == '0' {
			return inZero
		}
		return inInteger
	case inInteger:
		return inInteger
	case inPoint, inFraction:
		return inFraction
	case inE, inExponentSign, inExponent:
		return inExponent
	}
	return notNumber
}
