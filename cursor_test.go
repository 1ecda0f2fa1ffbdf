package annals_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals"
)

// A paged is a journal of 30 events with a clock that is set by hand.
type paged struct {
	t   *testing.T
	dir string
	now time.Time
	j   *annals.Journal
}

func newPaged(t *testing.T) *paged {
	t.Helper()
	p := &paged{t: t, dir: filepath.Join(t.TempDir(), "journal"), now: time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)}
	p.open()
	for i := range 30 {
		p.append(i)
	}
	return p
}

func (p *paged) open() {
	j, err := annals.Open(p.dir, &annals.Options{Now: func() time.Time { return p.now }})
	check(p.t, err)
	p.t.Cleanup(func() { j.Close() })
	p.j = j
}

func (p *paged) append(i int) {
	p.t.Helper()
	tenant := ""
	if i%3 == 0 {
		tenant = "acme"
	}
	appended(p.t, p.j, context.Background(), annals.Event{Type: "x", Tenant: tenant})
}

// page asks for a page, which must be had.
func (p *paged) page(q annals.Query) (at []annals.Position, next string) {
	p.t.Helper()
	page, err := p.j.Search(context.Background(), q)
	check(p.t, err)
	for _, e := range page.Entries {
		at = append(at, e.Position)
	}
	return at, page.NextCursor
}

// refuses asks for a page, which must be refused in certain words.
func (p *paged) refuses(q annals.Query, want string) {
	p.t.Helper()
	_, err := p.j.Search(context.Background(), q)
	if !errors.Is(err, annals.ErrInvalid) || !strings.Contains(err.Error(), `parameter "cursor": `+want) {
		p.t.Errorf("%+v: %v, want %q", q, err, want)
	}
}

// TestCursorForeign refuses cursors of other queries, tenants, orders and
// journals, and takes those of the same query however it is asked.
func TestCursorForeign(t *testing.T) {
	p := newPaged(t)
	q := annals.Query{Filter: "type:x", Limit: 5, Tenants: []string{"*"}, Params: map[string][]string{"since": {"2026-01-01"}}}
	_, q.Cursor = p.page(q)
	want := []annals.Position{24, 23, 22, 21, 20}
	if got, _ := p.page(q); !slices.Equal(got, want) {
		t.Errorf("second page is %v", got)
	}
	as := func(change func(q *annals.Query)) annals.Query {
		c := q
		c.Params = map[string][]string{"since": {"2026-01-01"}}
		change(&c)
		return c
	}
	if got, _ := p.page(as(func(q *annals.Query) { q.Limit = 2 })); !slices.Equal(got, want[:2]) {
		t.Errorf("shorter second page is %v", got)
	}
	inParams := as(func(q *annals.Query) {
		q.Limit, q.Params["limit"] = 0, []string{"5"}
		q.Params["cursor"], q.Cursor = []string{q.Cursor}, ""
		q.Params["order"], q.Params["total"] = []string{"desc"}, []string{"true"}
	})
	if got, _ := p.page(inParams); !slices.Equal(got, want) {
		t.Errorf("second page, by parameters, is %v", got)
	}
	const otherQuery, otherTenants = "belongs to another query", "belongs to a search of other tenants"
	p.refuses(as(func(q *annals.Query) { q.Filter = "type:y" }), otherQuery)
	p.refuses(as(func(q *annals.Query) { q.Filter = "" }), otherQuery)
	p.refuses(as(func(q *annals.Query) { q.Params = nil }), otherQuery)
	p.refuses(as(func(q *annals.Query) { q.Params["since"] = []string{"2026-01-02"} }), otherQuery)
	p.refuses(as(func(q *annals.Query) { q.Params["until"] = []string{"2027-01-01"} }), otherQuery)
	p.refuses(as(func(q *annals.Query) { q.Tenants = nil }), otherTenants)
	p.refuses(as(func(q *annals.Query) { q.Tenants = []string{"acme"} }), otherTenants)
	p.refuses(as(func(q *annals.Query) { q.Params["tenant"] = []string{"acme"} }), otherTenants)
	p.refuses(as(func(q *annals.Query) { q.Tenants = []string{"*", annals.SystemTenant} }), otherTenants)
	p.refuses(as(func(q *annals.Query) { q.Order = annals.Ascending }), "belongs to the other order")
	other := newPaged(t)
	other.refuses(q, "belongs to another journal")
	check(t, p.j.Close())
	p.open() // the cursor lives on
	if got, _ := p.page(q); !slices.Equal(got, want) {
		t.Errorf("second page after opening again is %v", got)
	}
}

