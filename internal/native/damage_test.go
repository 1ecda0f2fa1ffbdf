package native_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// newest returns the name of the newest segment on a disk.
func newest(mem *durable.Mem) string {
	names := slices.DeleteFunc(mem.Names(), func(name string) bool { return !isSegment(name) })
	return names[len(names)-1]
}

// A span is where a record lies in a segment.
type span struct{ off, end int64 }

// records returns the places of a segment's records, markers included.
func records(data []byte) []span {
	var all []span
	for off := int64(128); off+80 <= int64(len(data)); {
		n := int64(binary.LittleEndian.Uint32(data[off:]))
		if n == 0 {
			break
		}
		end := off + (40+n+7)&^7
		all = append(all, span{off, end})
		off = end
	}
	return all
}

// change edits a file as rot or an intruder would.
func change(mem *durable.Mem, name string, edit func([]byte) []byte) {
	mem.SetBytes(name, edit(mem.Bytes(name)))
}

// flip inverts one bit.
func flip(off int64) func([]byte) []byte {
	return func(b []byte) []byte { b[off] ^= 4; return b }
}

// mustBeDamaged opens a journal, which must report damage, refuse appends with
// it, go on reading what is sound, and leave every byte as it is.
func mustBeDamaged(t *testing.T, mem *durable.Mem, readable int) []*engine.CorruptError {
	t.Helper()
	before := contents(mem)
	e := open(t, mem)
	damage := e.Damage()
	if len(damage) == 0 {
		t.Fatalf("no damage reported; recovery %+v, size %d", e.Recovery(), e.Size())
	}
	_, err := e.Append(ctx, one("new", ""))
	if c := new(engine.CorruptError); !errors.As(err, &c) {
		t.Fatalf("append to a damaged journal: got %v, want a CorruptError", err)
	}
	n, gaps := 0, 0
	for _, err := range e.Scan(ctx, 0, e.Size()) {
		if c := new(engine.CorruptError); errors.As(err, &c) {
			gaps++
			continue
		}
		check(t, err)
		n++
	}
	if n < readable {
		t.Errorf("%d entries are readable, want %d at least", n, readable)
	}
	if uint64(n) < uint64(e.Size()) && gaps == 0 {
		t.Errorf("%d of %d entries are readable and no gap is named", n, e.Size())
	}
	check(t, e.Close())
	for name, data := range before {
		if string(mem.Bytes(name)) != data {
			t.Errorf("opening changed %s, which is evidence", name)
		}
	}
	return damage
}

func contents(mem *durable.Mem) map[string]string {
	all := make(map[string]string)
	for _, name := range mem.Names() {
		if name != "LOCK" {
			all[name] = string(mem.Bytes(name))
		}
	}
	return all
}

// write appends n records, one at a time, and calls then, all in a bubble.
// It leaves the disk as it is after the power went with nothing unsynced kept.
func write(t *testing.T, n int, then func(e *native.Engine)) *durable.Mem {
	t.Helper()
	mem := durable.NewMem()
	var after *durable.Mem
	bubble(t, func(t *testing.T) {
		e := open(t, mem)
		for i := range n {
			appendOne(t, e, fmt.Sprintf("%04d", i), "x")
		}
		if then != nil {
			then(e)
		}
		after = mem.Crash(durable.Cut{})
		e.Close()
	})
	return after
}

func idleThen(*native.Engine) { idle() }

