package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/google/go-cmp/cmp"
)

// A reader reads; the client and the journal are to do the same.
type reader interface {
	Get(ctx context.Context, id string) (annals.Entry, error)
	GetTenant(ctx context.Context, tenant, id string) (annals.Entry, error)
	At(ctx context.Context, p annals.Position) (annals.Entry, error)
	LastSequence(ctx context.Context, entity annals.Entity) (annals.Sequence, error)
	Search(ctx context.Context, q annals.Query) (*annals.Page, error)
	SearchAll(ctx context.Context, q annals.Query) iter.Seq2[annals.Entry, error]
	Has(ctx context.Context, q annals.Query) (bool, error)
	History(ctx context.Context, entity annals.Entity, h annals.HistoryOptions) iter.Seq2[annals.Entry, error]
	Follow(ctx context.Context, from annals.Position) iter.Seq2[annals.Entry, error]
	FollowMatching(ctx context.Context, from annals.Position, q annals.Query) iter.Seq2[annals.Entry, error]
	Stats(ctx context.Context) (annals.Stats, error)
	Checkpoint(ctx context.Context) ([]byte, error)
}

var (
	_ reader = (*annals.Journal)(nil)
	_ reader = (*client.Client)(nil)
)

// strange is an id that no path can carry.
const strange = "a/b ../ü?#%2F"

// fill appends what reads are about: 2,500 events of two tenants.
func fill(t *testing.T, j *annals.Journal) {
	t.Helper()
	var events []annals.Event
	for i := range 2500 {
		e := annals.Event{ID: fmt.Sprint(i), Type: "a", Entity: annals.Entity{Type: "order", ID: fmt.Sprint(i % 5)}}
		if i%500 == 7 {
			e.Type, e.Tenant = "b", "acme"
		}
		events = append(events, e)
	}
	for _, id := range []string{strange, ".", "stream"} {
		events = append(events, annals.Event{ID: id, Type: "odd", Entity: annals.Entity{Type: "x/y", ID: strange}, Changes: map[string]annals.Change{"f": {New: 1}}})
	}
	_, err := j.Append(t.Context(), events...)
	check(t, err)
}

// A reading is what a read gives, in a form that can be compared.
type reading struct {
	Entries []string
	Other   any
	Error   map[string]any
}

// entryOf is the reading of one entry.
func entryOf(e annals.Entry, err error) reading {
	if err != nil {
		return reading{Error: describeError(err)}
	}
	return reading{Entries: []string{string(e.JSON)}, Other: []uint64{uint64(e.Position), uint64(e.Sequence), uint64(e.RecordedAt.UnixNano())}}
}

// entriesOf is the reading of all entries.
func entriesOf(entries iter.Seq2[annals.Entry, error]) (r reading) {
	for e, err := range entries {
		if err != nil {
			r.Error = describeError(err)
			return r
		}
		r.Entries = append(r.Entries, string(e.JSON))
	}
	return r
}

// first takes the first n entries of what has no end.
func first(n int, entries iter.Seq2[annals.Entry, error]) iter.Seq2[annals.Entry, error] {
	return func(yield func(annals.Entry, error) bool) {
		for e, err := range entries {
			if n--; !yield(e, err) || n == 0 {
				return
			}
		}
	}
}

// pagesOf reads all pages of a query.
func pagesOf(ctx context.Context, r reader, q annals.Query) (out reading) {
	var pages []string
	for {
		p, err := r.Search(ctx, q)
		if err != nil {
			out.Error = describeError(err)
			return out
		}
		for i := range p.Entries {
			out.Entries = append(out.Entries, string(p.Entries[i].JSON))
		}
		total := "none"
		if p.Total != nil {
			total = fmt.Sprint(*p.Total)
		}
		pages = append(pages, fmt.Sprintf("%d entries, more %t, complete %t, total %s", len(p.Entries), p.HasMore, p.Complete, total))
		if q.Cursor, q.Offset = p.NextCursor, 0; q.Cursor == "" {
			out.Other = pages
			return out
		}
	}
}

