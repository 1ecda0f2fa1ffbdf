package server

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/query"
)

// readable returns whose entries a request may find. The journal's own are found only
// where they are named, as the parameter tenant is to do.
func (x *exchange) readable() ([]string, error) {
	var names []string
	for _, name := range x.grant.Tenants {
		if name != annals.SystemTenant && (name == access.EveryTenant || x.grant.Owns(name)) {
			names = append(names, name)
		}
	}
	asked := slices.Contains(x.query["tenant"], annals.SystemTenant) || len(names) == 0
	if asked && x.grant.Owns(annals.SystemTenant) {
		names = append(names, annals.SystemTenant)
	}
	if len(names) == 0 {
		return nil, problemf(codeForbidden, "the credential is for no tenant that it may read")
	}
	return names, nil
}

// search asks for a page of the entries that the request may find.
func (x *exchange) search(q annals.Query) (*annals.Page, error) {
	var err error
	if q.Tenants, err = x.readable(); err != nil {
		return nil, err
	}
	return x.server.journal.Search(x.r.Context(), q)
}

// exact returns filter text for a field that is exactly a text.
func exact(field, text string) string {
	f, _, err := query.Lookup(field)
	if err != nil {
		panic("annals: internal error: " + err.Error())
	}
	m := query.Match{Field: f, Op: query.Equal, Value: query.Operand{Text: text}}
	return m.String()
}

// sendPageOf answers with a page of entries, which are sent as they are stored.
func (x *exchange) sendPageOf(p *annals.Page) error {
	out := takeBuffer()
	defer out.give()
	out.b = append(out.b, `{"events":[`...)
	for i := range p.Entries {
		if i > 0 {
			out.b = append(out.b, ',')
		}
		out.b = append(out.b, p.Entries[i].JSON...)
	}
	out.b = appendPageEnd(append(out.b, ']'), p)
	p.Entries = nil // a slow reader holds them but once
	if n := int64(len(out.b)); n > maxPooled {
		if !x.server.memory.take(n) {
			return busy("too many large answers are being sent")
		}
		defer x.server.memory.give(n)
	}
	x.w.Header()["Cache-Control"] = []string{"no-store"}
	return x.sendPage("application/json", out.b)
}

// appendPageEnd appends what an answer says besides its list.
func appendPageEnd(dst []byte, p *annals.Page) []byte {
	if p.NextCursor == "" {
		dst = append(dst, `,"next_cursor":null`...)
	} else {
		dst = append(append(append(dst, `,"next_cursor":"`...), p.NextCursor...), '"')
	}
	dst = strconv.AppendBool(append(dst, `,"has_more":`...), p.HasMore)
	dst = strconv.AppendBool(append(dst, `,"complete":`...), p.Complete)
	if p.Total != nil {
		dst = strconv.AppendUint(append(dst, `,"total":`...), *p.Total, 10)
	}
	return append(appendDamage(dst, p.Damage), '}')
}

// appendDamage appends which positions of a page cannot be read, if there are any.
func appendDamage(dst []byte, damage []*annals.CorruptError) []byte {
	for i, c := range damage {
		if i == 0 {
			dst = append(dst, `,"damage":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendGap(dst, c)
	}
	if len(damage) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// appendGap appends the positions that damage hides: first, and the one behind the last.
func appendGap(dst []byte, c *annals.CorruptError) []byte {
	dst = strconv.AppendUint(append(dst, `{"first":`...), uint64(c.First), 10)
	dst = strconv.AppendUint(append(dst, `,"next":`...), uint64(c.Next), 10)
	return append(dst, '}')
}

// sendImmutable answers with bytes that never change, under their name.
func (x *exchange) sendImmutable(contentType, name string, body []byte) error {
	x.noSniff()
	h := x.w.Header()
	h["Etag"] = []string{`"` + name + `"`}
	scope := "private"
	if x.grant == nil { // it is for everybody
		scope = "public"
	}
	h["Cache-Control"] = []string{scope + ", max-age=31536000, immutable"}
	if matchesTag(x.r.Header.Values("If-None-Match"), `"`+name+`"`) {
		x.head(http.StatusNotModified)
		return nil
	}
	x.send(http.StatusOK, contentType, body)
	return nil
}
