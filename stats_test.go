package annals_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/annals-io/annals"
)

// TestStats counts as a look at every entry does, while events arrive in between,
// after opening again, and beside the writer.
func TestStats(t *testing.T) {
	r := newRand(t)
	s := newSearched(t, r, nil)
	odd := &oddity{rand: r}
	empty, err := s.j.Stats(context.Background())
	check(t, err)
	if empty.Events != 0 || empty.FirstRecordedAt != nil || empty.LastRecordedAt != nil || empty.ByType == nil {
		t.Errorf("an empty journal: %+v", empty)
	}
	for range 3 {
		s.now = s.now.Add(time.Hour)
		s.appendOdd(odd, 50)
		check(t, s.j.WriteNotice(annals.Event{Type: "annals.test"}))
		s.checkStats()
	}
	check(t, s.j.Close())
	s.open(s.options())
	s.checkStats()
	check(t, s.j.Close())
	o := s.options()
	o.ReadOnly = true
	s.open(o)
	s.checkStats()
}

func (s *searched) checkStats() {
	t := s.t
	t.Helper()
	s.read()
	got, err := s.j.Stats(context.Background())
	check(t, err)
	want := annals.Stats{ByType: make(map[string]uint64)}
	entities := make(map[[3]string]bool)
	for _, text := range s.all {
		e := annals.Entry{JSON: []byte(text)}
		if want.ByType[e.Type()]++; e.Tenant() == annals.SystemTenant {
			want.SystemEvents++
		} else {
			want.Events++
		}
		if x := e.Entity(); x.Type != "" {
			entities[[3]string{e.Tenant(), x.Type, x.ID}] = true
		}
	}
	first, err := s.j.At(context.Background(), 0)
	check(t, err)
	last, err := s.j.At(context.Background(), s.j.Size()-1)
	check(t, err)
	if got.Events != want.Events || got.SystemEvents != want.SystemEvents || !maps.Equal(got.ByType, want.ByType) ||
		got.Entities != uint64(len(entities)) || got.Unreadable != 0 {
		t.Errorf("got %+v\nwant %+v, %d entities", got, want, len(entities))
	}
	if !got.FirstRecordedAt.Equal(first.RecordedAt) || !got.LastRecordedAt.Equal(last.RecordedAt) {
		t.Errorf("recorded from %v to %v, want %v to %v", got.FirstRecordedAt, got.LastRecordedAt, first.RecordedAt, last.RecordedAt)
	}
}

// TestStatsManyTypes has a type for every event but some that come late, and more of
// them than are counted apart.
func TestStatsManyTypes(t *testing.T) {
	const types, frequent = 21_000, 500
	j := newJournal(t, &annals.Options{CheckpointInterval: -1})
	for n := 0; n < types+frequent; n += 500 {
		batch := make([]annals.Event, 500)
		for i := range batch {
			batch[i].Type = fmt.Sprint("made.up.", n+i)
			if n+i >= types {
				batch[i].Type = "frequent"
			}
		}
		_, err := j.Append(context.Background(), batch...)
		check(t, err)
	}
	s, err := j.Stats(context.Background())
	check(t, err)
	sum := s.OtherTypes
	for _, n := range s.ByType {
		sum += n
	}
	if s.Events != types+frequent || sum != s.Events || len(s.ByType) > 10_000 || s.ByType["frequent"] != frequent {
		t.Errorf("%d events, %d of %d types and %d others; %d are frequent", s.Events, sum-s.OtherTypes, len(s.ByType), s.OtherTypes, s.ByType["frequent"])
	}
}
