package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strconv"

	"github.com/annals-io/annals"
)

// Paths of what is read.
const (
	eventsPath = apiPath + "/events"
	entityPath = apiPath + "/entities/history"
)

// serverPath stands for the files of a server's journal.
const serverPath = "the server's journal"

var errDamage = errors.New("cannot be read")

// Get returns the entry with an id of the token's tenant. Errors:
// [annals.ErrNotFound], [ErrGone], *[annals.CorruptError], and those of every read:
// [annals.ErrUnavailable], [ErrUnauthenticated], [ErrForbidden], [ErrRateLimited],
// [annals.ErrClosed], that of ctx.
func (c *Client) Get(ctx context.Context, id string) (annals.Entry, error) {
	return c.GetTenant(ctx, "", id)
}

// GetTenant is [Client.Get] for a tenant.
func (c *Client) GetTenant(ctx context.Context, tenant, id string) (annals.Entry, error) {
	if id == "" {
		return annals.Entry{}, annals.ErrNotFound
	}
	v := url.Values{}
	if tenant != "" {
		v.Set("tenant", tenant)
	}
	if fitsPath(id) {
		text, err := c.do(ctx, get(eventsPath+"/"+url.PathEscape(id), v))
		if err != nil {
			return annals.Entry{}, err
		}
		return parseEntry(text)
	}
	v.Set("id", id)
	return c.only(ctx, v)
}

// fitsPath reports whether every proxy leaves an id alone as an element of a path.
func fitsPath(id string) bool {
	if id == "." || id == ".." || id == "stream" || id == "batch" {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// only returns the only entry of a search.
func (c *Client) only(ctx context.Context, v url.Values) (annals.Entry, error) {
	v.Set("limit", "2")
	text, err := c.do(ctx, get(eventsPath, v))
	if err != nil {
		return annals.Entry{}, err
	}
	p, err := parsePage(text)
	switch {
	case err != nil:
		return annals.Entry{}, err
	case len(p.Entries) == 1:
		return p.Entries[0], nil
	case len(p.Entries) > 1:
		return annals.Entry{}, fmt.Errorf("%w: several tenants have that id: name one", annals.ErrInvalid)
	case len(p.Damage) > 0:
		return annals.Entry{}, p.Damage[0]
	}
	return annals.Entry{}, annals.ErrNotFound
}

// At returns the entry at a position, if it belongs to a tenant of the token. Errors:
// those of [Client.Get].
func (c *Client) At(ctx context.Context, p annals.Position) (annals.Entry, error) {
	return c.only(ctx, url.Values{"q": {"position:" + strconv.FormatUint(uint64(p), 10)}, "tenant": {"*"}})
}

// Search returns one page of the entries that q chooses. Without [annals.Query.Tenants]
// it is about all that the token may read. The server sets its own budget, so
// [annals.Query.Budget] and [annals.Page.Examined] say nothing here.
//
// Errors: [annals.ErrInvalid], [annals.ErrNotFound] for a tenant that is not the
// token's, and those of every read.
func (c *Client) Search(ctx context.Context, q annals.Query) (*annals.Page, error) {
	v, err := values(&q)
	if err != nil {
		return nil, err
	}
	text, err := c.do(ctx, get(eventsPath, v))
	if err != nil {
		return nil, err
	}
	return parsePage(text)
}

// SearchAll yields every entry that q chooses, in order, page after page; Limit, which may
// be any number here, Offset and Cursor apply. The entries are those that there were at
// the first page. An entry that could be one and cannot be read is yielded as a
// *[annals.CorruptError]; a consumer that goes on gets the entries behind it. Any other
// error ends the iteration: those of [Client.Search].
func (c *Client) SearchAll(ctx context.Context, q annals.Query) iter.Seq2[annals.Entry, error] {
	return func(yield func(annals.Entry, error) bool) {
		limit := q.Limit
		q.Limit = 0
		v, err := values(&q)
		if err != nil {
			yield(annals.Entry{}, err)
			return
		}
		c.pages(ctx, eventsPath, v, limit)(yield)
	}
}

// pages yields the entries of all pages of an answer, at most limit, or all if that is
// zero.
func (c *Client) pages(ctx context.Context, path string, v url.Values, limit int) iter.Seq2[annals.Entry, error] {
	return func(yield func(annals.Entry, error) bool) {
		for left := limit; ; v.Del("offset") {
			size := annals.MaxPage
			if limit > 0 {
				size = min(left, size)
			}
			v.Set("limit", strconv.Itoa(size))
			p, err := c.page(ctx, path, v)
			if err != nil {
				yield(annals.Entry{}, err)
				return
			}
			if !yieldPage(p, yield) {
				return
			}
			if left -= len(p.Entries); p.NextCursor == "" || limit > 0 && left <= 0 {
				return
			}
			v.Set("cursor", p.NextCursor)
		}
	}
}

// page reads one page.
func (c *Client) page(ctx context.Context, path string, v url.Values) (*annals.Page, error) {
	text, err := c.do(ctx, get(path, v))
	if err != nil {
		return nil, err
	}
	return parsePage(text)
}

// yieldPage yields the damage and the entries of a page. It reports whether to go on.
func yieldPage(p *annals.Page, yield func(annals.Entry, error) bool) bool {
	for _, d := range p.Damage {
		if !yield(annals.Entry{}, d) {
			return false
		}
	}
	for i := range p.Entries {
		if !yield(p.Entries[i], nil) {
			return false
		}
	}
	return true
}

// Has reports whether there is an entry that q chooses. If none was found and the
// server's budget came to its end, or damage may hide one, the error is
// [annals.ErrIncomplete].
func (c *Client) Has(ctx context.Context, q annals.Query) (bool, error) {
	q.Limit = 1
	p, err := c.Search(ctx, q)
	switch {
	case err != nil:
		return false, err
	case len(p.Entries) > 0:
		return true, nil
	case !p.Complete:
		return false, fmt.Errorf("%w: none among the entries that were examined", annals.ErrIncomplete)
	}
	return false, nil
}

// History yields the entries of an entity in the order of their sequences. Errors are
// yielded as by [Client.SearchAll].
func (c *Client) History(ctx context.Context, entity annals.Entity, h annals.HistoryOptions) iter.Seq2[annals.Entry, error] {
	return func(yield func(annals.Entry, error) bool) {
		if entity.Type == "" || entity.ID == "" {
			yield(annals.Entry{}, fmt.Errorf("%w: an entity needs a type and an id", annals.ErrInvalid))
			return
		}
		c.pages(ctx, entityPath, historyQuery(entity, h), 0)(yield)
	}
}

// Stats describes the server's journal. Errors: those of every read.
func (c *Client) Stats(ctx context.Context) (annals.Stats, error) {
	var s annals.Stats
	return s, c.read(ctx, apiPath+"/stats", &s)
}

// read decodes an answer.
func (c *Client) read(ctx context.Context, path string, into any) error {
	text, err := c.do(ctx, get(path, nil))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: %s: %w", errAnswer, path, err)
	}
	return nil
}

// Checkpoint returns the newest signed checkpoint that the server has published, a C2SP
// note: what was durable a second ago is under it. Errors: those of every read, and
// [annals.ErrNotFound] if there is none.
func (c *Client) Checkpoint(ctx context.Context) ([]byte, error) {
	k := get("/checkpoint", nil)
	k.accept = "text/plain"
	return c.do(ctx, k)
}
