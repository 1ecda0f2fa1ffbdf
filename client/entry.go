package client

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/engine"
)

// parseEntry returns the entry with the given bytes, which become part of it.
func parseEntry(text []byte) (annals.Entry, error) {
	a, err := engine.ParseAssigned(text)
	if err != nil {
		return annals.Entry{}, fmt.Errorf("%w: entry: %w", errAnswer, err)
	}
	return annals.Entry{Position: a.Position, Sequence: a.Sequence, RecordedAt: a.RecordedAt, JSON: text}, nil
}

// A page is the JSON of a page.
type page struct {
	Events     []json.RawMessage `json:"events"`
	NextCursor *string           `json:"next_cursor"`
	HasMore    bool              `json:"has_more"`
	Complete   bool              `json:"complete"`
	Total      *uint64           `json:"total"`
	Damage     []struct {
		First annals.Position `json:"first"`
		Next  annals.Position `json:"next"`
	} `json:"damage"`
}

// parsePage reads a page. Its entries are the caller's.
func parsePage(text []byte) (*annals.Page, error) {
	var p page
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%w: page: %w", errAnswer, err)
	}
	out := &annals.Page{HasMore: p.HasMore, Complete: p.Complete, Total: p.Total}
	if p.NextCursor != nil {
		out.NextCursor = *p.NextCursor
	}
	for _, raw := range p.Events {
		e, err := parseEntry(bytes.Clone(raw))
		if err != nil {
			return nil, err
		}
		out.Entries = append(out.Entries, e)
	}
	for _, d := range p.Damage {
		out.Damage = append(out.Damage, damageError(d.First, d.Next))
	}
	return out, nil
}

// damageError says that entries of the server's journal cannot be read.
func damageError(first, next annals.Position) *annals.CorruptError {
	return &annals.CorruptError{Path: serverPath, Offset: -1, First: first, Next: next, Err: errDamage}
}
