package annals

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/url"
	"time"
)

// A Query asks for entries. The zero Query chooses every entry of the default
// tenant.
type Query struct {
	// Filter is filter text, such as `actor:alice type:order.* -outcome:success`.
	// Empty chooses everything.
	Filter string

	// Params are the parameters of a search over HTTP: a member's name, or since,
	// until and q, choose entries; order, limit, offset, cursor, total and tenant
	// stand for the fields below, which must then be left at zero, tenants
	// excepted. An entry must satisfy both Filter and Params.
	Params url.Values

	// Tenants are whose entries are wanted. None means [Options.Tenant]; "*" means
	// every tenant but the journal's own, whose events ([SystemTenant]) are found
	// only where it is named. The parameter tenant chooses among them: one that
	// is not is [ErrNotFound].
	Tenants []string

	// Order is by position. Empty means Ascending where the filter asks, at its
	// top level, for a correlation_id, and otherwise Descending.
	Order Order

	// Limit is how many entries a page has at most: 1 to 1,000; zero means 50.
	// [Journal.SearchAll] takes any number; zero is no limit there.
	Limit int

	// Offset is how many entries to leave out at the beginning, at most 10,000. It
	// does not go with Cursor, which is the better way.
	Offset int

	// Cursor is the [Page.NextCursor] of a page of the same query.
	Cursor string

	// Total asks for the number of all matches, not only those on the page. Each
	// is examined for it, once: cursors carry the number, or that it was given up.
	Total bool

	// Budget is how many entries one call examines at most, and at most four
	// times as many kilobytes, where those of an entry count once for every free
	// text of the filter. Zero means 100,000; negative is no limit.
	Budget int
}

// An Order says in which order entries are wanted.
type Order string

// Orders of positions.
const (
	Ascending  Order = "asc"  // oldest first
	Descending Order = "desc" // newest first
)

// Limits of a [Query], and how long a cursor lives.
const (
	DefaultPage   = 50
	MaxPage       = 1000
	MaxOffset     = 10_000
	DefaultBudget = 100_000
	CursorLife    = 24 * time.Hour
)

const (
	maxPageBytes  = 32 << 20 // of entries: where a page ends early
	maxPageDamage = 100
	maxTenants    = 10_000
	budgetBytes   = 4 << 10 // that go with one entry of a budget
)

// A Page is a part of the answer to a query.
//
// The pages of one query show the entries that there were when the first of them
// was asked for, in either order, and distances before now count from then.
type Page struct {
	Entries []Entry // the caller's

	// NextCursor goes on behind this page. It is empty when there is nothing more.
	NextCursor string

	// HasMore says that there is more, or that there may be: NextCursor is set.
	HasMore bool

	// Complete says that up to NextCursor, or to the end, nothing is missing, and
	// that whatever HasMore says is certain. Otherwise the budget came to its end,
	// or damage was met. Of the total only its absence says something.
	Complete bool

	// Total is the exact number of matches, nil if it was not asked for or is not
	// known, because the budget came to its end, on this page or on one before, or
	// damage may hide some.
	Total *uint64

	// Examined is how many entries were read for this page.
	Examined uint64

	// Damage may hide entries of the page. The list has at most 100.
	Damage []*CorruptError
}

// Search returns one page of the entries that q chooses. An entry that could be
// one and cannot be read is named in [Page.Damage], and the search goes on.
//
// A page ends early, with HasMore, when its entries take 32 MiB.
//
// Errors: [ErrInvalid], also for a cursor that was changed, is older than
// [CursorLife], is not of this query or of more entries than there are;
// [ErrNotFound] for a tenant that is not among q's; [ErrClosed].
func (j *Journal) Search(ctx context.Context, q Query) (*Page, error) {
	s, err := j.newSearch(q, MaxPage)
	if err != nil {
		return nil, err
	}
	m := s.matcher()
	p := &pager{search: s, page: new(Page), next: cursor{skip: s.skip, total: s.total, uncounted: s.start.uncounted}}
	if err := p.fill(ctx, m); err != nil {
		return nil, err
	}
	p.page.Complete = !m.spent && len(p.page.Damage) == 0
	if s.wantTotal && p.next.total == nil && !p.next.uncounted {
		if err := p.count(ctx, m); err != nil {
			return nil, err
		}
	}
	p.finish(m)
	return p.page, nil
}

