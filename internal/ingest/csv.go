package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxHeaderBytes limits the header of a CSV file: each row's object repeats it.
const maxHeaderBytes = 1 << 20

// CSVOptions configures a [CSVReader]. The zero value is ready to use. Containers
// are not for it.
type CSVOptions struct {
	Options

	// Value appends what a cell of a column stands for, a JSON value, and reports
	// whether it stands for anything: a cell that does not is no member. Nil means
	// that each cell is a string. It keeps no argument.
	Value func(dst []byte, column string, cell []byte) ([]byte, bool)
}

// A CSVReader reads the rows of a CSV file, as RFC 4180 describes them, each as a
// JSON object with a member a column. The first row names the columns; a column
// without a name is column_N. Rows end with LF or CRLF, empty lines are skipped, and
// cells in quotes may hold line ends. gzip, zstd and byte order marks are those of
// [Reader].
//
// A row that is malformed, or has another number of cells than the header, is an
// [Item] with an error. Behind a malformed one, reading goes on with the line after
// that on which it started.
//
// Memory is bounded by some times [Options.MaxValueBytes], which limits a row. A
// CSVReader may not be used concurrently, except for InputBytes.
type CSVReader struct {
	input   *counter
	win     window
	value   func(dst []byte, column string, cell []byte) ([]byte, bool)
	columns []string
	names   [][]byte // of columns, as members begin: "name":
	ended   error    // what Next returns from now on

	cells [][]byte
	plain []byte // cells whose quotes were doubled
	out   []byte
}

// NewCSVReader returns a reader of the rows in r, whose header it reads. A nil opts
// means the defaults.
func NewCSVReader(r io.Reader, opts *CSVOptions) (*CSVReader, error) {
	if opts == nil {
		opts = new(CSVOptions)
	}
	o, err := opts.Options.withDefaults()
	if err != nil {
		return nil, err
	}
	input, win, err := openWindow(r, &o)
	if err != nil {
		return nil, err
	}
	c := &CSVReader{input: input, win: win, value: opts.Value}
	if c.value == nil {
		c.value = textValue
	}
	c.win.max = min(o.MaxValueBytes, maxHeaderBytes)
	if err := c.header(); err != nil {
		return nil, fmt.Errorf("read header of CSV: %w", err)
	}
	c.win.max = o.MaxValueBytes
	return c, nil
}

// textValue is the value of a cell that is a string.
func textValue(dst []byte, _ string, cell []byte) ([]byte, bool) {
	dst, _ = jsontext.AppendQuote(dst, cell) // is UTF-8
	return dst, true
}

// InputBytes is [Reader.InputBytes].
func (c *CSVReader) InputBytes() int64 { return c.input.n.Load() }

// Columns returns the names of the columns. They are not the caller's to change.
func (c *CSVReader) Columns() []string { return c.columns }

// header reads the names of the columns, of which an empty file has none.
func (c *CSVReader) header() error {
	if err := c.skipLineEnds(); err != nil {
		if err == io.EOF {
			return nil
		}
		return err
	}
	if err := c.row(); err != nil {
		return err
	}
	for i, cell := range c.cells {
		name := string(cell)
		if name == "" {
			name = fmt.Sprintf("column_%d", i+1)
		}
		if slices.Contains(c.columns, name) {
			return fmt.Errorf("column %.40q is there twice", name)
		}
		quoted, err := jsontext.AppendQuote(nil, name)
		if err != nil {
			return fmt.Errorf("column %d: %w", i+1, errUTF8)
		}
		c.columns, c.names = append(c.columns, name), append(c.names, append(quoted, ':'))
		if len(c.columns) > maxColumns {
			return fmt.Errorf("more than %d columns", maxColumns)
		}
	}
	return nil
}

// maxColumns limits the columns of a CSV file.
const maxColumns = 4096

// Next is [Reader.Next] for rows. The Raw of a good item is an object.
func (c *CSVReader) Next() (Item, error) {
	if c.ended == nil {
		c.ended = c.skipLineEnds()
	}
	if c.ended != nil {
		return Item{}, c.ended
	}
	item := Item{Line: c.win.line, Offset: c.win.offset()}
	err := c.row()
	if err == errReadFailed {
		c.ended = fmt.Errorf("line %d: %w", item.Line, c.win.err)
		return Item{}, c.ended
	}
	if err != nil {
		item.Err = err
		item.Raw = c.win.restOfLine(badBytes)
		return item, nil
	}
	if item.Raw, item.Err = c.object(); item.Err != nil {
		row := c.win.buf[c.win.start:c.win.pos]
		item.Raw = bytes.TrimRight(row[:min(len(row), badBytes)], "\r\n")
	}
	c.win.take()
	return item, nil
}

