package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/annals-io/annals"
)

// parseJournald reads the export format of systemd's journal as its description
// says, apart from how it was written.
func parseJournald(text []byte) (entries []map[string]string, err error) {
	entry := make(map[string]string)
	for len(text) > 0 {
		line, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return nil, fmt.Errorf("line without an end: %q", text)
		}
		text = rest
		name, value, plain := bytes.Cut(line, []byte("="))
		switch {
		case len(line) == 0:
			entries = append(entries, entry)
			entry = make(map[string]string)
			continue
		case !plain:
			if len(text) < 8 {
				return nil, fmt.Errorf("field %q has no length", name)
			}
			n := binary.LittleEndian.Uint64(text)
			if text = text[8:]; uint64(len(text)) <= n || text[n] != '\n' {
				return nil, fmt.Errorf("field %q has no end after %d bytes", name, n)
			}
			value, text = text[:n], text[n+1:]
		case !utf8.Valid(value) || bytes.ContainsFunc(value, func(r rune) bool { return r < ' ' }):
			return nil, fmt.Errorf("field %q is not text: %q", name, value)
		}
		if _, twice := entry[string(name)]; twice || len(name) == 0 || len(name) > 64 {
			return nil, fmt.Errorf("field %q is there twice, or no field", name)
		}
		entry[string(name)] = string(value)
	}
	if len(entry) > 0 {
		return nil, fmt.Errorf("no empty line behind the last entry")
	}
	return entries, nil
}

const testJournalID = "0123456789abcdef0123456789abcdef"

// fieldsOf returns the fields of an entry in the journald format, written twice.
func fieldsOf(t *testing.T, x *annals.Entry, f flattener) map[string]string {
	t.Helper()
	var b bytes.Buffer
	w := &journaldWriter{flattener: f, out: bufio.NewWriter(&b), journal: testJournalID}
	check(t, w.write(x))
	check(t, w.write(x))
	check(t, w.end(new(ending)))
	entries, err := parseJournald(b.Bytes())
	check(t, err)
	if len(entries) != 2 || len(entries[0]) != len(entries[1]) {
		t.Fatalf("%d entries", len(entries))
	}
	return entries[0]
}

// testJournald covers fault 100 in the journald format: no text ends a field.
func testJournald(t *testing.T, x *annals.Entry) {
	fields := fieldsOf(t, x, flattener{narrator: new(narrator)})
	v, err := x.Event()
	check(t, err)
	for name, want := range map[string]string{
		"ANNALS_ENTRY": string(x.JSON), "ANNALS_ID": v.ID, "ANNALS_TYPE": v.Type, "ANNALS_SOURCE": v.Source,
		"ANNALS_ACTOR_NAME": v.Actor.Name, "ANNALS_ENTITY_ID": v.Entity.ID, "ANNALS_REASON": v.Reason, "ANNALS_HASH": x.Hash().String(),
	} {
		if fields[name] != want {
			t.Errorf("%s is %q, want %q", name, fields[name], want)
		}
	}
	if fields["MESSAGE"] == "" || v.Message != "" && fields["MESSAGE"] != v.Message {
		t.Errorf("MESSAGE is %q, want %q", fields["MESSAGE"], v.Message)
	}
}

func TestJournaldFields(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC)
	for severity, priority := range map[annals.Severity]string{
		"": "6", annals.SeverityDebug: "7", annals.SeverityInfo: "6", annals.SeverityNotice: "5",
		annals.SeverityWarning: "4", annals.SeverityError: "3", annals.SeverityCritical: "2",
	} {
		event := annals.Event{Type: "a", Time: at, Severity: severity, Changes: map[string]annals.Change{"n": {Old: 1, New: "x"}}}
		encoded, err := event.Encode()
		check(t, err)
		fields := fieldsOf(t, &annals.Entry{Position: 255, RecordedAt: at.Add(time.Hour), JSON: encoded.JSON()}, flattener{narrator: new(narrator)})
		for name, want := range map[string]string{
			"__CURSOR": "j=" + testJournalID + ";p=ff", "_BOOT_ID": testJournalID, "PRIORITY": priority, "SYSLOG_IDENTIFIER": "annals",
			"__REALTIME_TIMESTAMP": "1767326645000006", "__MONOTONIC_TIMESTAMP": "1767326645000006",
			"_SOURCE_REALTIME_TIMESTAMP": "1767323045000006", "MESSAGE": "a: n: 1 → x",
		} {
			if fields[name] != want {
				t.Errorf("severity %q: %s is %q, want %q", severity, name, fields[name], want)
			}
		}
	}
}

// TestJournaldParser checks the parser of these tests on text that is wrong.
func TestJournaldParser(t *testing.T) {
	for _, text := range []string{"A=1", "A=1\n", "A\n", "A\n\x01\x00\x00\x00\x00\x00\x00\x00ab\n\n", "A=1\nA=2\n\n", "A=\x01\n\n"} {
		if entries, err := parseJournald([]byte(text)); err == nil {
			t.Errorf("%q parses as %v", text, entries)
		}
	}
	entries, err := parseJournald([]byte("A=1\nB\n" + "\x02" + strings.Repeat("\x00", 7) + "\n\n\n\nA=2\n\n"))
	check(t, err)
	if len(entries) != 2 || entries[0]["B"] != "\n\n" {
		t.Errorf("got %v", entries)
	}
}
