package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/google/go-cmp/cmp"
)

// An appender appends; the client and the journal are to do the same.
type appender interface {
	Append(ctx context.Context, events ...annals.Event) ([]annals.Receipt, error)
	AppendExpect(ctx context.Context, expect []annals.Expect, events ...annals.Event) ([]annals.Receipt, error)
	AppendEncoded(ctx context.Context, expect []annals.Expect, events ...annals.Encoded) ([]annals.Receipt, error)
}

var (
	_ appender = (*annals.Journal)(nil)
	_ appender = (*client.Client)(nil)
)

// TestAppendLikeJournal makes the same appends over a server and on a journal: receipts
// and errors are the same.
func TestAppendLikeJournal(t *testing.T) {
	f := newFixture(t, "")
	local, err := annals.Open(t.TempDir(), &annals.Options{ScrubInterval: -1})
	check(t, err)
	defer local.Close()
	order := annals.Entity{Type: "order", ID: "1"}
	other := annals.Entity{Type: "order", ID: "2"}
	long := strings.Repeat("x", annals.DefaultEventBytes)
	tests := []struct {
		name   string
		expect []annals.Expect
		events []annals.Event
	}{
		{"one", nil, []annals.Event{{ID: "1", Type: "a", Entity: order}}},
		{"the same again", nil, []annals.Event{{ID: "1", Type: "a", Entity: order}}},
		{"other content", nil, []annals.Event{{ID: "1", Type: "b"}}},
		{"other content among others", nil, []annals.Event{{ID: "9", Type: "a"}, {ID: "1", Type: "b"}}},
		{"several", nil, []annals.Event{{ID: "2", Type: "a", Entity: order}, {ID: "3", Type: "a", Entity: other, Data: []int{1, 2}}}},
		{"expectation that holds", []annals.Expect{{Entity: order, Sequence: 2}}, []annals.Event{{ID: "4", Type: "a", Entity: order}}},
		{"expectation that does not", []annals.Expect{{Entity: order, Sequence: 2}}, []annals.Event{{ID: "5", Type: "a", Entity: order}}},
		{"one of two expectations", []annals.Expect{{Entity: other, Sequence: 1}, {Entity: order, Sequence: 2}}, []annals.Event{{ID: "5", Type: "a", Entity: order}}},
		{"of another tenant", nil, []annals.Event{{ID: "1", Type: "a", Tenant: "acme"}}},
		{"no type", nil, []annals.Event{{ID: "6"}}},
		{"no type, of two", nil, []annals.Event{{ID: "6", Type: "a"}, {ID: "7"}}},
		{"the same id twice", nil, []annals.Event{{ID: "6", Type: "a"}, {ID: "6", Type: "b"}}},
		{"too large", nil, []annals.Event{{ID: "6", Type: "a", Data: long}}},
		{"too large, of two", nil, []annals.Event{{ID: "6", Type: "a", Data: long}, {ID: "7", Type: "a"}}},
		{"too many", nil, make([]annals.Event, annals.MaxBatchEvents+1)},
		{"none", nil, nil},
		{"the journal's own tenant", nil, []annals.Event{{ID: "6", Type: "a", Tenant: annals.SystemTenant}}},
		{"expectation of nothing", []annals.Expect{{}}, []annals.Event{{ID: "6", Type: "a"}}},
	}
	ctx := annals.WithTags(annals.WithActor(t.Context(), annals.Actor{ID: "alice"}), map[string]string{"a": "b"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want, wantErr := local.AppendExpect(ctx, tt.expect, tt.events...)
			got, gotErr := f.AppendExpect(ctx, tt.expect, tt.events...)
			if diff := cmp.Diff(stripReceipts(want), stripReceipts(got)); diff != "" {
				t.Errorf("receipts (-journal +client):\n%s", diff)
			}
			if diff := cmp.Diff(describeError(wantErr), describeError(gotErr)); diff != "" {
				t.Errorf("error (-journal +client):\n%s\n%v", diff, gotErr)
			}
		})
	}
	if got, want := f.journal.Size(), local.Size(); got != want {
		t.Errorf("the server's journal has %d entries, want %d", got, want)
	}
	e, err := f.journal.Get(t.Context(), "1")
	check(t, err)
	event, err := e.Event()
	check(t, err)
	if event.Actor.ID != "alice" || event.Tags["a"] != "b" {
		t.Errorf("the context did not apply: %s", e.JSON)
	}
}

// stripReceipts leaves out what depends on the time and on who appends.
func stripReceipts(receipts []annals.Receipt) []annals.Receipt {
	for i := range receipts {
		receipts[i].Hash = annals.Hash{}
		receipts[i].RecordedAt = time.Time{}
	}
	return receipts
}

// describeError says what callers can find in an error.
func describeError(err error) map[string]any {
	d := map[string]any{}
	for name, target := range map[string]error{
		"invalid": annals.ErrInvalid, "too large": annals.ErrTooLarge, "unknown": annals.ErrUnknown, "not found": annals.ErrNotFound,
	} {
		if errors.Is(err, target) {
			d[name] = true
		}
	}
	if c, ok := errors.AsType[*annals.ConflictError](err); ok {
		text := *c
		text.Tenant = ""
		d["conflict"] = text
	}
	return d
}

// TestAppendTokens appends with tokens that may not.
func TestAppendTokens(t *testing.T) {
	tests := []struct {
		token  string
		tenant string
		want   error
	}{
		{"append:acme", "", nil},
		{"append:acme", "acme", nil},
		{"append:acme", "beta", client.ErrForbidden},
		{"append:acme,beta", "beta", nil},
		{"append:acme,beta", "", annals.ErrInvalid},
		{"read:acme", "", client.ErrForbidden},
		{"nonsense", "", client.ErrUnauthenticated},
	}
	for _, tt := range tests {
		t.Run(tt.token+" for "+tt.tenant, func(t *testing.T) {
			f := newFixture(t, tt.token)
			_, err := f.Append(t.Context(), annals.Event{Type: "a", Tenant: tt.tenant})
			if !errors.Is(err, tt.want) {
				t.Errorf("one event: error is %v, want %v", err, tt.want)
			}
			_, err = f.Append(t.Context(), annals.Event{Type: "a", Tenant: tt.tenant}, annals.Event{Type: "a", Tenant: tt.tenant})
			if !errors.Is(err, tt.want) {
				t.Errorf("two events: error is %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				e, err := f.journal.At(t.Context(), 0)
				check(t, err)
				if who := e.RecordedBy(); who.ID != tt.token {
					t.Errorf("recorded by %v", who)
				}
			}
		})
	}
}

// TestTokenSource asks for the token of each request.
func TestTokenSource(t *testing.T) {
	f := newFixture(t, "append:acme")
	token := "nonsense"
	c := newClient(t, f.web.URL, client.Options{TokenSource: func(context.Context) (string, error) {
		if token == "" {
			return "", errors.New("no token at hand")
		}
		return token, nil
	}})
	for _, step := range []struct{ token, want string }{{"nonsense", "credential"}, {"append:acme", ""}, {"", "no token at hand"}} {
		token = step.token
		_, err := c.Append(t.Context(), annals.Event{Type: "a"})
		if (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("token %q: error is %v, want %q", step.token, err, step.want)
		}
	}
}

func BenchmarkAppend64(b *testing.B) {
	f := newFixture(b, "")
	data := strings.Repeat("x", 700)
	b.SetParallelism(32) // for each of two processors
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Append(b.Context(), annals.Event{Type: "a", Entity: annals.Entity{Type: "o", ID: "1"}, Data: data}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