// object returns the current row's object.
func (c *CSVReader) object() ([]byte, error) {
	if len(c.cells) != len(c.columns) {
		return nil, fmt.Errorf("row has %d cells, want %d", len(c.cells), len(c.columns))
	}
	out := append(c.out[:0], '{')
	for i, cell := range c.cells {
		if !utf8.Valid(cell) {
			return nil, fmt.Errorf("cell %d: %w", i+1, errUTF8)
		}
		before := len(out)
		if before > 1 {
			out = append(out, ',')
		}
		out = append(out, c.names[i]...)
		var some bool
		if out, some = c.value(out, c.columns[i], cell); !some {
			out = out[:before]
		}
	}
	c.out = append(out, '}')
	return c.out, nil
}

// skipLineEnds skips empty lines, and returns why there is no row behind them.
func (c *CSVReader) skipLineEnds() error {
	for w := &c.win; ; {
		for w.pos < w.end && (w.buf[w.pos] == '\n' || w.buf[w.pos] == '\r') {
			w.pos++
		}
		w.take()
		switch {
		case w.pos < w.end:
			return nil
		case w.fill():
		case w.err == io.EOF:
			return io.EOF
		default:
			return fmt.Errorf("line %d: %w", w.line, w.err)
		}
	}
}

// row moves pos behind the row at start, and sets cells. On an error start stays.
func (c *CSVReader) row() error {
	w := &c.win
	var s csvScanner
	for {
		n, done, err := s.scan(w.ahead())
		w.pos += n
		switch {
		case err != nil:
			return err
		case w.pos-w.start > w.max:
			return fmt.Errorf("row is larger than %d bytes", w.max)
		case done:
			return c.split(w.buf[w.start:w.pos])
		}
		if w.fill() {
			continue
		}
		switch {
		case w.err != io.EOF:
			return errReadFailed
		case s == inQuotes:
			return errors.New("quote is not closed")
		}
		return c.split(w.buf[w.start:w.pos])
	}
}

// split sets cells to those of a row, which is well-formed.
func (c *CSVReader) split(row []byte) error {
	row = bytes.TrimSuffix(bytes.TrimSuffix(row, []byte{'\n'}), []byte{'\r'})
	c.cells, c.plain = c.cells[:0], c.plain[:0]
	c.plain = slices.Grow(c.plain, len(row)) // so that cells stay where they are
	for {
		var cell []byte
		more := false
		if len(row) > 0 && row[0] == '"' {
			cell, row = c.unquote(row[1:])
			more = len(row) > 0
			row = bytes.TrimPrefix(row, []byte{','})
		} else {
			cell, row, more = bytes.Cut(row, []byte{','})
		}
		if len(c.cells) > maxColumns {
			return fmt.Errorf("row has more than %d cells", maxColumns)
		}
		c.cells = append(c.cells, cell)
		if !more {
			return nil
		}
	}
}

// unquote returns what a cell in quotes, behind the first one, stands for, and what
// follows the last one.
func (c *CSVReader) unquote(text []byte) (cell, rest []byte) {
	from := len(c.plain)
	for {
		part, rest, _ := bytes.Cut(text, []byte{'"'})
		doubled := len(rest) > 0 && rest[0] == '"'
		if !doubled && from == len(c.plain) {
			return part, rest
		}
		c.plain = append(c.plain, part...)
		if !doubled {
			return c.plain[from:], rest
		}
		c.plain = append(c.plain, '"')
		text = rest[1:]
	}
}

// A csvScanner finds the end of a row that arrives in pieces of any size.
type csvScanner uint8

const (
	atCell     csvScanner = iota // before a cell
	inCell                       // in one without quotes
	inQuotes                     // in one with quotes
	afterQuote                   // behind a quote in one: the last, or the first of two
	afterCR                      // behind a CR after the last quote
)

// scan consumes b up to the end of the row, and returns how many bytes that were.
func (s *csvScanner) scan(b []byte) (n int, done bool, err error) {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; *s {
		case inQuotes:
			next := bytes.IndexByte(b[i:], '"')
			if next < 0 {
				return len(b), false, nil
			}
			i += next
			*s = afterQuote
		case atCell, inCell:
			if done, err = s.plain(c); done || err != nil {
				return i + 1, done, err
			}
		default:
			if done, err = s.closed(c); done || err != nil {
				return i + 1, done, err
			}
		}
	}
	return len(b), false, nil
}

// plain consumes a byte of a cell without quotes.
func (s *csvScanner) plain(c byte) (done bool, err error) {
	switch {
	case c == '\n':
		return true, nil
	case c == ',':
		*s = atCell
	case c == '"' && *s == atCell:
		*s = inQuotes
	case c == '"':
		return false, errors.New("quote in a cell that does not begin with one")
	default:
		*s = inCell
	}
	return false, nil
}

// closed consumes a byte behind a quote in a cell with quotes.
func (s *csvScanner) closed(c byte) (done bool, err error) {
	switch {
	case c == '\n':
		return true, nil
	case *s == afterCR:
	case c == '"':
		*s = inQuotes
		return false, nil
	case c == ',':
		*s = atCell
		return false, nil
	case c == '\r':
		*s = afterCR
		return false, nil
	}
	return false, errors.New("text behind the closing quote of a cell")
}
