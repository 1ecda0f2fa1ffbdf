package annals

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/annals-io/annals/engine"
)

// Stats describe a journal at one moment. All counts are exact.
//
// ByType has the 10,000 types of most events at most, so that a producer that makes
// up types without end takes no memory for each. Every type that more than one in
// 10,000 events has is among them.
type Stats struct {
	Events          uint64            `json:"events"`        // producers' events
	SystemEvents    uint64            `json:"system_events"` // the journal's own
	Entities        uint64            `json:"entities"`      // that have a sequence
	FirstRecordedAt *time.Time        `json:"first_recorded_at"`
	LastRecordedAt  *time.Time        `json:"last_recorded_at"`
	LogBytes        int64             `json:"log_bytes"`
	TreeBytes       int64             `json:"tree_bytes"`
	IndexBytes      int64             `json:"index_bytes"`
	Segments        int               `json:"segments"`
	CheckpointSize  uint64            `json:"checkpoint_size"` // entries under the newest signed checkpoint
	ByType          map[string]uint64 `json:"by_type"`         // events of each type, the journal's own included; see OtherTypes
	OtherTypes      uint64            `json:"other_types"`     // events whose types ByType leaves out
	Unreadable      uint64            `json:"unreadable"`      // entries that damage hides, or that are none
	Groups          uint64            `json:"groups"`          // commits since the journal was opened
	Syncs           uint64            `json:"syncs"`
	SlowestSync     time.Duration     `json:"slowest_sync_ns"`
	SyncTime        time.Duration     `json:"sync_ns"`   // of all syncs
	Waiting         int               `json:"waiting"`   // appends that wait for their turn
	DiskFull        bool              `json:"disk_full"` // appends are refused until there is room
	Failed          bool              `json:"failed"`    // a write has failed; appends are refused until the journal is opened again
	Stalled         bool              `json:"stalled"`   // the disk does not answer
	ReadOnly        bool              `json:"read_only"`
}

// MarshalJSON implements [encoding/json.Marshaler]: times have nine digits, as in
// entries. They come first.
func (s Stats) MarshalJSON() ([]byte, error) {
	type plain Stats // without this method
	return json.Marshal(struct {
		First *string `json:"first_recorded_at"`
		Last  *string `json:"last_recorded_at"`
		plain
	}{timeText(s.FirstRecordedAt), timeText(s.LastRecordedAt), plain(s)})
}

// timeText returns a time in the form of entries, nil if there is none.
func timeText(t *time.Time) *string {
	if t == nil {
		return nil
	}
	return new(t.UTC().Format(engine.TimeFormat))
}

// Stats describes the journal. It reads no more than the first and the last
// readable entry, since events are counted as they are written, and those entries
// that have no index at the moment.
func (j *Journal) Stats(ctx context.Context) (Stats, error) {
	e := j.engine.Stats()
	s := Stats{
		LogBytes: e.LogBytes, TreeBytes: e.TreeBytes, IndexBytes: e.IndexBytes,
		Segments: e.Segments, CheckpointSize: e.Checkpoint,
		Groups: e.Groups, Syncs: e.Syncs, SlowestSync: e.SlowestSync, SyncTime: e.SyncTime,
		Waiting: e.Waiting, Failed: e.Failed, DiskFull: e.DiskFull, Stalled: e.Stalled, ReadOnly: e.ReadOnly,
	}
	size := j.Size() // before the kinds, which are then those of as many entries at least
	types, err := countTypes(ctx, j.engine, maxTypes)
	if err != nil {
		return s, err
	}
	s.Events, s.SystemEvents, s.ByType, s.OtherTypes = types.events, types.system, types.byType, types.others
	if s.Entities, err = j.engine.Entities(ctx); err != nil {
		return s, err
	}
	counted := min(s.Events+s.SystemEvents, uint64(size))
	s.Unreadable = max(uint64(size)-counted, hidden(j.Damage(), size))
	return s, j.recordedTimes(ctx, &s)
}

// CountByType returns how many events of each type some tenants have, at the cost of a
// look at the index. An empty list, or "*", has no meaning here. As in [Stats] the types
// of most events are counted apart, and the events of others together.
func (j *Journal) CountByType(ctx context.Context, tenants ...string) (byType map[string]uint64, others uint64, err error) {
	c, err := countTypes(ctx, ofTenants{j.engine, tenants}, maxTypes)
	if err != nil {
		return nil, 0, err
	}
	return c.byType, c.others, nil
}

// ofTenants are the counts of some tenants.
type ofTenants struct {
	kinder
	tenants []string
}

func (o ofTenants) Kinds(ctx context.Context) iter.Seq2[engine.KindCount, error] {
	return func(yield func(engine.KindCount, error) bool) {
		for k, err := range o.kinder.Kinds(ctx) {
			if (err != nil || slices.Contains(o.tenants, k.Tenant)) && !yield(k, err) {
				return
			}
		}
	}
}

// hidden returns how many of the first size positions damage hides.
func hidden(damage []*CorruptError, size Position) (n uint64) {
	all := slices.SortedFunc(slices.Values(damage), func(a, b *CorruptError) int { return cmp.Compare(a.First, b.First) })
	done := Position(0)
	for _, c := range all {
		if first, next := max(c.First, done), min(c.Next, size); first < next {
			n += uint64(next - first)
			done = next
		}
	}
	return n
}

// maxEndReads bounds how many damaged entries are passed in search of a readable
// one at an end of the journal.
const maxEndReads = 1000

// recordedTimes sets the times of the first and the last readable entry.
func (j *Journal) recordedTimes(ctx context.Context, s *Stats) (err error) {
	if s.FirstRecordedAt, err = j.endTime(ctx, false); err == nil {
		s.LastRecordedAt, err = j.endTime(ctx, true)
	}
	return err
}

// endTime returns when the first readable entry, or the last one, was recorded,
// nil if there is none.
func (j *Journal) endTime(ctx context.Context, last bool) (*time.Time, error) {
	from, to := Position(0), j.Size()
	for tries := 0; from < to && tries < maxEndReads; tries++ {
		p := from
		if last {
			p = to - 1
		}
		e, err := j.At(ctx, p)
		if err == nil {
			return &e.RecordedAt, nil
		}
		c, damage := asCorrupt(err)
		if !damage {
			return nil, err
		}
		switch {
		case !last:
			from = max(p+1, c.Next)
		case c.First < c.Next:
			to = min(p, c.First)
		default:
			to = p
		}
	}
	return nil, nil
}
