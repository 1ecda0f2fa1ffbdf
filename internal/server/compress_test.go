package server_test

import (
	"bytes"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// TestCompressedAnswers asks for encodings: the answer is the same in each.
func TestCompressedAnswers(t *testing.T) {
	s := newTestServer(t, nil)
	s.fill(t, 3000)
	for _, path := range []string{
		eventsPath + "?limit=1000", "/openapi.json", "/api/v1/audit/export", "/api/v1/audit/export?format=json",
		"/api/v1/audit/export?format=csv", "/api/v1/audit/export?format=journald",
	} {
		_, plain := s.call(t, "GET", path, "")
		for accept, want := range map[string]string{
			"gzip": "gzip", "zstd": "zstd", "gzip, zstd": "zstd", "deflate, gzip;q=1.0, *;q=0.5": "gzip", "gzip;q=0.5, zstd;q=0.2": "gzip", "x-gzip, br": "",
			"gzip;q=0": "", "identity": "", "GZIP": "gzip", "gzip;q=2": "",
		} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Accept-Encoding", accept)
			res := s.do(r)
			body, err := io.ReadAll(res.Body)
			check(t, err)
			if got := res.Header.Get("Content-Encoding"); got != want || !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Accept-Encoding") {
				t.Errorf("%s, %s: encoding %q, Vary %q", path, accept, got, res.Header.Values("Vary"))
			}
			if text := decompress(t, want, body); text != plain {
				t.Errorf("%s, %s: %d bytes, want %d", path, accept, len(text), len(plain))
			}
			if want != "" && len(body) > len(plain)/2 {
				t.Errorf("%s, %s: %d bytes of %d", path, accept, len(body), len(plain))
			}
		}
	}
}

func decompress(t *testing.T, encoding string, body []byte) string {
	t.Helper()
	var in io.Reader = bytes.NewReader(body)
	var err error
	switch encoding {
	case "gzip":
		in, err = gzip.NewReader(in)
	case "zstd":
		in, err = zstd.NewReader(in)
	}
	check(t, err)
	text, err := io.ReadAll(in)
	check(t, err)
	return string(text)
}

// TestCompressedBodies appends what is compressed.
func TestCompressedBodies(t *testing.T) {
	s := newTestServer(t, nil)
	for i, encoding := range []string{"gzip", "zstd", "identity", "x-gzip", "GZIP"} {
		body := []byte(`{"type":"x"}`)
		if name := strings.ToLower(strings.TrimPrefix(encoding, "x-")); name != "identity" {
			body = compressed(t, name, body)
		}
		for range 3 { // decompressors are used again
			status, text := s.call(t, "POST", eventsPath, string(body), "Content-Encoding: "+encoding)
			if status != 201 {
				t.Errorf("%d, %s: answer is %d %s", i, encoding, status, text)
			}
		}
	}
	for _, encoding := range []string{"gzip, zstd", "deflate", "br", "gzip,gzip"} {
		if status, _ := s.call(t, "POST", eventsPath, `{"type":"x"}`, "Content-Encoding: "+encoding); status != 415 {
			t.Errorf("%s: status %d", encoding, status)
		}
	}
}
