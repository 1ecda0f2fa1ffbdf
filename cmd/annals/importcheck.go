package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/annals-io/annals/internal/export"
	"github.com/go-json-experiment/json/jsontext"
)

// A checkedLine says what a value would become. Its shape is a contract.
type checkedLine struct {
	File           string          `json:"file"`
	Line           int64           `json:"line"`
	Event          json.RawMessage `json:"event,omitempty"`
	OmittedMembers int             `json:"omitted_members,omitzero"`
	JoinedRows     int             `json:"joined_rows,omitzero"`
	DerivedID      bool            `json:"derived_id,omitzero"` // the source has none
	LeftOut        bool            `json:"left_out,omitzero"`   // another journal's own event
	Reason         string          `json:"reason,omitempty"`    // why it would be rejected
	Text           string          `json:"text,omitempty"`      // of what would be
}

// checkImport shows what the first values of each file would become. No journal is
// opened.
func (e *env) checkImport(ctx context.Context, x *importing, files []*importFile) error {
	out := bufio.NewWriter(e.stdout)
	rejected := 0
	var err error
	for _, f := range files {
		var n int
		n, err = e.checkFile(ctx, out, x.check, f)
		rejected += n
		if err != nil {
			break
		}
	}
	if err = errors.Join(err, out.Flush()); err == nil && rejected > 0 {
		e.note("%d of these lines would be rejected", rejected)
		err = errRejected
	}
	return codeInput(err)
}

// checkFile shows what the first n values of a file would become, and returns how
// many would be rejected.
func (e *env) checkFile(ctx context.Context, out *bufio.Writer, n int, f *importFile) (rejected int, err error) {
	in, err := f.open()
	if err != nil {
		return 0, err
	}
	equal := newTally(tallyKeys)
	for range n {
		if err = stopped(ctx); err != nil {
			break
		}
		var c checkedLine
		if c, err = checkNext(f, in, equal); err != nil {
			break
		}
		if c.Reason != "" {
			rejected++
		}
		if err = e.showChecked(out, &c); err != nil {
			break
		}
	}
	if err == io.EOF {
		err = nil
	}
	return rejected, errors.Join(err, equal.close(), in.Close())
}

// checkNext parses the next value.
func checkNext(f *importFile, in *input, equal *tally) (checkedLine, error) {
	item, err := in.Next()
	if err == io.EOF {
		return checkedLine{}, err
	}
	if err != nil {
		return checkedLine{}, &inputError{f.name, err}
	}
	l := line{number: item.Line, joined: item.Joined, err: item.Err}
	if l.err == nil {
		l.parse(f, item.Raw, nil)
	}
	if l.err == nil && l.unnamed {
		if err := l.derive(equal); err != nil {
			return checkedLine{}, err
		}
	}
	c := checkedLine{File: f.name, Line: l.number, JoinedRows: l.joined, LeftOut: l.foreign}
	switch {
	case l.err != nil:
		c.Reason, c.Text = errorText(l.err), string(item.Raw)
	case !l.foreign:
		c.Event, c.OmittedMembers, c.DerivedID = l.event.JSON(), l.omitted, l.unnamed
	}
	return c, nil
}

// showChecked prints a line: as JSON if that was asked for, else for people.
func (e *env) showChecked(out *bufio.Writer, c *checkedLine) error {
	if e.asked && e.output != formTable {
		line, err := e.jsonLine(nil, c)
		if err == nil {
			_, err = out.Write(line)
		}
		return err
	}
	_, err := out.WriteString(checkedText(c))
	return err
}

// checkedText is what a line would become, for people.
func checkedText(c *checkedLine) string {
	text := fmt.Sprintf("%s, line %d", printable(c.File), c.Line)
	if c.JoinedRows > 0 {
		text += fmt.Sprintf(", with the %s behind it", plural(uint64(c.JoinedRows), "row"))
	}
	switch {
	case c.Reason != "":
		return text + ": rejected: " + c.Reason + "\n  " + clip(printable(c.Text), 200) + "\n\n"
	case c.LeftOut:
		return text + ": left out, another journal's own event\n\n"
	}
	if c.DerivedID {
		text += ", id from its bytes"
	}
	if c.OmittedMembers > 0 {
		text += fmt.Sprintf(", %s not taken over", plural(uint64(c.OmittedMembers), "member"))
	}
	event := jsontext.Value(c.Event)
	if err := event.Indent(jsontext.WithIndent("  ")); err != nil {
		return text + ": " + err.Error() + "\n\n"
	}
	return text + "\n" + string(printableJSONLines(event)) + "\n\n"
}

// printableJSONLines is [export.Printable] for text of several lines.
func printableJSONLines(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		body := bytes.TrimSuffix(line, []byte("\n"))
		out = append(out, export.Printable(body)...)
		out = append(out, line[len(body):]...)
	}
	return out
}