// TestCursorParts tells parts of queries apart whose texts together are equal.
func TestCursorParts(t *testing.T) {
	p := newPaged(t)
	q := annals.Query{Params: map[string][]string{"type": {"x", "version", "1.0"}}, Limit: 1}
	_, q.Cursor = p.page(q)
	q.Params = map[string][]string{"type": {"x"}, "version": {"1.0"}}
	p.refuses(q, "belongs to another query")
}

// TestCursorEdited refuses a cursor with any bit changed, any character more or
// less.
func TestCursorEdited(t *testing.T) {
	p := newPaged(t)
	q := annals.Query{Limit: 1, Total: true}
	_, cursor := p.page(q)
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	check(t, err)
	for i := range raw {
		for bit := range 8 {
			b := slices.Clone(raw)
			b[i] ^= 1 << bit
			q.Cursor = base64.RawURLEncoding.EncodeToString(b)
			if _, err := p.j.Search(context.Background(), q); !errors.Is(err, annals.ErrInvalid) {
				t.Errorf("byte %d, bit %d: %v", i, bit, err)
			}
		}
	}
	for i := range cursor {
		q.Cursor = cursor[:i] + "\n" + cursor[i:]
		p.refuses(q, "was changed or cut off")
		if q.Cursor = cursor[:i] + "\n" + cursor[i+1:]; i > 0 {
			p.refuses(q, "was changed or cut off")
		}
		if q.Cursor = cursor[:i]; i > 0 {
			p.refuses(q, "was changed or cut off")
		}
	}
	q.Cursor = cursor + "A"
	p.refuses(q, "was changed or cut off")
}

// TestFault54Cursor lets the clock jump between pages: back it does no harm, and
// forward the cursor expires after its life, however far.
func TestFault54Cursor(t *testing.T) {
	p := newPaged(t)
	start := p.now
	q := annals.Query{Limit: 1}
	_, q.Cursor = p.page(q)
	for _, after := range []time.Duration{-time.Hour, -10 * 365 * 24 * time.Hour, 0, annals.CursorLife} {
		p.now = start.Add(after)
		if got, _ := p.page(q); len(got) != 1 {
			t.Errorf("%v later: %v", after, got)
		}
	}
	for _, after := range []time.Duration{annals.CursorLife + time.Second, 10 * 365 * 24 * time.Hour} {
		p.now = start.Add(after)
		p.refuses(q, "has expired: it is older than 24h0m0s")
	}
	p.now = start.Add(annals.CursorLife)
	_, q.Cursor = p.page(q) // lives for another day
	p.now = p.now.Add(annals.CursorLife)
	if got, _ := p.page(q); len(got) != 1 {
		t.Errorf("third page: %v", got)
	}
}

// TestCursorNow counts distances from the first page on.
func TestCursorNow(t *testing.T) {
	p := newPaged(t)
	q := annals.Query{Params: map[string][]string{"since": {"30m"}}, Filter: "time:<=1m OR time:1h", Limit: 3, Order: annals.Ascending, Total: true}
	var got []annals.Position
	for {
		at, next := p.page(q)
		got = append(got, at...)
		if q.Cursor = next; next == "" {
			break
		}
		p.now = p.now.Add(20 * time.Minute)
	}
	if len(got) != 20 {
		t.Errorf("got %v, want 20", got)
	}
}

