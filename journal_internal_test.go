package annals

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

func TestStatsJSON(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	text, err := json.Marshal(Stats{Events: 1, FirstRecordedAt: &at, ByType: map[string]uint64{"a": 1}})
	check(t, err)
	const want = `{"first_recorded_at":"2026-01-02T02:04:05.000000000Z","last_recorded_at":null,"events":1,`
	if !bytes.HasPrefix(text, []byte(want)) || !bytes.Contains(text, []byte(`"by_type":{"a":1}`)) {
		t.Errorf("got %s\nwant %s…", text, want)
	}
	var back Stats
	check(t, json.Unmarshal(text, &back))
	if back.FirstRecordedAt == nil || !back.FirstRecordedAt.Equal(at) || back.Events != 1 {
		t.Errorf("read back: %+v", back)
	}
}

// TestStatsUnreadable counts an entry that is no event, which the engine below
// does not know from one.
func TestStatsUnreadable(t *testing.T) {
	opts, err := (&Options{}).WithDefaults()
	check(t, err)
	j, err := OpenFS(durable.NewMem(), opts)
	check(t, err)
	defer j.Close()
	_, err = j.Append(context.Background(), Event{Type: "a"})
	check(t, err)
	_, err = j.engine.Append(context.Background(), engine.Batch{Records: []engine.Record{{Facts: engine.Facts{Tenant: "t", ID: "1"}, Body: []byte(`{"id":"1","no":"event"`)}}})
	check(t, err)
	s, err := j.Stats(context.Background())
	check(t, err)
	if s.Events != 1 || s.Unreadable != 1 {
		t.Errorf("%d events, %d unreadable, want 1 and 1", s.Events, s.Unreadable)
	}
}

// TestNoticesLost logs the journal's own events that are dropped, and at the end
// those that could not be written.
func TestNoticesLost(t *testing.T) {
	var log bytes.Buffer
	n := new(notices)
	n.init(&Journal{opts: Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}})
	for range maxNotices {
		n.add(Event{Type: TypePaused})
	}
	if log.Len() > 0 {
		t.Errorf("logged %q too early", log.String())
	}
	n.add(Event{Type: TypeResumed})
	n.add(Event{Type: TypePaused})
	if got := log.String(); strings.Count(got, "are dropped") != 1 || !strings.Contains(got, TypeResumed) {
		t.Errorf("logged %q", got)
	}
	log.Reset()
	n.stop()
	if got := log.String(); !strings.Contains(got, "are lost") || !strings.Contains(got, "events=1002") {
		t.Errorf("logged %q", got)
	}
}