// TestReadLikeJournal reads the same over a server and from its journal.
func TestReadLikeJournal(t *testing.T) {
	f := newFixture(t, "")
	fill(t, f.journal)
	order := annals.Entity{Type: "order", ID: "1"}
	odd := annals.Entity{Type: "x/y", ID: strange}
	def := []string{annals.DefaultTenant}
	tests := map[string]func(ctx context.Context, r reader) reading{
		"get":                     func(ctx context.Context, r reader) reading { return entryOf(r.Get(ctx, "3")) },
		"get a strange id":        func(ctx context.Context, r reader) reading { return entryOf(r.Get(ctx, strange)) },
		"get a dot":               func(ctx context.Context, r reader) reading { return entryOf(r.Get(ctx, ".")) },
		"get the name of a route": func(ctx context.Context, r reader) reading { return entryOf(r.Get(ctx, "stream")) },
		"get of no id":            func(ctx context.Context, r reader) reading { return entryOf(r.Get(ctx, "")) },
		"get what is not there":   func(ctx context.Context, r reader) reading { return entryOf(r.Get(ctx, "none")) },
		"get of another tenant":   func(ctx context.Context, r reader) reading { return entryOf(r.Get(ctx, "7")) },
		"get of a tenant":         func(ctx context.Context, r reader) reading { return entryOf(r.GetTenant(ctx, "acme", "7")) },
		"at":                      func(ctx context.Context, r reader) reading { return entryOf(r.At(ctx, 7)) },
		"at behind the end":       func(ctx context.Context, r reader) reading { return entryOf(r.At(ctx, 7000)) },
		"last sequence": func(ctx context.Context, r reader) reading {
			n, err := r.LastSequence(ctx, order)
			return reading{Other: n, Error: describeError(err)}
		},
		"last sequence of nothing": func(ctx context.Context, r reader) reading {
			n, err := r.LastSequence(ctx, annals.Entity{Type: "order", ID: "none"})
			return reading{Other: n, Error: describeError(err)}
		},
		"pages": func(ctx context.Context, r reader) reading {
			return pagesOf(ctx, r, annals.Query{Tenants: def, Limit: 900, Offset: 3, Total: true})
		},
		"filter and parameters": func(ctx context.Context, r reader) reading {
			return pagesOf(ctx, r, annals.Query{Tenants: []string{"*"}, Filter: "type:b OR type:odd", Params: url.Values{"q": {"-id:2007"}, "entity_type": {"order"}}, Order: annals.Ascending})
		},
		"bad filter": func(ctx context.Context, r reader) reading {
			return pagesOf(ctx, r, annals.Query{Tenants: def, Filter: "type:(("})
		},
		"bad parameter": func(ctx context.Context, r reader) reading {
			return pagesOf(ctx, r, annals.Query{Tenants: def, Params: url.Values{"colour": {"red"}}})
		},
		"bad cursor": func(ctx context.Context, r reader) reading {
			return pagesOf(ctx, r, annals.Query{Tenants: def, Cursor: "x"})
		},
		"setting twice": func(ctx context.Context, r reader) reading {
			return pagesOf(ctx, r, annals.Query{Tenants: def, Limit: 3, Params: url.Values{"limit": {"3"}}})
		},
		"search all": func(ctx context.Context, r reader) reading {
			return entriesOf(r.SearchAll(ctx, annals.Query{Tenants: def}))
		},
		"search some": func(ctx context.Context, r reader) reading {
			return entriesOf(r.SearchAll(ctx, annals.Query{Tenants: def, Limit: 1234, Order: annals.Ascending, Offset: 10}))
		},
		"search all and stop": func(ctx context.Context, r reader) reading {
			return entriesOf(first(5, r.SearchAll(ctx, annals.Query{Tenants: def})))
		},
		"has": func(ctx context.Context, r reader) reading {
			ok, err := r.Has(ctx, annals.Query{Tenants: def, Filter: "type:odd"})
			return reading{Other: ok, Error: describeError(err)}
		},
		"has not": func(ctx context.Context, r reader) reading {
			ok, err := r.Has(ctx, annals.Query{Tenants: def, Filter: "type:none"})
			return reading{Other: ok, Error: describeError(err)}
		},
		"history": func(ctx context.Context, r reader) reading {
			return entriesOf(r.History(ctx, order, annals.HistoryOptions{}))
		},
		"part of a history": func(ctx context.Context, r reader) reading {
			return entriesOf(r.History(ctx, order, annals.HistoryOptions{From: 3, To: 9, Descending: true}))
		},
		"history of a field": func(ctx context.Context, r reader) reading {
			return entriesOf(r.History(ctx, odd, annals.HistoryOptions{Field: "f"}))
		},
		"history of a tenant": func(ctx context.Context, r reader) reading {
			return entriesOf(r.History(ctx, annals.Entity{Type: "order", ID: "2"}, annals.HistoryOptions{Tenant: "acme"}))
		},
		"history of nothing": func(ctx context.Context, r reader) reading {
			return entriesOf(r.History(ctx, annals.Entity{}, annals.HistoryOptions{}))
		},
		"follow": func(ctx context.Context, r reader) reading { return entriesOf(first(20, r.Follow(ctx, 2480))) },
		"follow what matches": func(ctx context.Context, r reader) reading {
			return entriesOf(first(4, r.FollowMatching(ctx, 100, annals.Query{Tenants: []string{"*"}, Filter: "type:b"})))
		},
		"follow a bad filter": func(ctx context.Context, r reader) reading {
			return entriesOf(r.FollowMatching(ctx, 100, annals.Query{Filter: "(("}))
		},
		"stats": func(ctx context.Context, r reader) reading {
			s, err := r.Stats(ctx)
			s.Groups, s.Syncs, s.SlowestSync, s.CheckpointSize, s.LogBytes, s.TreeBytes, s.IndexBytes = 0, 0, 0, 0, 0, 0, 0
			text, _ := s.MarshalJSON()
			return reading{Other: string(text), Error: describeError(err)}
		},
		"checkpoint": func(ctx context.Context, r reader) reading {
			text, err := r.Checkpoint(ctx)
			return reading{Other: string(text), Error: describeError(err)}
		},
	}
	for name, read := range tests {
		t.Run(name, func(t *testing.T) {
			want := read(t.Context(), f.journal)
			if diff := cmp.Diff(want, read(t.Context(), f)); diff != "" {
				t.Errorf("(-journal +client):\n%s", diff)
			}
		})
	}
}

