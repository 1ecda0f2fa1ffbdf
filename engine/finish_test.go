package engine_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/google/go-cmp/cmp"
)

var (
	moment = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	east   = time.FixedZone("east", 2*3600)
)

func TestFinish(t *testing.T) {
	const body = `{"id":"a"`
	for _, tt := range []struct {
		name     string
		at       time.Time
		sequence engine.Sequence
		position engine.Position
		want     string
	}{
		{"without sequence", moment, 0, 0, `{"id":"a","recorded_at":"2026-01-02T03:04:05.000000006Z","position":0}`},
		{"with sequence", moment, 1, 7, `{"id":"a","recorded_at":"2026-01-02T03:04:05.000000006Z","sequence":1,"position":7}`},
		{"another zone", moment.In(east), 1, 7, `{"id":"a","recorded_at":"2026-01-02T03:04:05.000000006Z","sequence":1,"position":7}`},
		{"whole seconds", moment.Truncate(time.Second), 0, 1, `{"id":"a","recorded_at":"2026-01-02T03:04:05.000000000Z","position":1}`},
		{"zero time", time.Time{}, 0, 1, `{"id":"a","recorded_at":"0001-01-01T00:00:00.000000000Z","position":1}`},
		{"largest", time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), math.MaxUint64, math.MaxUint64,
			`{"id":"a","recorded_at":"9999-12-31T23:59:59.999999999Z","sequence":18446744073709551615,"position":18446744073709551615}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := engine.Finish([]byte("before "), []byte(body), tt.at, tt.sequence, tt.position)
			if want := "before " + tt.want; string(got) != want {
				t.Fatalf("got %s, want %s", got, want)
			}
			entry := got[len("before "):]
			if n := len(entry) - len(body); n > engine.MaxAssignedBytes || tt.position == math.MaxUint64 && n != engine.MaxAssignedBytes {
				t.Errorf("assigned members have %d bytes, at most %d", n, engine.MaxAssignedBytes)
			}
			a, err := engine.ParseAssigned(entry)
			want := engine.Assigned{BodyBytes: len(body), RecordedAt: tt.at.UTC(), Sequence: tt.sequence, Position: tt.position}
			if diff := cmp.Diff(want, a); err != nil || diff != "" {
				t.Errorf("parsed: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestFinishLeavesBody checks that Finish does not write behind a body that has
// room there.
func TestFinishLeavesBody(t *testing.T) {
	memory := []byte(`{"id":"a"and more`)
	engine.Finish(nil, memory[:9], moment, 1, 1)
	if string(memory) != `{"id":"a"and more` {
		t.Errorf("body's memory is now %q", memory)
	}
}

// TestParseAssignedLookalikes has bodies that hold what looks assigned: the last
// one counts.
func TestParseAssignedLookalikes(t *testing.T) {
	for _, body := range []string{
		"", "{", `{"data":{"recorded_at":"2026-01-02T03:04:05.000000006Z","position":7}`,
		`{"x":1,"recorded_at":"2026-01-02T03:04:05.000000006Z","position":7}`,
		`{"x":1,"recorded_at":"`, `{"x":",\"recorded_at\":\"","sequence":3`, `,"recorded_at":"2026-01-02T03:04:05.000000006Z`,
	} {
		a, err := engine.ParseAssigned(engine.Finish(nil, []byte(body), moment, 2, 9))
		if err != nil || a.BodyBytes != len(body) || a.Sequence != 2 || a.Position != 9 {
			t.Errorf("body %q: %+v, %v", body, a, err)
		}
	}
}

func TestParseAssignedRefuses(t *testing.T) {
	const good = `{"id":"a","recorded_at":"2026-01-02T03:04:05.000000006Z","sequence":12,"position":34}`
	if _, err := engine.ParseAssigned([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{good, ""}, {good, "{}"}, {"}", ""}, {"}", "} "}, {"}", "}}"}, {"}", "]"},
		{"recorded_at", "recorded"}, {"06Z", "06"}, {"06Z", "06z"}, {"06Z", "0006Z"}, {"06Z", "6Z"}, {".0", ",0"}, {"T", " "},
		{"06Z", "06+00:00"}, {"2026", "2O26"}, {"01-02", "02-30"}, {"05.", "60."}, {`Z"`, `Z`},
		{"sequence", "sequencf"}, {"12", "0"}, {"12", "012"}, {"12", "+12"}, {"12", "-12"}, {"12", "12.0"}, {"12", ""}, {"12", " 12"},
		{"12", "18446744073709551616"}, {"34", "034"}, {"34", ""}, {"34", "3x"}, {"34", "18446744073709551616"},
		{`,"position":34`, ""}, {`,"position":34`, `,"position":34,"position":34`}, {`,"sequence":12,"position":34`, `,"position":34,"sequence":12`},
		{"}", `,"x":"` + strings.Repeat("x", 200) + `"}`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("change %q does nothing", change)
		}
		if a, err := engine.ParseAssigned([]byte(bad)); err == nil {
			t.Errorf("parsed %s as %+v", bad, a)
		}
	}
	for n := range len(good) {
		if _, err := engine.ParseAssigned([]byte(good[:n])); err == nil {
			t.Errorf("parsed the first %d bytes", n)
		}
	}
}

// FuzzParseAssigned checks that what parses is exactly what Finish writes.
func FuzzParseAssigned(f *testing.F) {
	seeds := [][]byte{
		engine.Finish(nil, []byte(`{"id":"a"`), moment, 0, 0),
		engine.Finish(nil, []byte(`{"id":"a"`), moment, 12, math.MaxUint64),
		engine.Finish(nil, []byte(`{"recorded_at":"2026-01-02T03:04:05.000000006Z","position":7}`), time.Time{}, 1, 1),
		[]byte(`,"recorded_at":"`), nil,
	}
	if len(seeds) < 5 {
		f.Fatal("seeds are missing")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		a, err := engine.ParseAssigned(entry)
		if err != nil {
			return
		}
		if again := engine.Finish(nil, entry[:a.BodyBytes], a.RecordedAt, a.Sequence, a.Position); !bytes.Equal(again, entry) {
			t.Errorf("entry %q parses, but finishing its body gives %q", entry, again)
		}
	})
}

// The time in an entry is the one that package time would write.
func TestFinishTime(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	times := []time.Time{{}, time.Unix(0, 0), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(2024, 2, 29, 0, 0, 0, 1, time.FixedZone("", -3600))}
	for range 10_000 {
		times = append(times, time.Unix(r.Int64N(253402300800+62167219200)-62167219200, r.Int64N(1e9)))
	}
	for _, at := range times {
		entry := engine.Finish(nil, []byte(`{"id":"x"`), at, 0, 7)
		want := `{"id":"x","recorded_at":"` + at.UTC().Format(engine.TimeFormat) + `","position":7}`
		if string(entry) != want {
			t.Fatalf("got %s, want %s", entry, want)
		}
		a, err := engine.ParseAssigned(entry)
		if err != nil || !a.RecordedAt.Equal(at) {
			t.Fatalf("parse %s: %v, %v", entry, a.RecordedAt, err)
		}
	}
}
