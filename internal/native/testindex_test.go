package native_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
	"github.com/google/go-cmp/cmp"
)

// answers compares what a journal answers by its index with what it holds.
func (s *stored) answers(e *native.Engine) error {
	last := make(map[engine.Entity]engine.Sequence)
	kinds := make(map[engine.KindCount]uint64)
	ends := make(map[string][]engine.Position)
	for id, p := range s.byID {
		got, err := e.Find(ctx, "t", id)
		if err != nil || got != engine.Position(p) {
			return fmt.Errorf("find %s: position %d, %w; want %d", id, got, err, p)
		}
		entry, err := e.Read(ctx, got)
		if err != nil || entry.Hash() != s.hashes[p] {
			return fmt.Errorf("read %s at %d: another entry, %w", id, p, err)
		}
		var f engine.Facts
		if err := describe(&f, entry.Bytes); err != nil {
			return err
		}
		kinds[engine.KindCount{Tenant: f.Tenant, Kind: f.Kind}]++
		ends[f.Terms[0].Value] = append(ends[f.Terms[0].Value], got)
		if f.Entity != (engine.Entity{}) {
			last[f.Entity] = max(last[f.Entity], s.entries[p].Sequence)
		}
	}
	for entity, want := range last {
		if got, err := e.LastSequence(ctx, "t", entity); err != nil || got != want {
			return fmt.Errorf("last sequence of %v: %d, %w; want %d", entity, got, err, want)
		}
	}
	for _, tenant := range []string{"t", "u"} {
		if p, err := e.Find(ctx, tenant, "absent "+tenant); !errors.Is(err, engine.ErrNotFound) {
			return fmt.Errorf("find of an absent id: position %d, %w", p, err)
		}
	}
	if n, err := e.Entities(ctx); err != nil || n != uint64(len(last)) {
		return fmt.Errorf("%d entities, %v, want %d", n, err, len(last))
	}
	return errors.Join(checkKinds(e, kinds), checkEnds(e, ends))
}

func checkKinds(e *native.Engine, want map[engine.KindCount]uint64) error {
	got := make(map[engine.KindCount]uint64)
	for k, err := range e.Kinds(ctx) {
		if err != nil {
			return fmt.Errorf("kinds: %w", err)
		}
		n := k.Count
		k.Count = 0
		got[k] += n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("kinds (-want +got):\n%s", diff)
	}
	return nil
}

// checkEnds searches for the positions of each end of an id.
func checkEnds(e *native.Engine, ends map[string][]engine.Position) error {
	for end, want := range ends {
		slices.Sort(want)
		for _, descending := range []bool{false, true} {
			q := engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: end}, Descending: descending}
			got, err := search(e, q)
			if err != nil {
				return fmt.Errorf("search %s: %w", end, err)
			}
			if descending {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("search %s, descending %v: %v, want %v", end, descending, got, want)
			}
		}
	}
	return nil
}

// search returns the positions of the entries that a query chooses.
func search(e *native.Engine, q engine.Query) (found []engine.Position, err error) {
	want := engine.Term(q.Filter.(engine.Has))
	for entry, err := range e.Search(ctx, q) {
		if err != nil {
			return found, err
		}
		var f engine.Facts
		if err := describe(&f, entry.Bytes); err != nil {
			return found, err
		}
		if slices.Contains(f.Terms, want) {
			found = append(found, entry.Position)
		}
	}
	return found, nil
}

// inIndex reports whether an operation is on a file of the index.
func inIndex(op durable.Op) bool { return strings.HasPrefix(op.Name, "index") }

// indexFiles returns the names of the index's files.
func indexFiles(mem *durable.Mem) []string {
	return slices.DeleteFunc(mem.Names(), func(name string) bool { return !strings.HasSuffix(name, ".idx") })
}

// indexed returns a disk with a closed journal of n entries that the index has
// many files of.
func indexed(t testing.TB, n int) *durable.Mem {
	t.Helper()
	mem := durable.NewMem()
	e := openWith(t, scriptOptions(mem))
	for i := range n {
		appendOne(t, e, fmt.Sprint("i", i), fmt.Sprint(i%5))
	}
	check(t, e.Close())
	if len(indexFiles(mem)) < 2 {
		t.Fatalf("the index has only the files %v", indexFiles(mem))
	}
	return mem
}