// TestReadTokens reads with tokens that may not.
func TestReadTokens(t *testing.T) {
	tests := []struct {
		token        string
		get, foreign error
		export       error
	}{
		{"read:default", nil, annals.ErrNotFound, client.ErrForbidden},
		{"read,export:default", nil, annals.ErrNotFound, nil},
		{"read:default,acme", nil, nil, client.ErrForbidden},
		{"append:default", client.ErrForbidden, client.ErrForbidden, client.ErrForbidden},
		{"nonsense", client.ErrUnauthenticated, client.ErrUnauthenticated, client.ErrUnauthenticated},
	}
	for _, tt := range tests {
		t.Run(tt.token, func(t *testing.T) {
			f := newFixture(t, tt.token)
			fill(t, f.journal)
			if _, err := f.GetTenant(t.Context(), annals.DefaultTenant, "3"); !errors.Is(err, tt.get) {
				t.Errorf("get: %v, want %v", err, tt.get)
			}
			if _, err := f.GetTenant(t.Context(), "acme", "7"); !errors.Is(err, tt.foreign) {
				t.Errorf("get of another tenant: %v, want %v", err, tt.foreign)
			}
			if _, err := f.Search(t.Context(), annals.Query{Tenants: []string{"acme"}}); !errors.Is(err, tt.foreign) {
				t.Errorf("search of another tenant: %v, want %v", err, tt.foreign)
			}
			if _, err := f.ExportTo(t.Context(), annals.Query{}, client.FormatNDJSON); !errors.Is(err, tt.export) {
				t.Errorf("export: %v, want %v", err, tt.export)
			}
		})
	}
}

// exported returns an export as the server makes it.
func (f *fixture) exported(t *testing.T, q annals.Query, format string) string {
	t.Helper()
	r, err := f.ExportTo(t.Context(), q, format)
	check(t, err)
	text, err := io.ReadAll(r)
	check(t, errors.Join(err, r.Close()))
	return string(text)
}

// TestExportFormats asks for each format, and for values to be hidden in it.
func TestExportFormats(t *testing.T) {
	f := newFixture(t, "")
	fill(t, f.journal)
	q := annals.Query{Filter: "type:odd"}
	hiding := annals.Query{Filter: q.Filter, Params: map[string][]string{"redact": {"changes.f", "entity.type"}}}
	for format, want := range map[string]struct{ begin, shown, hidden string }{
		client.FormatNDJSON:   {`{"id":"`, `"changes":{"f":[null,1]}`, ""},
		client.FormatJSON:     {"[\n", `"changes":{"f":[null,1]}`, `"changes":{"f":["[redacted]","[redacted]"]}`},
		client.FormatCSV:      {"position,", `"{""f"":[null,1]}"`, `"{""f"":[""[redacted]"",""[redacted]""]}"`},
		client.FormatJournald: {`{"id":"`, `"new_value":1,`, `"old_value":"[redacted]","new_value":"[redacted]",`},
	} {
		text := f.exported(t, q, format)
		if !strings.HasPrefix(text, want.begin) || strings.Count(text, want.shown) != 3 {
			t.Errorf("%s is %s", format, text)
		}
		if want.hidden == "" {
			if _, err := f.ExportTo(t.Context(), hiding, format); !errors.Is(err, annals.ErrInvalid) {
				t.Errorf("%s with hidden values: %v", format, err)
			}
			continue
		}
		text = f.exported(t, hiding, format)
		if strings.Count(text, want.hidden) != 3 || strings.Contains(text, want.shown) || strings.Contains(text, "x/y") {
			t.Errorf("%s with hidden values is %s", format, text)
		}
	}
}

// TestExport reads everything in one answer, in either format.
func TestExport(t *testing.T) {
	f := newFixture(t, "")
	fill(t, f.journal)
	q := annals.Query{Tenants: []string{"*"}, Order: annals.Ascending}
	want := entriesOf(f.journal.SearchAll(t.Context(), q))
	if diff := cmp.Diff(want, entriesOf(f.Export(t.Context(), q))); diff != "" {
		t.Errorf("entries (-search +export):\n%s", diff)
	}
	if got := f.exported(t, q, client.FormatJSON); got != "[\n"+strings.Join(want.Entries, ",\n")+"\n]\n" {
		t.Errorf("the export as JSON is %.200s…", got)
	}
	if _, err := f.ExportTo(t.Context(), q, "xml"); !errors.Is(err, annals.ErrInvalid) {
		t.Errorf("unknown format: %v", err)
	}
	for _, err := range f.Export(t.Context(), annals.Query{Filter: "(("}) {
		if !errors.Is(err, annals.ErrInvalid) {
			t.Errorf("bad filter: %v", err)
		}
	}
}