// TestCursorStable shows the entries that there were at the first page, in both
// orders, and their number, though others arrive.
func TestCursorStable(t *testing.T) {
	for _, order := range []annals.Order{annals.Ascending, annals.Descending} {
		p := newPaged(t)
		q := annals.Query{Tenants: []string{"*"}, Limit: 4, Order: order, Total: true}
		var got []annals.Position
		for {
			page, err := p.j.Search(context.Background(), q)
			check(t, err)
			if page.Total == nil || *page.Total != 30 || !page.Complete {
				t.Fatalf("%+v", page)
			}
			for _, e := range page.Entries {
				got = append(got, e.Position)
			}
			if q.Cursor = page.NextCursor; q.Cursor == "" {
				break
			}
			for i := range 10 {
				p.append(i)
			}
		}
		want := make([]annals.Position, 30)
		for i := range want {
			want[i] = annals.Position(i)
		}
		if !slices.Equal(ordered(got, order), want) {
			t.Errorf("%s: %v", order, got)
		}
	}
}

// TestCursorTotal counts on a later page too, if the first one did not.
func TestCursorTotal(t *testing.T) {
	p := newPaged(t)
	q := annals.Query{Limit: 4}
	_, q.Cursor = p.page(q)
	q.Total = true
	page, err := p.j.Search(context.Background(), q)
	check(t, err)
	if page.Total == nil || *page.Total != 20 || !page.Complete || !page.HasMore || len(page.Entries) != 4 {
		t.Errorf("second page: %+v", page)
	}
}

// TestCursorUncounted fills pages whose total takes more than the budget: they are
// complete without it, and only the first of them tries.
func TestCursorUncounted(t *testing.T) {
	p := newPaged(t)
	q := annals.Query{Tenants: []string{"*"}, Limit: 4, Budget: 10, Total: true}
	var examined []uint64
	got := 0
	for {
		page, err := p.j.Search(context.Background(), q)
		check(t, err)
		if !page.Complete || page.Total != nil || page.HasMore != (got+len(page.Entries) < 30) {
			t.Fatalf("after %d entries: %+v", got, page)
		}
		got += len(page.Entries)
		examined = append(examined, page.Examined)
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			break
		}
	}
	if want := []uint64{10, 5, 5, 5, 5, 5, 5, 2}; got != 30 || !slices.Equal(examined, want) {
		t.Errorf("%d entries, examined %v, want %v", got, examined, want)
	}
}

// TestCursorAhead refuses a cursor of more entries than there are: those behind
// the end may match as well.
func TestCursorAhead(t *testing.T) {
	p := newPaged(t)
	q := annals.Query{Limit: 1}
	p.page(q)
	check(t, p.j.Close())
	backup := filepath.Join(t.TempDir(), "backup")
	check(t, os.CopyFS(backup, os.DirFS(p.dir)))
	p.open()
	var cursors []string
	for _, order := range []annals.Order{annals.Ascending, annals.Descending} {
		q.Order = order
		_, next := p.page(q)
		cursors = append(cursors, next)
		p.append(1)
		_, next = p.page(q)
		cursors = append(cursors, next)
	}
	check(t, p.j.Close())
	p.dir = backup
	p.open()
	q.Order, q.Cursor = annals.Ascending, cursors[0] // of as many as there are
	if got, _ := p.page(q); !slices.Equal(got, []annals.Position{2}) {
		t.Errorf("second page of the backup: %v", got)
	}
	for i, cursor := range cursors[1:] {
		if q.Cursor = cursor; i > 0 {
			q.Order = annals.Descending
		}
		p.refuses(q, "is of entries that this journal does not have (yet)")
	}
}

