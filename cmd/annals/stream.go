package main

import (
	"bufio"
	"strings"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/export"
)

// streamColumns are those of a table that has no end.
var streamColumns = []column{{name: "TIME"}, {name: "TYPE"}, {name: "ACTOR"}, {name: "ENTITY"}, {name: "OUTCOME"}, {name: "MESSAGE"}}

// streamWidths returns the widths of streamColumns in a terminal: that of times and
// outcomes is known, and the others share what they leave.
func streamWidths(width int) []int {
	const time, outcome = 20, 7
	left := width - time - outcome - 2*(len(streamColumns)-1)
	share := func(part, most int) int { return min(most, max(leastWidth, left/part)) }
	typ, actor, entity := share(4, 28), share(5, 24), share(4, 28)
	return []int{time, typ, actor, entity, outcome, max(leastWidth, left-typ-actor-entity)}
}

// Places of columns that have colours.
const (
	streamTime    = 0
	streamType    = 1
	streamOutcome = 4
)

// Colours of a terminal.
const (
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

var (
	outcomeColours  = map[annals.Outcome]string{annals.OutcomeSuccess: green, annals.OutcomeFailure: red, annals.OutcomePending: yellow}
	severityColours = map[annals.Severity]string{annals.SeverityWarning: yellow, annals.SeverityError: red, annals.SeverityCritical: red}
)

// A streamWriter writes entries as lines of a table whose columns have the same
// widths from the first one on.
type streamWriter struct {
	tableWriter
	colours bool
}

func newStreamWriter(out *bufio.Writer, width int, colours bool) *streamWriter {
	return &streamWriter{tableWriter: tableWriter{out: out, columns: streamColumns, widths: streamWidths(width)}, colours: colours}
}

func (w *streamWriter) write(e *annals.Entry) error {
	v, err := e.Event()
	if err != nil {
		return err
	}
	text := messageText(&v)
	if text == "" {
		changes, _ := e.Member("changes")
		text = strings.Join(export.Changes(changes, maxCell), "; ")
	}
	cells := printableCells([]string{
		v.Time.UTC().Format(time.RFC3339), v.Type, actorText(v.Actor), entityText(v.Entity), string(v.Outcome), text,
	})
	var colours map[int]string
	if w.colours {
		colours = map[int]string{streamTime: faint, streamType: severityColours[v.Severity], streamOutcome: outcomeColours[v.Outcome]}
	}
	return w.line(cells, colours)
}
