package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collectTimeout bounds what a look at the journal may take.
const collectTimeout = 5 * time.Second

// A journalCollector reads the figures of a server's journal when they are asked for.
type journalCollector struct{ server *Server }

// figure returns the description of a figure without labels.
func figure(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

// The figures of a journal.
var (
	figureEvents     = figure("annals_events", "Events in the journal.")
	figureOwn        = figure("annals_system_events", "Events of the journal's own.")
	figureEntities   = figure("annals_entities", "Entities that have a sequence.")
	figureLog        = figure("annals_log_bytes", "Bytes of the log.")
	figureTree       = figure("annals_tree_bytes", "Bytes of the hash tree.")
	figureIndex      = figure("annals_index_bytes", "Bytes of the index.")
	figureSegments   = figure("annals_segments", "Files of the log.")
	figureCheckpoint = figure("annals_checkpoint_entries", "Entries under the newest signed checkpoint.")
	figureUnreadable = figure("annals_unreadable_entries", "Entries that damage hides.")
	figureDamage     = figure("annals_damage", "Places that are known to be damaged.")
	figureGroups     = figure("annals_groups_total", "Groups of appends that were written.")
	figureSyncs      = figure("annals_syncs_total", "Syncs of the log.")
	figureSyncTime   = figure("annals_sync_seconds_total", "Time of all syncs of the log.")
	figureSlowest    = figure("annals_sync_slowest_seconds", "Time of the slowest sync since the journal was opened.")
	figureWaiting    = figure("annals_queue_appends", "Appends that wait for their turn.")
	figureFull       = figure("annals_disk_full", "1 if appends are refused for want of room.")
	figureStalled    = figure("annals_disk_stalled", "1 if the disk does not answer.")
	figureFailed     = figure("annals_failed", "1 if a write has failed: nothing is taken until the journal is opened again.")
	figureReadOnly   = figure("annals_read_only", "1 if the journal is open for reading only.")
	figureStreams    = figure("annals_streams", "Streams and exports that are open.")
	figureBodies     = figure("annals_body_memory_bytes", "Memory that large request bodies have reserved.")
	figureUnaudited  = figure("annals_reads_unaudited_total", "Reads that went on without an event of their own.")
	figureUp         = figure("annals_journal_readable", "1 if these figures could be read.")
)

// Describe implements [prometheus.Collector].
func (c *journalCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements [prometheus.Collector].
func (c *journalCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	s, err := c.server.journal.Stats(ctx)
	gauge(figureUp, flag(err == nil))
	gauge(figureEvents, float64(s.Events))
	gauge(figureOwn, float64(s.SystemEvents))
	gauge(figureEntities, float64(s.Entities))
	gauge(figureLog, float64(s.LogBytes))
	gauge(figureTree, float64(s.TreeBytes))
	gauge(figureIndex, float64(s.IndexBytes))
	gauge(figureSegments, float64(s.Segments))
	gauge(figureCheckpoint, float64(s.CheckpointSize))
	gauge(figureUnreadable, float64(s.Unreadable))
	gauge(figureDamage, float64(len(c.server.journal.Damage())))
	counter(figureGroups, float64(s.Groups))
	counter(figureSyncs, float64(s.Syncs))
	counter(figureSyncTime, s.SyncTime.Seconds())
	gauge(figureSlowest, s.SlowestSync.Seconds())
	gauge(figureWaiting, float64(s.Waiting))
	gauge(figureFull, flag(s.DiskFull))
	gauge(figureStalled, flag(s.Stalled))
	gauge(figureFailed, flag(s.Failed))
	gauge(figureReadOnly, flag(s.ReadOnly))
	gauge(figureStreams, float64(c.server.streams.used.Load()))
	gauge(figureBodies, float64(c.server.memory.used.Load()))
	counter(figureUnaudited, float64(c.server.UnauditedReads()))
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
