package merkle

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxCheckpointBytes bounds the text of a checkpoint, without signatures.
const maxCheckpointBytes = 64 << 10

// checkpointLines is the number of lines before the extensions.
const checkpointLines = 3

// A Checkpoint states that a log had a size and a root. Its text is the body of
// a signed note; see [Sign] and [Open].
type Checkpoint struct {
	Origin string // names the log; never empty
	Size   uint64 // number of entries, at most MaxSize
	Root   Hash   // at that size

	// Extensions are further lines, opaque and none of them empty. Journals
	// write none, and C2SP advises against them.
	Extensions []string
}

// Marshal returns the text: origin, size, root in base64 and extensions, a line
// each. It fails for what [ParseCheckpoint] would refuse.
func (c Checkpoint) Marshal() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%d\n%v\n", c.Origin, c.Size, c.Root)
	for _, e := range c.Extensions {
		b.WriteString(e)
		b.WriteByte('\n')
	}
	err := c.check()
	if err == nil {
		err = checkLength(b.Len())
	}
	if err != nil {
		return nil, fmt.Errorf("marshal checkpoint: %w", err)
	}
	return b.Bytes(), nil
}

// ParseCheckpoint parses a checkpoint's text, which ends before the blank line
// of a signed note. It takes exactly what [Checkpoint.Marshal] writes, of at
// most 64 KiB. It checks no signature: text that is not from [Open] proves
// nothing.
func ParseCheckpoint(text []byte) (Checkpoint, error) {
	c, err := parseCheckpoint(text)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("parse checkpoint: %w", err)
	}
	return c, nil
}

func parseCheckpoint(text []byte) (Checkpoint, error) {
	if err := checkLength(len(text)); err != nil {
		return Checkpoint{}, err
	}
	body, ok := strings.CutSuffix(string(text), "\n")
	if !ok {
		return Checkpoint{}, errors.New("no line break at the end")
	}
	lines := strings.Split(body, "\n")
	if len(lines) < checkpointLines {
		return Checkpoint{}, fmt.Errorf("%d lines, want at least %d", len(lines), checkpointLines)
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return Checkpoint{}, errors.New("size is not a decimal number without leading zeros")
	}
	root, err := ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("root: %w", err)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if len(lines) > checkpointLines {
		c.Extensions = lines[checkpointLines:]
	}
	return c, nil
}

// check holds the rules that are the same for writing and reading.
func (c Checkpoint) check() error {
	if err := checkLine(c.Origin); err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	if c.Size > MaxSize {
		return fmt.Errorf("size %d: %w", c.Size, ErrOutOfRange)
	}
	if c.Size == 0 && c.Root != EmptyRoot() {
		return errors.New("root is not that of the empty tree")
	}
	for i, e := range c.Extensions {
		if err := checkLine(e); err != nil {
			return fmt.Errorf("extension %d: %w", i, err)
		}
	}
	return nil
}

// checkLine reports what a line of a signed note's text may not be or have.
func checkLine(s string) error {
	switch {
	case s == "":
		return errors.New("empty line")
	case !utf8.ValidString(s):
		return errors.New("invalid UTF-8")
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }):
		return errors.New("control character")
	}
	return nil
}

func checkLength(textBytes int) error {
	if textBytes > maxCheckpointBytes {
		return fmt.Errorf("text has %d bytes, more than %d", textBytes, maxCheckpointBytes)
	}
	return nil
}
