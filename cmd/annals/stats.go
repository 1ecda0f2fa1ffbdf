package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/annals-io/annals"
	"github.com/spf13/cobra"
)

func newStats(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:               "stats",
		Short:             "Count what the journal holds",
		Long:              "Count events, entities, types and bytes. Of more than 10,000 types those of most events are counted apart; other_types has the events of the rest.",
		Example:           "  annals stats --data ./journal\n  annals stats --data ./journal --output json | jq .by_type",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(ctx context.Context, _ []string) error {
			return e.stats(ctx)
		}),
	}
	return e.serverFlags(c)
}

// stats prints the journal's figures.
func (e *env) stats(ctx context.Context) error {
	form, err := e.form(formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	return e.read(func(j source) error {
		s, err := j.Stats(ctx)
		if err != nil {
			return err
		}
		if form == formTable {
			_, err = e.stdout.Write(statsText(&s))
			return err
		}
		return e.printJSON(s)
	})
}

// shownTypes is how many types are printed for people.
const shownTypes = 15

// statsText is the figures for people.
func statsText(s *annals.Stats) []byte {
	var b bytes.Buffer
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-15s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("events", "%s", grouped(s.Events))
	line("system events", "%s", grouped(s.SystemEvents))
	line("entities", "%s", grouped(s.Entities))
	if s.FirstRecordedAt != nil && s.LastRecordedAt != nil {
		line("recorded", "%s to %s", s.FirstRecordedAt.UTC().Format(time.RFC3339), s.LastRecordedAt.UTC().Format(time.RFC3339))
	}
	line("log", "%s in %s", size(s.LogBytes), plural(uint64(s.Segments), "segment"))
	line("tree, index", "%s, %s", size(s.TreeBytes), size(s.IndexBytes))
	line("checkpoint", "of %s", plural(s.CheckpointSize, "entry"))
	if s.Unreadable > 0 {
		line("UNREADABLE", "%s, hidden by damage", plural(s.Unreadable, "entry"))
	}
	types := slices.SortedFunc(maps.Keys(s.ByType), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.ByType[b], s.ByType[a]), cmp.Compare(a, b))
	})
	for i, t := range types[:min(len(types), shownTypes)] {
		name := "types"
		if i > 0 {
			name = ""
		}
		line(name, "%10s  %s", grouped(s.ByType[t]), printable(t))
	}
	if more := len(types) - shownTypes; more > 0 {
		line("", "%10s  other types", grouped(uint64(more)))
	}
	if s.OtherTypes > 0 {
		line("", "%10s  of types that are not counted apart", grouped(s.OtherTypes))
	}
	return b.Bytes()
}
