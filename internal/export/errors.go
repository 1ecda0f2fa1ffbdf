package export

import "fmt"

// An OptionError says what is wrong with options that somebody gave: a path, a template,
// or what does not go together.
type OptionError struct {
	Text string
	Hint string // the next step, "" if it is not known
}

// Error returns the text.
func (e *OptionError) Error() string { return e.Text }

// refused returns an OptionError.
func refused(format string, args ...any) *OptionError {
	return &OptionError{Text: fmt.Sprintf(format, args...)}
}

// hinted adds the next step.
func (e *OptionError) hinted(format string, args ...any) *OptionError {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}
