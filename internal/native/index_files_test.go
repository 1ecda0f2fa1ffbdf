package native_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// TestCloseWritesIndex: what is in memory at Close is written if it is much, and
// then the next opening describes no entry and writes nothing.
func TestCloseWritesIndex(t *testing.T) {
	t.Parallel()
	const tail = 64
	for _, tt := range []struct {
		entries, files, described int
	}{
		{tail/16 - 1, 0, tail/16 - 1},
		{tail / 16, 1, 0},
		{tail - 1, 1, 0},
		{tail, 1, 0},
		{tail + 1, 1, 1},
		{tail + tail/16, 2, 0},
	} {
		t.Run(fmt.Sprint(tt.entries), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				mem := durable.NewMem()
				var described atomic.Int64
				var ops tracer
				o := testOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
					if op.Kind.Mutates() && inIndex(op) {
						ops.add("%v", op)
					}
					return durable.Fault{}
				}))
				o.LimitTails(tail)
				o.Describe = func(f *engine.Facts, entry []byte) error {
					described.Add(1)
					return describe(f, entry)
				}
				e := openWith(t, o)
				for i := range tt.entries {
					appendOne(t, e, fmt.Sprint(i), "x")
				}
				check(t, e.Close())
				if n := len(indexFiles(mem)); n != tt.files {
					t.Errorf("the index has %d files, want %d", n, tt.files)
				}
				closed := ops.lines()
				described.Store(0)
				e = openWith(t, o)
				synctest.Wait()
				if n := described.Load(); n != int64(tt.described) {
					t.Errorf("opening describes %d entries, want %d", n, tt.described)
				}
				if more := strings.TrimPrefix(ops.lines(), closed); more != "" {
					t.Errorf("opening writes to the index:\n%s", more)
				}
				s, err := readAll(e)
				check(t, err)
				check(t, s.answers(e))
				check(t, e.Close())
			})
		})
	}
}

// TestIndexOfLaterVersion: a file of the index that a later program wrote is left
// alone by opening, and the journal goes on without it.
func TestIndexOfLaterVersion(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := indexed(t, 90)
		name := indexFiles(mem)[0]
		change(mem, name, func(b []byte) []byte {
			b[8]++ // the version, see docs/format.md
			binary.LittleEndian.PutUint32(b[124:], crc32.Checksum(b[:124], crc32.MakeTable(crc32.Castagnoli)))
			return b
		})
		later := string(mem.Bytes(name))
		e := openWith(t, scriptOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if op.Kind == durable.OpRemove && op.Name == name {
				t.Errorf("%v", op)
			}
			return durable.Fault{}
		})))
		if string(mem.Bytes(name)) != later {
			t.Error("opening changed it")
		}
		s, err := readAll(e)
		check(t, err)
		check(t, s.answers(e))
		checkAppends(t, e, 90)
		check(t, e.Close())
		e = openWith(t, scriptOptions(mem))
		s, err = readAll(e)
		check(t, err)
		check(t, s.answers(e))
		check(t, e.Close())
	})
}

// TestForeignIndexFiles: another journal's files in the index are not used, stay,
// and are reported by Verify.
func TestForeignIndexFiles(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem, other := indexed(t, 90), indexed(t, 95)
		foreign := "index/0000000000000001-0000000000000059.idx"
		mem.SetBytes(foreign, other.Bytes(indexFiles(other)[0]))
		rep, err := native.Verify(ctx, mem, native.Visitor{})
		check(t, err)
		if len(rep.Problems) != 1 || rep.Problems[0].Path != foreign || rep.Entries != 90 {
			t.Errorf("verify reports %v", rep.Problems)
		}
		e := openWith(t, scriptOptions(mem))
		if n := unindexed(t, e); n != 0 || len(e.Damage()) > 0 {
			t.Errorf("%d entries have no index, damage %v", n, e.Damage())
		}
		s, err := readAll(e)
		check(t, err)
		check(t, s.answers(e))
		checkAppends(t, e, 90)
		check(t, e.Close())
		if string(mem.Bytes(foreign)) != string(other.Bytes(indexFiles(other)[0])) {
			t.Error("the foreign file has changed")
		}
	})
}

// TestPolicies: what was indexed under one policy is found under another.
func TestPolicies(t *testing.T) {
	t.Parallel()
	covers := func(policy, field string) bool {
		return field == "" || field[0] == '~' || policy == "all" || policy != "none" && policy == field
	}
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		n := 0
		for _, policy := range []string{"all", "none", "end", "other", "all", "none"} {
			o := scriptOptions(mem)
			o.Policy, o.Covers = policy, covers
			o.Describe = func(f *engine.Facts, entry []byte) error {
				err := describe(f, entry)
				f.Terms = slices.DeleteFunc(f.Terms, func(t engine.Term) bool { return !covers(policy, t.Field) })
				return err
			}
			e := openWith(t, o)
			for range 37 {
				r := record(fmt.Sprint("i", n), fmt.Sprint(n%3))
				r.Terms = slices.DeleteFunc(r.Terms, func(t engine.Term) bool { return !covers(policy, t.Field) })
				_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{r}})
				check(t, err)
				n++
			}
			synctest.Wait()
			s, err := readAll(e)
			check(t, err)
			check(t, s.answers(e))
			check(t, e.Close())
		}
		o := scriptOptions(mem)
		o.Policy, o.Covers = "all", covers
		e := openWith(t, o)
		found := 0
		for _, err := range e.Search(ctx, engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: "nothing"}}) {
			check(t, err)
			found++
		}
		if want := 3 * 37; found != want { // of the policies that lack the field
			t.Errorf("a search for what is nowhere yields %d entries, want %d", found, want)
		}
		check(t, e.Close())
	})
}