// TestFault16BitFlipInLastGroupWithMarker flips each bit of each byte of the last
// acknowledged group: with the idle marker behind it every flip is corruption.
func TestFault16BitFlipInLastGroupWithMarker(t *testing.T) {
	t.Parallel()
	mem := write(t, 3, idleThen)
	name := newest(mem)
	all := records(mem.Bytes(name))
	if len(all) != 4 {
		t.Fatalf("%d records, want three and a marker", len(all))
	}
	for off := all[2].off; off < all[2].end; off++ {
		rotten := mem.Crash(durable.KeepAll)
		change(rotten, name, flip(off))
		e := open(t, rotten)
		if len(e.Damage()) == 0 {
			t.Fatalf("flip of byte %d was not seen: %+v", off, e.Recovery())
		}
		if d := e.Damage()[0]; d.Path != name || d.Offset != all[2].off || d.First != 2 {
			t.Fatalf("flip of byte %d: damage is %+v", off, d)
		}
		check(t, e.Close())
	}
	change(mem, name, flip(all[2].off+90))
	mustBeDamaged(t, mem, 2)
}

// TestFault17BitFlipInLastGroupWithoutMarker is the rest that the marker leaves:
// without one the flip cannot be told from an unfinished write. It is reported as
// such, the bytes are kept, and the receipt proves the loss. That the same flip
// is found with the marker shows that the marker is needed.
func TestFault17BitFlipInLastGroupWithoutMarker(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		name string
		then func(*native.Engine)
		skip func() func(durable.Op) bool
	}{
		{"crash before it was due", nil, nil},
		{"marker not written", idleThen, skipMarkerWrite},
		{"marker not synced", idleThen, skipMarkerSync},
	} {
		t.Run(m.name, func(t *testing.T) {
			disk := durable.NewMem()
			var mem *durable.Mem
			var receipt engine.Receipt
			bubble(t, func(t *testing.T) {
				var fsys durable.FS = disk
				if m.skip != nil {
					fsys = newTracked(disk, m.skip())
				}
				e := open(t, fsys)
				for i := range 3 {
					receipt = appendOne(t, e, fmt.Sprint(i), "x")
				}
				if m.then != nil {
					m.then(e)
				}
				mem = disk.Crash(durable.Cut{})
				e.Close()
			})
			name := newest(mem)
			last := records(mem.Bytes(name))[2]
			change(mem, name, flip(last.off+90))
			e := open(t, mem)
			defer e.Close()
			rec := e.Recovery()
			if len(e.Damage()) != 0 || rec == nil || rec.TornBytes < last.end-last.off-8 {
				t.Fatalf("damage %v, recovery %+v", e.Damage(), rec)
			}
			if n := len(mem.Bytes("log/" + rec.TornFile)); int64(n) != rec.TornBytes {
				t.Errorf("torn file has %d bytes, want %d", n, rec.TornBytes)
			}
			if _, err := e.Read(ctx, receipt.Position); !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("read of the receipt's position: got %v, want ErrNotFound: the loss is provable", err)
			}
		})
	}
}

// markerBytes is the length of a record without entries.
const markerBytes = 80

func isMarker(op durable.Op) bool {
	return op.Kind == durable.OpWrite && op.Len == markerBytes && isSegment(op.Name)
}

func skipMarkerWrite() func(durable.Op) bool { return isMarker }

func skipMarkerSync() func(durable.Op) bool {
	after := false
	return func(op durable.Op) bool {
		was := after
		after = isMarker(op)
		return was && op.Kind == durable.OpSync
	}
}

// TestMutationRecoveryMarker shows that the marker at the end of a recovered
// segment is needed: with it rot in what was recovered is corruption, without it
// looks like an unfinished write.
func TestMutationRecoveryMarker(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		name    string
		skip    func(durable.Op) bool
		damaged bool
	}{
		{"with marker", nil, true},
		{"marker not written", skipMarkerWrite(), false},
		{"marker not synced", skipMarkerSync(), false},
	} {
		t.Run(m.name, func(t *testing.T) {
			mem := write(t, 3, nil)
			var after *durable.Mem
			bubble(t, func(t *testing.T) {
				e := open(t, newTracked(mem, m.skip))
				if r := e.Recovery(); r == nil || r.Rewritten == 0 {
					t.Fatalf("recovery is %+v", r)
				}
				after = mem.Crash(durable.Cut{})
				e.Close()
			})
			name := newest(after)
			change(after, name, flip(records(after.Bytes(name))[0].off+90))
			e := open(t, after)
			defer e.Close()
			if got := len(e.Damage()) > 0; got != m.damaged {
				t.Errorf("damage reported: %v, want %v; %+v", got, m.damaged, e.Recovery())
			}
		})
	}
}

