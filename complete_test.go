package annals_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/google/go-cmp/cmp"
)

func TestComplete(t *testing.T) {
	now := time.Date(2026, 1, 31, 8, 0, 0, 5, time.UTC)
	acting := annals.WithTags(annals.WithActor(t.Context(), annals.Actor{Type: "user", ID: "alice"}), map[string]string{"ip": "::1"})
	tests := []struct {
		name  string
		ctx   context.Context
		now   time.Time
		event annals.Event
		want  string // ID stands for a new id
	}{
		{"nothing to do", t.Context(), now, annals.Event{ID: "1", Time: now, Type: "a"},
			`{"id":"1","time":"2026-01-31T08:00:00.000000005Z","type":"a"}`},
		{"an id", t.Context(), time.Time{}, annals.Event{Type: "a"}, `{"id":"ID","type":"a"}`},
		{"a time", t.Context(), now, annals.Event{ID: "1", Type: "a"},
			`{"id":"1","time":"2026-01-31T08:00:00.000000005Z","type":"a"}`},
		{"both, and the context", acting, now, annals.Event{Type: "a"},
			`{"id":"ID","time":"2026-01-31T08:00:00.000000005Z","type":"a","actor":{"type":"user","id":"alice"},"tags":{"ip":"::1"}}`},
		{"what it has stays", acting, now, annals.Event{ID: "1", Time: now.Add(1), Type: "a", Actor: annals.Actor{ID: "bob"}, Tags: map[string]string{"ip": "::2"}},
			`{"id":"1","time":"2026-01-31T08:00:00.000000006Z","type":"a","actor":{"id":"bob"},"tags":{"ip":"::2"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			encoded, err := tt.event.Encode()
			check(t, err)
			before := string(encoded.JSON())
			done, err := encoded.Complete(tt.ctx, tt.now)
			check(t, err)
			got := string(done.JSON())
			if strings.Contains(tt.want, "ID") {
				got = strings.Replace(got, done.ID(), "ID", 1)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("completed event (-want +got):\n%s", diff)
			}
			if len(done.ID()) != 36 && tt.event.ID == "" {
				t.Errorf("the new id is %q", done.ID())
			}
			if again, err := done.Complete(tt.ctx, tt.now); err != nil || string(again.JSON()) != string(done.JSON()) {
				t.Errorf("completing it again gives %s, %v", again.JSON(), err)
			}
			if after := string(encoded.JSON()); after != before {
				t.Errorf("the event itself became %s", after)
			}
		})
	}
}

func TestCompleteErrors(t *testing.T) {
	e, err := annals.Event{Type: "a"}.Encode()
	check(t, err)
	if _, err := e.Complete(annals.WithTags(t.Context(), map[string]string{"a": "\xff"}), time.Time{}); !errors.Is(err, annals.ErrInvalid) {
		t.Errorf("bad tag of the context: %v", err)
	}
	if _, err := e.Complete(t.Context(), time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)); !errors.Is(err, annals.ErrInvalid) {
		t.Errorf("bad time: %v", err)
	}
}
