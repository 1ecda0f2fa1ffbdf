package annals

import (
	"context"
	"encoding/json"
	"time"

	"github.com/annals-io/annals/engine"
)

// Stats describe a journal at one moment.
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
	ByType          map[string]uint64 `json:"by_type"`         // events of each type, the journal's own included
	Unreadable      uint64            `json:"unreadable"`      // entries that damage hides, or that are none
	Groups          uint64            `json:"groups"`          // commits since the journal was opened
	Syncs           uint64            `json:"syncs"`
	SlowestSync     time.Duration     `json:"slowest_sync_ns"`
	DiskFull        bool              `json:"disk_full"` // appends are refused until there is room
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

// Stats counts the journal's entries by reading them, so its time grows with the
// journal.
func (j *Journal) Stats(ctx context.Context) (Stats, error) {
	s := j.counters()
	for r, err := range j.engine.Scan(ctx, 0, j.engine.Size()) {
		if c, ok := asCorrupt(err); ok {
			s.Unreadable += uint64(c.Next - c.First)
			continue
		}
		if err != nil {
			return s, err
		}
		if s.count(r.Bytes) != nil {
			s.Unreadable++
		}
	}
	return s, nil
}

// counters returns what is known without reading.
func (j *Journal) counters() Stats {
	e := j.engine.Stats()
	return Stats{
		Entities: e.Entities, LogBytes: e.LogBytes, TreeBytes: e.TreeBytes, IndexBytes: e.IndexBytes,
		Segments: e.Segments, CheckpointSize: e.Checkpoint, ByType: make(map[string]uint64),
		Groups: e.Groups, Syncs: e.Syncs, SlowestSync: e.SlowestSync,
		DiskFull: e.DiskFull, Stalled: e.Stalled, ReadOnly: e.ReadOnly,
	}
}

// count adds an entry.
func (s *Stats) count(entry []byte) error {
	tenant, _, typ, _, err := describe(entry)
	if err != nil {
		return err
	}
	a, err := engine.ParseAssigned(entry)
	if err != nil {
		return err
	}
	if tenant == SystemTenant {
		s.SystemEvents++
	} else {
		s.Events++
	}
	s.ByType[typ]++
	if s.FirstRecordedAt == nil {
		s.FirstRecordedAt = new(a.RecordedAt)
	}
	s.LastRecordedAt = new(a.RecordedAt)
	return nil
}