// unindexed reports how many entries a search has to read for want of an index.
func unindexed(t testing.TB, e *native.Engine) uint64 {
	t.Helper()
	est, err := e.Estimate(ctx, engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: "x"}})
	check(t, err)
	return est.Unindexed
}

// An indexSpoiler does something to the files of an index.
type indexSpoiler struct {
	name  string
	spoil func(t *testing.T, mem *durable.Mem)
}

func eachIndexFile(f func(b []byte) []byte) func(*testing.T, *durable.Mem) {
	return func(t *testing.T, mem *durable.Mem) {
		for _, name := range indexFiles(mem) {
			change(mem, name, f)
		}
	}
}

var indexSpoilers = []indexSpoiler{
	{"deleted", func(t *testing.T, mem *durable.Mem) {
		for _, name := range indexFiles(mem) {
			check(t, mem.Remove(name))
		}
		check(t, mem.Remove("index"))
	}},
	{"every second file deleted", func(t *testing.T, mem *durable.Mem) {
		for i, name := range indexFiles(mem) {
			if i%2 == 0 {
				check(t, mem.Remove(name))
			}
		}
	}},
	{"older than the log", func(t *testing.T, mem *durable.Mem) {
		names := indexFiles(mem)
		for _, name := range names[len(names)/2:] {
			check(t, mem.Remove(name))
		}
	}},
	{"cut in the header", eachIndexFile(func(b []byte) []byte { return b[:20] })},
	{"cut", eachIndexFile(func(b []byte) []byte { return b[:len(b)/2] })},
	{"headers flipped", eachIndexFile(func(b []byte) []byte { b[20] ^= 1; return b })},
	{"all but header and end flipped", eachIndexFile(func(b []byte) []byte {
		for i := 64; i < len(b)-300; i++ {
			b[i] ^= 0xff
		}
		return b
	})},
	{"some bytes flipped", eachIndexFile(func(b []byte) []byte {
		for i := 64; i < len(b); i += 97 {
			b[i] ^= 1
		}
		return b
	})},
	{"secret lost", func(t *testing.T, mem *durable.Mem) { check(t, mem.Remove("keys/secret")) }},
}

// checkAppends appends what is there, what contradicts it, and something new to a
// journal of n entries as [indexed] makes them.
func checkAppends(t testing.TB, e *native.Engine, n int) {
	t.Helper()
	for _, i := range []int{0, n / 3, n - 1} {
		if got := appendOne(t, e, fmt.Sprint("i", i), fmt.Sprint(i%5)); !got.Duplicate || got.Position != engine.Position(i) {
			t.Errorf("retry of %d: %+v", i, got)
		}
		_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint("i", i), "other", 10)}})
		if c := new(engine.ConflictError); !errors.As(err, &c) || c.Position != engine.Position(i) {
			t.Errorf("other content for id %d: %v", i, err)
		}
	}
	size := e.Size()
	seq, err := e.LastSequence(ctx, "t", engine.Entity{Type: "e", ID: "3"})
	check(t, err)
	if got := appendOne(t, e, fmt.Sprint("new", size), "3"); got.Duplicate || got.Position != size || got.Sequence != seq+1 {
		t.Errorf("new entry: %+v, want position %d and sequence %d", got, size, seq+1)
	}
}

// retryUnavailable appends an old id until that is not refused for want of an index.
func retryUnavailable(t testing.TB, e *native.Engine) {
	t.Helper()
	for range 30 {
		got, err := e.Append(ctx, one("i7", "2"))
		if err == nil {
			if !got[0].Duplicate || got[0].Position != 7 {
				t.Errorf("retry of 7: %+v", got[0])
			}
			return
		}
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	t.Fatal("appends do not resume")
}

// rotten returns a disk like indexed's whose index is gone and one of whose entries,
// in an old segment, does not check out.
func rotten(t *testing.T, n int, entry string) *durable.Mem {
	t.Helper()
	mem := indexed(t, n)
	for _, name := range indexFiles(mem) {
		check(t, mem.Remove(name))
	}
	for _, name := range mem.Names() {
		at := bytes.Index(mem.Bytes(name), []byte(`{"id":"`+entry+`"`))
		if !strings.HasSuffix(name, ".wal") || at < 0 {
			continue
		}
		change(mem, name, func(b []byte) []byte { b[at+8] ^= 1; return b })
		return mem
	}
	t.Fatalf("entry %s is nowhere", entry)
	return nil
}
