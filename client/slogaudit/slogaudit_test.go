package slogaudit_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client/slogaudit"
	"github.com/google/go-cmp/cmp"
)

// taker keeps the events that it takes, as they are encoded.
type taker struct {
	t      *testing.T
	events []annals.Event
	texts  []string
}

func (k *taker) take(_ context.Context, e annals.Event) error {
	encoded, err := e.Encode()
	if err != nil {
		k.t.Error(err)
		return err
	}
	k.events = append(k.events, e)
	k.texts = append(k.texts, string(encoded.JSON()))
	return nil
}

// TestSlogtest checks the rules that every handler keeps.
func TestSlogtest(t *testing.T) {
	var k *taker
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		k = &taker{t: t}
		return slogaudit.New(k.take, &slogaudit.Options{Members: map[string]string{}})
	}, func(t *testing.T) map[string]any {
		var got struct {
			Time, Message, Severity string
			Data                    map[string]any
		}
		if err := json.Unmarshal([]byte(k.texts[0]), &got); err != nil {
			t.Fatal(err)
		}
		out := map[string]any{slog.LevelKey: got.Severity, slog.MessageKey: got.Message}
		if got.Time != "" {
			out[slog.TimeKey] = got.Time
		}
		for key, value := range got.Data {
			out[key] = value
		}
		return out
	})
}

// TestEvents makes events of records.
func TestEvents(t *testing.T) {
	long := strings.Repeat("é", 3000)
	tests := []struct {
		name string
		opts *slogaudit.Options
		log  func(l *slog.Logger)
		want string
	}{
		{"plain", nil, func(l *slog.Logger) { l.Info("hello") },
			`{"type":"log","severity":"info","message":"hello"}`},
		{"below the level", nil, func(l *slog.Logger) { l.Debug("hello") }, ``},
		{"level", &slogaudit.Options{Level: slog.LevelDebug}, func(l *slog.Logger) { l.Debug("hello") },
			`{"type":"log","severity":"debug","message":"hello"}`},
		{"members", nil, func(l *slog.Logger) {
			l.Info("cancelled", "type", "order.cancelled", "outcome", "failure", "err", errors.New("no stock"), "n", 7,
				slog.Group("entity", "type", "order", "id", "1"), slog.Group("actor", "id", "alice", "shoe", 42))
		}, `{"type":"order.cancelled","outcome":"failure","severity":"info","message":"cancelled","actor":{"id":"alice"},` +
			`"entity":{"type":"order","id":"1"},"data":{"actor":{"shoe":42},"n":7},"error":{"message":"no stock"}}`},
		{"members of a logger", nil, func(l *slog.Logger) {
			l.With("source", "shop").WithGroup("entity").With("type", "order").Info("x", "id", "1", "other", true)
		}, `{"type":"log","source":"shop","severity":"info","message":"x","entity":{"type":"order","id":"1"},"data":{"entity":{"other":true}}}`},
		{"own names", &slogaudit.Options{Type: "access", Source: "gate", Tenant: "acme", Members: map[string]string{"user.id": "actor.id"}},
			func(l *slog.Logger) { l.Warn("x", slog.Group("user", "id", 17), "type", "t") },
			`{"type":"access","tenant":"acme","source":"gate","severity":"warning","message":"x","actor":{"id":"17"},"data":{"type":"t"}}`},
		{"what members cannot hold", nil, func(l *slog.Logger) {
			l.Info("x", "outcome", "great", "type", strings.Repeat("t", 201), "action", "a\x00b", "reason", "\xff")
		}, `{"type":"log","severity":"info","message":"x","data":{"action":"a\u0000b","outcome":"great","reason":"` + "\uFFFD" + `","type":"` + strings.Repeat("t", 201) + `"}}`},
		{"half an entity", nil, func(l *slog.Logger) { l.Info("x", slog.Group("entity", "id", "1")) },
			`{"type":"log","severity":"info","message":"x","data":{"entity.id":"1"}}`},
		{"an error of a success", nil, func(l *slog.Logger) { l.Info("x", "outcome", "success", "err", "y") },
			`{"type":"log","outcome":"success","severity":"info","message":"x","data":{"err":"y"}}`},
		{"values", nil, func(l *slog.Logger) {
			l.Error("", "nan", math.NaN(), "d", time.Second, "t", time.Unix(0, 0), "a", []int{1}, "f", func() {} == nil, "c", make(chan int) == nil, "raw", json.RawMessage(`{"b":1}`), "big", uint64(math.MaxUint64))
		}, `{"type":"log","severity":"error","data":{"a":[1],"big":18446744073709551615,"c":false,"d":"1s","f":false,"nan":"NaN","raw":{"b":1},"t":"1970-01-01T00:00:00Z"}}`},
		{"long message", nil, func(l *slog.Logger) { l.Info(long) },
			`{"type":"log","severity":"info","message":"` + long[:4096] + `","data":{"msg":"` + long + `"}}`},
		{"no message", nil, func(l *slog.Logger) { l.Info("\x00") }, `{"type":"log","severity":"info","message":"` + "\uFFFD" + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := &taker{t: t}
			tt.log(slog.New(timeless{slogaudit.New(k.take, tt.opts)}))
			if diff := cmp.Diff(tt.want, strings.Join(k.texts, "\n")); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// timeless takes the time out of records.
type timeless struct{ slog.Handler }

func (h timeless) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{}
	return h.Handler.Handle(ctx, r)
}

func (h timeless) WithAttrs(attrs []slog.Attr) slog.Handler {
	return timeless{h.Handler.WithAttrs(attrs)}
}
func (h timeless) WithGroup(name string) slog.Handler { return timeless{h.Handler.WithGroup(name)} }

func TestSeverity(t *testing.T) {
	for level, want := range map[slog.Level]annals.Severity{
		-8: "debug", -1: "debug", 0: "info", 1: "info", 2: "notice", 3: "notice", 4: "warning", 7: "warning", 8: "error", 11: "error", 12: "critical",
	} {
		if got := slogaudit.Severity(level); got != want {
			t.Errorf("severity of %d is %s, want %s", level, got, want)
		}
	}
}

// TestErrors tells of events that were not taken, which loggers do not.
func TestErrors(t *testing.T) {
	full := errors.New("full")
	var told []string
	h := slogaudit.New(func(context.Context, annals.Event) error { return full }, &slogaudit.Options{
		OnError: func(e annals.Event, err error) { told = append(told, e.Message+": "+err.Error()) },
	})
	slog.New(h).Info("hello")
	if diff := cmp.Diff([]string{"hello: full"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if err := h.Handle(t.Context(), slog.Record{}); err != full {
		t.Errorf("error is %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown member is accepted")
		}
	}()
	slogaudit.New(nil, &slogaudit.Options{Members: map[string]string{"a": "position"}})
}

// TestSource puts the place in the program into the metadata.
func TestSource(t *testing.T) {
	k := &taker{t: t}
	slog.New(slogaudit.New(k.take, &slogaudit.Options{AddSource: true})).Info("hello")
	if len(k.texts) != 1 || !strings.Contains(k.texts[0], `"metadata":{"source":{"file":"`) || !strings.Contains(k.texts[0], "TestSource") {
		t.Errorf("events are %v", k.texts)
	}
}
