package native_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
	"github.com/google/go-cmp/cmp"
)

// nonsense makes a Describe say nothing of some ids.
func nonsense(ids ...string) engine.Describe {
	return func(f *engine.Facts, entry []byte) error {
		err := describe(f, entry)
		if err == nil && slices.Contains(ids, f.ID) {
			err = errors.New("nonsense")
		}
		return err
	}
}

// batchOf is a batch of records with the ids from one number to another.
func batchOf(from, to int) (b engine.Batch) {
	for i := from; i < to; i++ {
		b.Records = append(b.Records, record(fmt.Sprint("i", i), fmt.Sprint(i%5)))
	}
	return b
}

// gaps searches for what is nowhere, and returns the positions that had to be read and
// the damage that was met.
func gaps(t *testing.T, e *native.Engine) (read, damaged []engine.Position) {
	t.Helper()
	q := engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: "nothing"}}
	for x, err := range e.Search(ctx, q) {
		switch c := new(engine.CorruptError); {
		case errors.As(err, &c):
			for p := c.First; p < c.Next; p++ {
				damaged = append(damaged, p)
			}
		case err != nil:
			t.Fatal(err)
		default:
			read = append(read, x.Position)
		}
	}
	return read, damaged
}

// damageEntry flips a bit in the entry with an id.
func damageEntry(t *testing.T, mem *durable.Mem, id string) {
	t.Helper()
	for _, name := range mem.Names() {
		if at := strings.Index(string(mem.Bytes(name)), `{"id":"`+id+`"`); at > 0 && isSegment(name) {
			change(mem, name, flip(int64(at)+7))
			return
		}
	}
	t.Fatalf("entry %s is nowhere", id)
}

// TestReaderOpensAroundDamage: a reader of a journal of whose last entries some are
// damaged knows all others by its index, and reports those.
func TestReaderOpensAroundDamage(t *testing.T) {
	t.Parallel()
	every := func(from, to, step int) (all []int) {
		for i := from; i < to; i += step {
			all = append(all, i)
		}
		return all
	}
	for _, tt := range []struct {
		name string
		bad  []int
		most int // entries without an index that can be read
	}{
		{"one", []int{170}, 0},
		{"the first and the last", []int{0, 199}, 0},
		{"neighbours", []int{40, 41, 42, 60}, 0},
		{"every second of many", every(71, 131, 2), 0},
		{"more than it keeps apart", every(71, 191, 2), 100},
		{"more than it goes around", every(1, 200, 2), 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mem := durable.NewMem()
			e := open(t, mem)
			var want []engine.Position
			for i := range 20 {
				_, err := e.Append(ctx, batchOf(10*i, 10*i+10))
				check(t, err)
			}
			check(t, e.Close())
			for _, i := range tt.bad {
				damageEntry(t, mem, fmt.Sprint("i", i))
				want = append(want, engine.Position(i))
			}
			r := openReader(t, mem)
			read, damaged := gaps(t, r)
			if diff := cmp.Diff(want, damaged); diff != "" || len(read) > tt.most {
				t.Errorf("read for want of an index: %v; damaged (-want +got):\n%s", read, diff)
			}
			known := 0
			for _, c := range r.Damage() { // and their records
				if c.Next == c.First+1 && slices.Contains(tt.bad, int(c.First)) {
					known++
				}
			}
			if known != min(len(tt.bad), 64) {
				t.Errorf("%d entries are known to be damaged, want %d", known, len(tt.bad))
			}
			for i := range 200 {
				p, err := r.Find(ctx, "t", fmt.Sprint("i", i))
				if bad := slices.Contains(tt.bad, i); bad != isCorrupt(err) || !bad && (err != nil || p != engine.Position(i)) {
					t.Errorf("find i%d: position %d, %v", i, p, err)
				}
			}
		})
	}
}

// TestReaderTakesAroundDamage: so does one that meets damage in what a writer adds.
func TestReaderTakesAroundDamage(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		w := open(t, mem)
		_, err := w.Append(ctx, batchOf(0, 20))
		check(t, err)
		idle()
		o := testOptions(mem)
		o.LimitTails(64)
		o.Describe = nonsense("i22", "i25", "i26")
		r, err := native.OpenReader(o)
		check(t, err)
		defer r.Close()
		for i := range 3 {
			_, err := w.Append(ctx, batchOf(20+5*i, 25+5*i))
			check(t, err)
			idle()
			poll()
			if r.Size() != w.Size() {
				t.Fatalf("the reader has %d entries of %d", r.Size(), w.Size())
			}
		}
		// The bytes of what says nothing are sound: a search yields them.
		if read, damaged := gaps(t, r); !slices.Equal(read, []engine.Position{22, 25, 26}) || damaged != nil {
			t.Errorf("read for want of an index: %v, damaged: %v", read, damaged)
		}
	})
}
