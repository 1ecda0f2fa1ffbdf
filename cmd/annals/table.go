package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/engine"
	"github.com/rivo/uniseg"
)

// A column is one of a table of entries.
type column struct {
	name string
	max  int // columns of a terminal, before the rest of the line is shared
}

// columns are those of a table. The last one takes what is left of the line.
var columns = []column{{"POSITION", 20}, {"TIME", 20}, {"TYPE", 36}, {"ACTOR", 36}, {"ENTITY", 36}, {"OUTCOME", 7}, {"MESSAGE", 0}}

// row returns an entry's cells, one for each of columns.
func row(e *annals.Entry, v *annals.Event) []string {
	return []string{
		strconv.FormatUint(uint64(e.Position), 10), v.Time.UTC().Format(time.RFC3339), v.Type,
		actorText(v.Actor), entityText(v.Entity), string(v.Outcome), messageText(v),
	}
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
	out    *bufio.Writer
	width  int
	rows   [][]string
	widths []int // of the columns, once they are known; 0 leaves one out
}

func (w *tableWriter) write(e *annals.Entry) error {
	v, err := e.Event()
	if err != nil {
		return err
	}
	cells := row(e, &v)
	for i, c := range cells {
		cells[i] = printable(c[:min(len(c), maxCell)])
	}
	if w.rows = append(w.rows, cells); len(w.rows) == tableRows {
		return w.page()
	}
	return nil
}

func (w *tableWriter) end(bool, bool) error {
	if err := w.page(); err != nil {
		return err
	}
	return w.out.Flush()
}

// page writes the rows that are held.
func (w *tableWriter) page() error {
	if len(w.rows) == 0 {
		return nil
	}
	if w.widths == nil {
		w.widths = fit(w.rows, w.width)
		names := make([]string, len(columns))
		for i, c := range columns {
			names[i] = c.name
		}
		w.rows = append([][]string{names}, w.rows...)
	}
	for _, cells := range w.rows {
		if err := w.line(cells); err != nil {
			return err
		}
	}
	w.rows = w.rows[:0]
	return nil
}

// line writes one row, cut to the widths.
func (w *tableWriter) line(cells []string) error {
	var b bytes.Buffer
	for i, c := range cells {
		if w.widths[i] == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("  ")
		}
		text, width := cut(c, w.widths[i])
		b.WriteString(text)
		b.WriteString(strings.Repeat(" ", w.widths[i]-width))
	}
	_, err := w.out.Write(append(bytes.TrimRight(b.Bytes(), " "), '\n'))
	return err
}

// fit returns the widths of the columns of a table: as wide as the widest cell,
// within limits that shrink until the whole fits. Empty columns get none.
func fit(rows [][]string, width int) []int {
	widths := make([]int, len(columns))
	total, last := -2, len(columns)-1
	for i, c := range columns {
		for _, r := range rows {
			widths[i] = max(widths[i], uniseg.StringWidth(r[i]))
		}
		widths[i] = min(widths[i], max(width, leastWidth))
		if widths[i] > 0 {
			widths[i] = max(widths[i], len(c.name))
		}
		if i != last {
			widths[i] = min(widths[i], c.max)
		}
		if widths[i] > 0 {
			total += widths[i] + 2
		}
	}
	for total > width {
		i := widest(widths)
		if widths[i] <= leastWidth {
			break
		}
		widths[i]--
		total--
	}
	return widths
}

// leastWidth is how narrow a column may become.
const leastWidth = 8

// widest returns the widest of the columns that may be cut.
func widest(widths []int) int {
	best := len(columns) - 1
	for _, i := range []int{4, 3, 2} {
		if widths[i] > widths[best] {
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

// csvNames are the columns of CSV.
var csvNames = strings.Fields(`position recorded_at time tenant id type source action outcome severity actor_type actor_id actor_name
	actor_address entity_type entity_id entity_name sequence correlation_id reason message error_code`)

// A csvWriter writes entries as CSV. Cells hold one line of printable text, and
// none that a spreadsheet takes for a formula.
type csvWriter struct {
	out   *bufio.Writer
	csv   *csv.Writer
	cells []string
}

func newCSVWriter(out *bufio.Writer) *csvWriter {
	w := &csvWriter{out: out, csv: csv.NewWriter(out)}
	_ = w.csv.Write(csvNames) // its errors stay until end
	return w
}

func (w *csvWriter) write(e *annals.Entry) error {
	v, err := e.Event()
	if err != nil {
		return err
	}
	sequence := ""
	if e.Sequence != 0 {
		sequence = strconv.FormatUint(uint64(e.Sequence), 10)
	}
	w.cells = append(w.cells[:0],
		strconv.FormatUint(uint64(e.Position), 10), e.RecordedAt.UTC().Format(engine.TimeFormat), v.Time.UTC().Format(engine.TimeFormat),
		v.Tenant, v.ID, v.Type, v.Source, v.Action, string(v.Outcome), string(v.Severity),
		v.Actor.Type, v.Actor.ID, v.Actor.Name, v.Actor.Address, v.Entity.Type, v.Entity.ID, v.Entity.Name,
		sequence, v.CorrelationID, v.Reason, v.Message, v.Error.Code)
	for i, c := range w.cells {
		w.cells[i] = csvCell(c)
	}
	return w.csv.Write(w.cells)
}

// csvCell makes a text safe for spreadsheets.
func csvCell(s string) string {
	s = printable(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

func (w *csvWriter) end(bool, bool) error {
	w.csv.Flush()
	if err := w.csv.Error(); err != nil {
		return err
	}
	return w.out.Flush()
}