// TestFault09SyncLies: from some moment on, syncs of segments return nil and do
// nothing. After a power cut whatever else survived vouches for what is lost.
func TestFault09SyncLies(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		name   string
		then   func(*native.Engine)
		proven bool
	}{
		{"checkpoint survived", func(e *native.Engine) { e.Checkpoint(ctx) }, true},
		{"state survived", func(e *native.Engine) { e.Close() }, true},
		{"nothing later survived", func(*native.Engine) {}, false},
	} {
		t.Run(m.name, func(t *testing.T) {
			disk := durable.NewMem()
			var mem *durable.Mem
			bubble(t, func(t *testing.T) {
				e := open(t, newTracked(disk, func(op durable.Op) bool {
					return op.Kind == durable.OpSync && isSegment(op.Name)
				}))
				for i := range 5 {
					appendOne(t, e, fmt.Sprint(i), "x")
				}
				m.then(e)
				mem = disk.Crash(durable.Cut{})
				e.Close()
			})
			if m.proven {
				mustBeDamaged(t, mem, 1)
				return
			}
			e := open(t, mem)
			defer e.Close()
			if e.Recovery() == nil || e.Size() != 1 {
				t.Errorf("recovery %+v, size %d: want a report and one entry", e.Recovery(), e.Size())
			}
		})
	}
}

// TestFault19StalePage puts an older version of a block back.
func TestFault19StalePage(t *testing.T) {
	t.Parallel()
	const at, size = 4096, 512
	mem := durable.NewMem()
	var name, stale string
	bubble(t, func(t *testing.T) {
		e := open(t, mem)
		for i := 0; len(stale) == 0; i++ {
			appendOne(t, e, fmt.Sprintf("%04d", i), "x")
			name = newest(mem)
			all := records(mem.Bytes(name))
			if end := all[len(all)-1].end; end > at+100 && end < at+size {
				stale = string(mem.Bytes(name)[at : at+size])
			} else if end >= at+size {
				t.Fatal("no append ends inside the page")
			}
		}
		for i := range 8 {
			appendOne(t, e, fmt.Sprint("later", i), "x")
		}
		check(t, e.Close())
	})
	change(mem, name, func(b []byte) []byte { copy(b[at:], stale); return b })
	mustBeDamaged(t, mem, 10)
}

// TestFault20MisdirectedWrite puts a block of one segment into another, where its
// records have the right offsets and checksums, but belong elsewhere.
func TestFault20MisdirectedWrite(t *testing.T) {
	t.Parallel()
	mem := durable.NewMem()
	bubble(t, func(t *testing.T) {
		e := open(t, mem)
		for i := range 200 {
			appendOne(t, e, fmt.Sprintf("%04d", 1000+i), "")
		}
		check(t, e.Close())
	})
	var names []string
	for _, n := range mem.Names() {
		if isSegment(n) {
			names = append(names, n)
		}
	}
	if len(names) < 3 {
		t.Fatalf("%d segments are too few", len(names))
	}
	from, to := mem.Bytes(names[0]), names[len(names)-2]
	block := records(from)[5]
	for _, whole := range []bool{true, false} {
		broken := mem.Crash(durable.KeepAll)
		change(broken, to, func(b []byte) []byte {
			if whole {
				copy(b[4096:8192], from[4096:8192])
			} else {
				copy(b[block.off:block.end], from[block.off:block.end])
			}
			return b
		})
		mustBeDamaged(t, broken, 100)
	}
}

