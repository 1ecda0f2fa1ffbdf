package server

import (
	"net/url"
	"testing"

	"github.com/annals-io/annals"
)

// TestFrames keeps more frames than there is room for: the oldest go, and none is of
// another query or position.
func TestFrames(t *testing.T) {
	var s frames
	s.join("a")
	if f, wanted := s.find(frameKey{"a", 0}); f != nil || wanted {
		t.Errorf("for one subscriber: frame %v, wanted %t", f, wanted)
	}
	s.join("a")
	for i := range annals.Position(keptFrames + 10) {
		if _, wanted := s.find(frameKey{"a", i}); !wanted {
			t.Fatal("frame of two subscribers is not wanted")
		}
		f := &frame{from: i, next: i + 1}
		s.keep(frameKey{"a", i}, f)
		s.keep(frameKey{"a", i}, &frame{}) // somebody else made it meanwhile
		if got, _ := s.find(frameKey{"a", i}); got != f {
			t.Fatalf("frame %d is %v", i, got)
		}
	}
	for from, there := range map[annals.Position]bool{0: false, 9: false, 10: true, keptFrames + 9: true, keptFrames + 10: false} {
		if f, _ := s.find(frameKey{"a", from}); (f != nil) != there || f != nil && f.from != from {
			t.Errorf("frame %d: %v, want %t", from, f, there)
		}
	}
	if f, _ := s.find(frameKey{"b", 10}); f != nil || len(s.byKey) != keptFrames {
		t.Errorf("frame of another query: %v; %d frames", f, len(s.byKey))
	}
	s.keep(frameKey{"b", 0}, &frame{text: make([]byte, 0, keptBytes+1)})
	if f, _ := s.find(frameKey{"b", 0}); f != nil {
		t.Error("a large frame was kept")
	}
	s.leave("a")
	s.leave("a")
	if len(s.users) != 0 {
		t.Errorf("users left: %v", s.users)
	}
}

// TestChannelKey shares among those whose tenants and parameters are the same.
func TestChannelKey(t *testing.T) {
	keys := make(map[string]string)
	for _, tt := range []struct{ query, tenants string }{
		{"", "acme"}, {"", "beta"}, {"", "*"}, {"type=x", "acme"}, {"type=y", "acme"}, {"type=x&type=y", "acme"}, {"tenant=acme", "acme"},
	} {
		params, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		key := channelKey(params, []string{tt.tenants})
		if other, ok := keys[key]; ok || key == "" {
			t.Errorf("%v has the key %q, as %s has", tt, key, other)
		}
		keys[key] = tt.query + " " + tt.tenants
	}
	for _, name := range []string{"since", "until", "q", "data.x", "recorded_at"} {
		if key := channelKey(url.Values{name: {"1h"}}, nil); key != "" {
			t.Errorf("%s is shared as %q", name, key)
		}
	}
}
