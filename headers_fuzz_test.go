package annals

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzHeaders: no header and body makes the readers of both modes panic; what they take
// is an event whose canonical form is stable, and its entry one line.
func FuzzHeaders(f *testing.F) {
	seeds := []struct{ contentType, header, body string }{
		{"application/json", "X-Event-Type: a|X-Resource-Type: o|X-Resource-ID: 1|X-Outcome: success", `{"a": 1}`},
		{"text/plain; charset=utf-8", "x-event-type: a", "text"},
		{"", "ce-specversion: 1.0|ce-id: 1|ce-source: /s|ce-type: a|ce-x: \"%41\\\"\"", "bytes"},
		{"application/json", "ce-specversion: 1.0|ce-id: 1|ce-source: /s|ce-type: a|ce-time: 2026-01-01T00:00:00Z|ce-subject: a/b", "null"},
	}
	for _, s := range seeds {
		_, err := ParseHeaderEvent(s.contentType, fields(strings.Split(s.header, "|")...), []byte(s.body))
		_, err2 := ParseBinaryCloudEvent(s.contentType, fields(strings.Split(s.header, "|")...), []byte(s.body))
		if err != nil && err2 != nil {
			f.Fatalf("seed %v is no event: %v, %v", s, err, err2)
		}
		f.Add(s.contentType, s.header, []byte(s.body))
	}
	f.Fuzz(func(t *testing.T, contentType, header string, body []byte) {
		headers := fields(strings.Split(header, "|")...)
		for _, parse := range []func(string, Headers, []byte) (Encoded, error){ParseHeaderEvent, ParseBinaryCloudEvent} {
			e, err := parse(contentType, headers, body)
			if err != nil {
				continue
			}
			canonical := e.JSON()
			again, err := ParseEvent(canonical)
			if err != nil || !bytes.Equal(again.JSON(), canonical) {
				t.Fatalf("%s: got %s the second time, %v", canonical, again.JSON(), err)
			}
			entry := finished(&e)
			if err := CheckEntry(entry); err != nil || bytes.ContainsAny(entry, "\n\r\x00\x1b") {
				t.Fatalf("%q: %v", entry, err)
			}
		}
	})
}
