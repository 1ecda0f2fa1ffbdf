package main

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/annals-io/annals"
	"github.com/rivo/uniseg"
)

// A column is one of a table of entries.
type column struct {
	name  string
	max   int  // columns of a terminal, before the rest of the line is shared; 0 is no limit
	right bool // the column holds numbers
	fixed bool // it is not cut to make room
}

// entryColumns are those of a table of entries.
var entryColumns = []column{
	{name: "POSITION", max: 20, right: true, fixed: true}, {name: "TIME", max: 20, fixed: true}, {name: "TYPE", max: 36},
	{name: "ACTOR", max: 36}, {name: "ENTITY", max: 36}, {name: "OUTCOME", max: 7, fixed: true}, {name: "MESSAGE"},
}

// entryRows returns an entry's row, with a cell for each of entryColumns.
func entryRows(e *annals.Entry) ([][]string, error) {
	v, err := e.Event()
	if err != nil {
		return nil, err
	}
	return [][]string{{
		strconv.FormatUint(uint64(e.Position), 10), v.Time.UTC().Format(time.RFC3339), v.Type,
		actorText(v.Actor), entityText(v.Entity), string(v.Outcome), messageText(&v),
	}}, nil
}

// actorText names an actor and where it came from.
func actorText(a annals.Actor) string {
	name := firstOf(a.Name, a.ID, a.Type)
	if a.Address != "" {
		name = strings.TrimPrefix(name+" ("+a.Address+")", " ")
	}
	return name
}

func entityText(x annals.Entity) string {
	if x.Type == "" {
		return ""
	}
	return x.Type + "/" + x.ID
}

// messageText says in one line what is most worth knowing.
func messageText(v *annals.Event) string {
	if text := firstOf(v.Message, v.Reason); text != "" {
		return text
	}
	return strings.Trim(v.Error.Code+": "+v.Error.Message, ": ")
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// tableRows is how many rows set the widths of the columns, and are held.
const tableRows = 1000

// maxCell bounds a cell that is held, in bytes.
const maxCell = 1 << 10

// A tableWriter writes entries as a table that fits a terminal.
type tableWriter struct {
	out     *bufio.Writer
	width   int
	columns []column
	rows    func(*annals.Entry) ([][]string, error) // of an entry, with a cell for each column

	held   [][]string
	widths []int // of the columns, once they are known; 0 leaves one out
}

func (w *tableWriter) write(e *annals.Entry) error {
	rows, err := w.rows(e)
	if err != nil {
		return err
	}
	for _, cells := range rows {
		w.held = append(w.held, printableCells(cells))
	}
	if len(w.held) >= tableRows {
		return w.page()
	}
	return nil
}

// printableCells makes cells printable, and short enough to be held.
func printableCells(cells []string) []string {
	for i, c := range cells {
		cells[i] = printable(c[:min(len(c), maxCell)])
	}
	return cells
}

func (w *tableWriter) end(*ending) error { return w.flush() }

func (w *tableWriter) flush() error {
	if err := w.page(); err != nil {
		return err
	}
	return w.out.Flush()
}

// page writes the rows that are held.
func (w *tableWriter) page() error {
	if len(w.held) == 0 {
		return nil
	}
	if w.widths == nil {
		w.widths = shrink(w.columns, natural(w.columns, w.held, w.width), w.width)
		names := make([]string, len(w.columns))
		for i, c := range w.columns {
			names[i] = c.name
		}
		w.held = append([][]string{names}, w.held...)
	}
	for _, cells := range w.held {
		if err := w.line(cells, nil); err != nil {
			return err
		}
	}
	w.held = w.held[:0]
	return nil
}

// line writes one row, cut to the widths, with columns in colours.
func (w *tableWriter) line(cells []string, colours map[int]string) error {
	var b bytes.Buffer
	for i, c := range cells {
		if w.widths[i] == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("  ")
		}
		text, width := cut(c, w.widths[i])
		pad := strings.Repeat(" ", w.widths[i]-width)
		if w.columns[i].right {
			text, pad = pad, text
		}
		if code := colours[i]; code != "" {
			text += plain
			b.WriteString(code)
		}
		b.WriteString(text + pad)
	}
	_, err := w.out.Write(append(bytes.TrimRight(b.Bytes(), " "), '\n'))
	return err
}

// natural returns the widths of columns: as wide as the widest cell, within
// limits. Empty columns get none.
func natural(columns []column, rows [][]string, width int) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		for _, r := range rows {
			widths[i] = max(widths[i], uniseg.StringWidth(r[i]))
		}
		if widths[i] == 0 {
			continue
		}
		most := max(width, leastWidth)
		if c.max > 0 {
			most = min(most, c.max)
		}
		widths[i] = min(max(widths[i], len(c.name)), max(most, len(c.name)))
	}
	return widths
}

// shrink makes the widest columns narrower until all fit into width, with two
// spaces between them.
func shrink(columns []column, widths []int, width int) []int {
	total := -2
	for _, n := range widths {
		if n > 0 {
			total += n + 2
		}
	}
	for ; total > width; total-- {
		i := widest(columns, widths)
		if widths[i] <= leastWidth {
			break
		}
		widths[i]--
	}
	return widths
}

// leastWidth is how narrow a column may become.
const leastWidth = 8

// widest returns the widest of the columns that may be cut, the last of several.
func widest(columns []column, widths []int) int {
	best := len(columns) - 1
	for i := best - 1; i >= 0; i-- {
		if !columns[i].fixed && widths[i] > widths[best] {
			best = i
		}
	}
	return best
}

// cut returns as much of s as fits into width columns, with a mark if that is not
// all, and how many columns it takes.
func cut(s string, width int) (string, int) {
	if n := uniseg.StringWidth(s); n <= width {
		return s, n
	}
	n, end, state := 0, 0, -1
	for rest := s; rest != ""; {
		var cluster string
		var w int
		cluster, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if n+w > width-1 {
			break
		}
		n += w
		end += len(cluster)
	}
	return s[:end] + "…", n + 1
}