// A pager makes a page.
type pager struct {
	*search
	page  *Page
	bytes int
	next  cursor // of which finish makes the next page's
	more  bool   // next is the place of a match
}

// fill takes entries up to the end of the page, and looks for one more.
func (p *pager) fill(ctx context.Context, m *matcher) error {
	for e, err := range m.matches(ctx) {
		switch {
		case err != nil:
			if err := p.pass(err); err != nil {
				return err
			}
		case p.next.skip > 0:
			p.next.skip--
		case len(p.page.Entries) == p.limit || p.bytes >= maxPageBytes:
			p.more = true
			p.next.next = e.Position
			if p.desc {
				p.next.next++
			}
			return nil
		default:
			e.JSON = bytes.Clone(e.JSON)
			p.bytes += len(e.JSON)
			p.page.Entries = append(p.page.Entries, e)
		}
	}
	p.next.next = m.place()
	return nil
}

// pass takes note of damage. Other errors it returns.
func (p *pager) pass(err error) error {
	c, ok := asCorrupt(err)
	if !ok {
		return err
	}
	if len(p.page.Damage) < maxPageDamage {
		p.page.Damage = append(p.page.Damage, c)
	}
	return nil
}

// count sets the total, or notes that it cannot be had: on the first page what is
// behind it is counted, on a later one everything. Damage there is for the page
// that comes to it.
func (p *pager) count(ctx context.Context, m *matcher) error {
	n := uint64(len(p.page.Entries) + p.skip - p.next.skip)
	if p.more {
		n++
	}
	if p.resumed {
		n = 0
		m.from, m.to = p.from, p.to
	}
	p.next.uncounted = true
	if !p.page.Complete {
		return nil
	}
	for _, err := range m.matches(ctx) {
		switch _, damage := asCorrupt(err); {
		case damage:
			return nil
		case err != nil:
			return err
		}
		n++
	}
	if !m.spent {
		p.next.total, p.next.uncounted = &n, false
	}
	return nil
}

// finish completes the page.
func (p *pager) finish(m *matcher) {
	p.page.Examined = m.examined
	p.page.Total = p.next.total
	if !p.wantTotal {
		p.page.Total = nil
	}
	if p.more || p.next.next != p.end() {
		p.page.HasMore = true
		p.page.NextCursor = p.cursorText(p.next)
	}
}

// SearchAll yields every entry that q chooses, in order, without pages and
// without a budget; Limit and Cursor apply all the same. The bytes of an entry
// are valid until the next step: clone what is kept.
//
// An entry that could be one and cannot be read is yielded as a *[CorruptError];
// a consumer that goes on gets the entries behind it. Any other error ends the
// iteration: [ErrInvalid], [ErrClosed], that of ctx.
func (j *Journal) SearchAll(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		q.Budget = -1
		s, err := j.newSearch(q, 0)
		if err == nil && s.wantTotal {
			err = invalidParam("total", "only pages have one")
		}
		if err != nil {
			yield(Entry{}, err)
			return
		}
		skip, left := s.skip, s.limit
		for e, err := range s.matcher().matches(ctx) {
			if err == nil && skip > 0 {
				skip--
				continue
			}
			if !yield(e, err) {
				return
			}
			if err != nil {
				continue
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// Has reports whether there is an entry that q chooses. If none was found and
// the budget came to its end, or damage may hide one, the error is
// [ErrIncomplete]. Settings of pages do not go with it.
func (j *Journal) Has(ctx context.Context, q Query) (bool, error) {
	s, err := j.newWhole(q)
	if err != nil {
		return false, err
	}
	m := s.matcher()
	var damage *CorruptError
	for _, err := range m.matches(ctx) {
		if err == nil {
			return true, nil
		}
		if c, ok := asCorrupt(err); !ok {
			return false, err
		} else if damage == nil {
			damage = c
		}
	}
	switch {
	case damage != nil:
		return false, fmt.Errorf("%w: %w", ErrIncomplete, damage)
	case m.spent:
		return false, fmt.Errorf("%w: none among the %d entries that were examined", ErrIncomplete, m.examined)
	}
	return false, nil
}