// TestSearchTextBudget counts bytes once for each free text: a search is bounded
// by what it compares.
func TestSearchTextBudget(t *testing.T) {
	j := newJournal(t, nil)
	big := json.RawMessage(`"` + strings.Repeat("m", 10<<10) + `"`)
	for range 20 {
		appended(t, j, context.Background(), annals.Event{Type: "x", Data: big})
	}
	texts := make([]string, 40)
	for i := range texts {
		texts[i] = fmt.Sprintf("none%d", i)
	}
	for _, c := range []struct {
		filter string
		want   uint64 // examined, of 400 KiB
	}{
		{"-type:x", 20},
		{"none", 20},
		{strings.Join(texts, " OR "), 1},
		{"-(" + strings.Join(texts[:20], " OR ") + ") -type:x", 2},
	} {
		page, err := j.Search(context.Background(), annals.Query{Filter: c.filter, Budget: 100})
		check(t, err)
		if page.Examined != c.want || page.Complete != (c.want == 20) {
			t.Errorf("%.40s: examined %d, want %d; complete: %t", c.filter, page.Examined, c.want, page.Complete)
		}
	}
}

// TestSearchBudget ends calls early: nothing is lost, whatever the budget, and an
// offset goes on.
func TestSearchBudget(t *testing.T) {
	p := newPaged(t)
	for _, order := range []annals.Order{annals.Ascending, annals.Descending} {
		for budget := 1; budget < 35; budget++ {
			q := annals.Query{Filter: `-type:y`, Tenants: []string{"acme", "none"}, Order: order, Budget: budget, Limit: 3, Offset: 2}
			got, calls := []annals.Position(nil), 0
			for {
				page, err := p.j.Search(context.Background(), q)
				check(t, err)
				if page.Examined > uint64(budget) {
					t.Fatalf("budget %d, examined %d", budget, page.Examined)
				}
				for _, e := range page.Entries {
					got = append(got, e.Position)
				}
				if q.Cursor, q.Offset = page.NextCursor, 0; q.Cursor == "" {
					break
				}
				if calls++; calls > 40 {
					t.Fatalf("budget %d never ends", budget)
				}
			}
			want := ordered([]annals.Position{0, 3, 6, 9, 12, 15, 18, 21, 24, 27}, order)[2:]
			if !slices.Equal(got, want) {
				t.Errorf("%s, budget %d: %v, want %v", order, budget, got, want)
			}
		}
	}
}

// TestSearchBytes bounds what one page holds and what one call reads.
func TestSearchBytes(t *testing.T) {
	j := newJournal(t, &annals.Options{MaxEventBytes: annals.MaxEventBytes})
	big := json.RawMessage(`"` + strings.Repeat("x", 11<<20) + `"`)
	for i := range 4 {
		appended(t, j, context.Background(), annals.Event{ID: fmt.Sprint(i), Type: "x", Data: big})
	}
	p, err := j.Search(context.Background(), annals.Query{Total: true})
	check(t, err)
	if len(p.Entries) != 3 || !p.HasMore || !p.Complete || *p.Total != 4 {
		t.Errorf("%d entries of 11 MiB, more: %t, total %v", len(p.Entries), p.HasMore, p.Total)
	}
	p, err = j.Search(context.Background(), annals.Query{Budget: 5000}) // 20 MB
	check(t, err)
	if len(p.Entries) != 2 || !p.HasMore || p.Complete {
		t.Errorf("%d entries of 11 MiB by a budget of 20 MB: %+v", len(p.Entries), p)
	}
}

// TestCursorSecretLost refuses cursors of a secret that is gone.
func TestCursorSecretLost(t *testing.T) {
	p := newPaged(t)
	q := annals.Query{Limit: 1}
	_, q.Cursor = p.page(q)
	check(t, p.j.Close())
	check(t, os.Remove(filepath.Join(p.dir, "keys", "secret")))
	p.open()
	p.refuses(q, "was changed or cut off")
}
