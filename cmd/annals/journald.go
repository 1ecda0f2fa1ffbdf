package main

import (
	"bufio"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/engine"
)

// priorities are those of syslog for our severities.
var priorities = map[string]string{"debug": "7", "info": "6", "notice": "5", "warning": "4", "error": "3", "critical": "2"}

// A journaldWriter writes entries in the export format of systemd's journal, as
// systemd-journal-remote reads it:
//
//	__CURSOR                    the journal's id and the position
//	__REALTIME_TIMESTAMP        recorded_at, which never decreases, in microseconds
//	__MONOTONIC_TIMESTAMP       the same
//	_BOOT_ID                    the journal's id
//	_SOURCE_REALTIME_TIMESTAMP  time
//	MESSAGE                     message, or the description
//	PRIORITY                    severity, or info
//	SYSLOG_IDENTIFIER           source, or annals
//	ANNALS_…                    each column of flatColumns that is no JSON
//	ANNALS_ENTRY                the entry
type journaldWriter struct {
	flattener
	out     *bufio.Writer
	journal string // its id
}

func (w *journaldWriter) write(e *annals.Entry) error {
	if err := w.take(e); err != nil {
		return err
	}
	r := &w.record
	recorded := strconv.FormatInt(max(1, e.RecordedAt.UnixMicro()), 10)
	w.field("__CURSOR", "j="+w.journal+";p="+strconv.FormatUint(uint64(e.Position), 16))
	w.field("__REALTIME_TIMESTAMP", recorded)
	w.field("__MONOTONIC_TIMESTAMP", recorded)
	w.field("_BOOT_ID", w.journal)
	if at, err := time.Parse(engine.TimeFormat, r.text("time")); err == nil && at.UnixMicro() > 0 {
		w.field("_SOURCE_REALTIME_TIMESTAMP", strconv.FormatInt(at.UnixMicro(), 10))
	}
	w.field("MESSAGE", firstOf(r.text("message"), w.narrator.tell(r)))
	w.field("PRIORITY", firstOf(priorities[r.text("severity")], priorities["info"]))
	w.field("SYSLOG_IDENTIFIER", firstOf(r.text("source"), "annals"))
	for i := range flatColumns {
		if c := &flatColumns[i]; c.kind != jsonCell && c.kind != storyCell {
			w.field("ANNALS_"+strings.ToUpper(c.name), w.cell(c))
		}
	}
	w.field("ANNALS_ENTRY", string(r.json))
	return w.out.WriteByte('\n')
}

// field writes a field, unless it is empty. A value that is not one line of
// printable text follows its length. Errors stay until the next byte is written.
func (w *journaldWriter) field(name, value string) {
	if value == "" {
		return
	}
	_, _ = w.out.WriteString(name)
	if strings.IndexFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		_ = w.out.WriteByte('=')
	} else {
		_ = w.out.WriteByte('\n')
		_, _ = w.out.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
	}
	_, _ = w.out.WriteString(value)
	_ = w.out.WriteByte('\n')
}

func (w *journaldWriter) flush() error { return w.out.Flush() }

func (w *journaldWriter) end(*ending) error { return w.flush() }
