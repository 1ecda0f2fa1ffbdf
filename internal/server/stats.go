package server

import (
	"slices"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
)

// tenantStats are the figures of some tenants: all that they may know of the journal.
type tenantStats struct {
	Events     uint64            `json:"events"`
	ByType     map[string]uint64 `json:"by_type"`
	OtherTypes uint64            `json:"other_types"` // events whose types by_type leaves out
}

// A statsAnswer is what a request may know of the journal's figures.
type statsAnswer struct {
	whole   *annals.Stats // of everything; nil for a grant of some tenants
	tenants tenantStats
}

// events returns how many producers' events there are.
func (s *statsAnswer) events() uint64 {
	if s.whole != nil {
		return s.whole.Events
	}
	return s.tenants.Events
}

// stats reads the figures that the grant may know.
func (x *exchange) stats() (s statsAnswer, err error) {
	j, ctx := x.server.journal, x.r.Context()
	if slices.Contains(x.grant.Tenants, access.EveryTenant) {
		whole, err := j.Stats(ctx)
		return statsAnswer{whole: &whole}, err
	}
	tenants, err := x.readable()
	if err != nil {
		return s, err
	}
	s.tenants.ByType, s.tenants.OtherTypes, err = j.CountByType(ctx, tenants...)
	s.tenants.Events = s.tenants.OtherTypes
	for _, n := range s.tenants.ByType {
		s.tenants.Events += n
	}
	return s, err
}

// getStats answers with the journal's figures, or with those of the grant's tenants.
func getStats(x *exchange) error {
	s, err := x.stats()
	if err != nil {
		return err
	}
	if s.whole != nil {
		return x.sendValue(s.whole)
	}
	return x.sendValue(s.tenants)
}