// TestFault21TruncatedAtRecordBoundary cuts the newest segment where a record
// ends. Whatever else is on the disk says that there was more.
func TestFault21TruncatedAtRecordBoundary(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(*native.Engine){
		"state":      func(e *native.Engine) { e.Close() },
		"checkpoint": func(e *native.Engine) { e.Checkpoint(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			mem := write(t, 6, then)
			log := newest(mem)
			for i, r := range records(mem.Bytes(log))[:5] {
				cut := mem.Crash(durable.KeepAll)
				change(cut, log, func(b []byte) []byte { return b[:r.end] })
				mustBeDamaged(t, cut, i+1)
			}
		})
	}
}

// TestFault24RolledBack puts an older log under a newer checkpoint.
func TestFault24RolledBack(t *testing.T) {
	t.Parallel()
	mem := durable.NewMem()
	var old *durable.Mem
	bubble(t, func(t *testing.T) {
		e := open(t, mem)
		for i := range 4 {
			appendOne(t, e, fmt.Sprint(i), "x")
		}
		check(t, e.Close())
		old = mem.Crash(durable.KeepAll)
		e = open(t, mem)
		for i := range 3 {
			appendOne(t, e, fmt.Sprint("later", i), "x")
		}
		check(t, e.Close())
	})
	for _, name := range []string{newest(mem), "state", "tiles/level-0"} {
		mem.SetBytes(name, old.Bytes(name))
	}
	damage := mustBeDamaged(t, mem, 4)
	if text := damage[0].Error(); !strings.Contains(text, "rolled back by 3") {
		t.Errorf("damage is %q", text)
	}
}

// TestFault25PreallocatedZeros: zeros behind the last record are a clean end.
func TestFault25PreallocatedZeros(t *testing.T) {
	t.Parallel()
	mem := write(t, 3, idleThen)
	data := mem.Bytes(newest(mem))
	if all := records(data); int64(len(data)) <= all[len(all)-1].end {
		t.Fatal("nothing is preallocated")
	}
	e := open(t, mem)
	defer e.Close()
	if r := e.Recovery(); len(e.Damage()) > 0 || r == nil || r.TornBytes != 0 || e.Size() != 3 {
		t.Errorf("damage %v, recovery %+v, size %d", e.Damage(), r, e.Size())
	}
}

// TestFault26ReadErrors: what could not be read is an error, never zeros, and no
// damage either; it is there again when the disk answers.
func TestFault26ReadErrors(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]durable.Fault{
		"error":           {Err: syscall.EIO},
		"part and error":  {Err: syscall.EIO, Short: 30},
		"part":            {Short: 5},
		"part of a whole": {Short: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			var broken bool
			mem := durable.NewMem()
			e := open(t, durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
				if broken && op.Kind == durable.OpRead {
					return fault
				}
				return durable.Fault{}
			}))
			b := engine.Batch{Records: []engine.Record{paddedRecord("a", "x", 3000)}}
			got, err := e.Append(ctx, b)
			check(t, err)
			broken = true
			if entry, err := e.Read(ctx, 0); err == nil && entry.Hash() != got[0].Hash {
				t.Error("read returns bytes that are not the entry's")
			}
			for entry, err := range e.Scan(ctx, 0, 1) {
				if err == nil && entry.Hash() != got[0].Hash {
					t.Error("scan yields bytes that are not the entry's")
				}
			}
			if _, err := e.Append(ctx, b); err != nil && !errors.Is(err, engine.ErrUnavailable) && !isCorrupt(err) {
				t.Errorf("retry while reads fail: %v", err)
			}
			broken = false
			entry, err := e.Read(ctx, 0)
			check(t, err)
			if entry.Hash() != got[0].Hash {
				t.Error("entry changed")
			}
			check(t, e.Close())
		})
	}
}

func isCorrupt(err error) bool {
	var c *engine.CorruptError
	return errors.As(err, &c)
}
