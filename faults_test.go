package annals_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/annals-io/annals"
)

var faultSeed = flag.Uint64("faultseed", 0, "seed of the random damage; 0 = a new one")

// newRand returns a source of chance whose seed is printed.
func newRand(t testing.TB) *rand.Rand {
	seed := *faultSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed: -faultseed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestEveryByte flips every byte of a small journal, of its log and of every
// other file: each flip is found, and once it is undone the journal is sound.
func TestEveryByte(t *testing.T) {
	tj := newTestJournal(t, 2, 10, 2)
	r := newRand(t)
	for _, name := range tj.fileNames() {
		t.Run(name, func(t *testing.T) {
			sound, err := os.ReadFile(tj.path(name))
			check(t, err)
			f, err := os.OpenFile(tj.path(name), os.O_WRONLY, 0)
			check(t, err)
			defer f.Close()
			for at := range sound {
				masks := []byte{0x01, 0x80, byte(1 + r.IntN(255))}
				if !long() {
					masks = masks[at%3:][:1]
				}
				for _, mask := range masks {
					_, err := f.WriteAt([]byte{sound[at] ^ mask}, int64(at))
					check(t, err)
					v, err := annals.Verify(context.Background(), tj.dir, nil)
					if errors.Is(err, annals.ErrNewerFormat) {
						continue // refused, which is not OK either
					}
					if err != nil {
						t.Errorf("byte %d ^ %#02x (%q): %v", at, mask, sound[at], err)
					} else if v.OK {
						t.Errorf("byte %d ^ %#02x (%q): not found", at, mask, sound[at])
					}
				}
				_, err := f.WriteAt(sound[at:at+1], int64(at))
				check(t, err)
			}
			mustVerify(t, tj.dir)
		})
	}
}

// What Open does with a damaged journal.
const (
	readOnly = "opens for reading"
	refuses  = "refuses: not even reading is possible"
	unaware  = "opens: it reads the names of all segments and the contents of the last two, and finds damage elsewhere when it comes to it"
)

// damages are ways to damage a journal of several segments, in files that hold
// what was acknowledged or vouch for it. Each is found, and nothing but what it
// hides is lost to readers.
var damages = []struct {
	name   string // with the number of the test in the list of faults, if it has one
	damage func(tj *testJournal)

	problem string // part of what Verify says
	open    string // what Open does
	whole   bool   // all entries stay readable
}{
	{"14 bit flip in an entry of a sealed segment", flipIn(1, "entry"), "checksum does not match", readOnly, false},
	{"15 bit flip in a record length", flipIn(1, "length"), "record checksum does not match", readOnly, false},
	{"bit flip in a record hash", flipIn(1, "hash"), "record checksum does not match", readOnly, false},
	{"bit flip in a segment header", flipIn(1, "header"), "header checksum", unaware, true},
	{"bit flip in the newest segment", flipIn(-1, "entry"), "checksum does not match", readOnly, false},
	{"18 zeroed page in a sealed segment", zeroPage(1), "", readOnly, false},
	{"18 zeroed page in the newest segment", zeroPage(-1), "", readOnly, false},
	{"19 stale page", stalePage, "", readOnly, false},
	{"20 misdirected write", misdirected, "", readOnly, false},
	{"20 segments swapped", swapped, "was written as", readOnly, false},
	{"21 newest segment cut at a record", cut(-1, "record"), "records end early; durable up to", readOnly, false},
	{"newest segment cut by a byte", cut(-1, "byte"), "durable up to", readOnly, false},
	{"sealed segment cut by a byte", cut(1, "byte"), "its successor says", readOnly, false},
	{"sealed segment emptied", cut(1, "all"), "unknown magic", readOnly, false},
	{"22 first segment missing", removed(0), "missing", readOnly, false},
	{"22 middle segment missing", removed(1), "missing", readOnly, false},
	{"22 newest segment missing", removed(-1), "missing", readOnly, false},
	{"all segments missing", func(tj *testJournal) {
		for range tj.segments() {
			removed(0)(tj)
		}
	}, "log is empty", readOnly, false},
	{"log missing", func(tj *testJournal) { check(tj.t, os.RemoveAll(tj.path("log"))) }, "directory is missing", readOnly, false},
	{"23 segment duplicated", func(tj *testJournal) { duplicate(tj, "log/00000001-00000000000fffff.wal") }, "same ordinal", readOnly, true},
	{"23 segment duplicated behind the newest", func(tj *testJournal) { duplicate(tj, "log/00000009-00000000000fffff.wal") }, "was written as", readOnly, true},
	{"segment of another journal", otherJournal, "belongs to journal", readOnly, false},
	{"journal.json flipped", flipFile("journal.json", 20), "checksum", refuses, false},
	{"journal.json cut", cutFile("journal.json"), "checksum", refuses, false},
	{"journal.json longer", growFile("journal.json"), "checksum", refuses, false},
	{"journal.json missing", removeFile("journal.json"), "file is missing", refuses, false},
	{"state flipped", flipFile("state", 20), "checksum", readOnly, true},
	{"state cut", cutFile("state"), "checksum", readOnly, true},
	{"state longer", growFile("state"), "checksum", readOnly, true},
	{"checkpoint flipped", flipFile("checkpoint", 20), "checkpoint", readOnly, true},
	{"checkpoint cut", cutFile("checkpoint"), "checkpoint", readOnly, true},
	{"checkpoint longer", growFile("checkpoint"), "checkpoint", readOnly, true},
	{"tiles ahead of the log", func(tj *testJournal) { growBy(tj, "tiles/level-0", 32) }, "rolled back by 1", readOnly, true},
	{"secret key flipped", flipFile("keys/checkpoint.key", 60), "", readOnly, true},
	{"secret key cut", cutFile("keys/checkpoint.key"), "not one line", readOnly, true},
	{"secret key longer", growFile("keys/checkpoint.key"), "not one line", readOnly, true},
	{"secret key missing", removeFile("keys/checkpoint.key"), "file is missing", readOnly, true},
	{"public key flipped", flipFile("keys/checkpoint.vkey", 60), "", readOnly, true},
	{"public key missing", removeFile("keys/checkpoint.vkey"), "file is missing", readOnly, true},
	{"another journal's keys", otherKeys, "checkpoint", readOnly, true},
}

// TestDamage damages a journal in every way of the list.
func TestDamage(t *testing.T) {
	sound := newTestJournal(t, 300, 1000, 6)
	if n := len(sound.segments()); n < 5 {
		t.Fatalf("%d segments", n)
	}
	for _, tt := range damages {
		t.Run(tt.name, func(t *testing.T) {
			tj := sound.copyTo(t)
			tt.damage(tj)
			o := tj.checkDamaged()
			t.Logf("Verify: %v", o.problems)
			t.Logf("Open: %s, %v, gaps %v", o.open, o.damage, o.gaps)
			if !strings.Contains(strings.Join(o.problems, "\n"), tt.problem) {
				t.Errorf("Verify does not say %q", tt.problem)
			}
			if o.open != tt.open {
				t.Errorf("Open: %s, want %s", o.open, tt.open)
			}
			whole := o.open != refuses && (len(o.gaps) == 0 || int(o.gaps[0].First) >= len(tj.want))
			if whole != tt.whole {
				t.Errorf("gaps are %v", o.gaps)
			}
		})
	}
}

// segment returns the name of the nth segment, from the end if n is negative.
func (tj *testJournal) segment(n int) string {
	names := tj.segments()
	if n < 0 {
		n += len(names)
	}
	return names[n]
}

// records returns where the records of a segment start, and where the last ends.
func records(b []byte) []int {
	var at []int
	off := 128
	for off+80 <= len(b) && binary.LittleEndian.Uint32(b[off:]) != 0 {
		at = append(at, off)
		off += (40 + int(binary.LittleEndian.Uint32(b[off:])) + 7) &^ 7
	}
	return append(at, off)
}

// flipIn flips a bit of the nth segment, in a record in its middle.
func flipIn(n int, what string) func(*testJournal) {
	return func(tj *testJournal) {
		tj.edit(tj.segment(n), func(b []byte) []byte {
			at := records(b)
			rec := at[len(at)/2]
			b[map[string]int{"entry": rec + 100, "length": rec + 1, "hash": rec + 30, "header": 41}[what]] ^= 0x10
			return b
		})
	}
}

func zeroPage(n int) func(*testJournal) {
	return func(tj *testJournal) {
		tj.edit(tj.segment(n), func(b []byte) []byte { clear(b[8<<10 : 12<<10]); return b })
	}
}

// stalePage puts back a page as it was before the last records were written:
// zeros from some record on.
func stalePage(tj *testJournal) {
	tj.edit(tj.segment(1), func(b []byte) []byte {
		at := records(b)
		rec := at[len(at)/2]
		clear(b[rec : (rec+4095)&^4095])
		return b
	})
}

// misdirected writes a page of one segment to the same place in another.
func misdirected(tj *testJournal) {
	from, err := os.ReadFile(tj.path(tj.segment(1)))
	check(tj.t, err)
	tj.edit(tj.segment(2), func(b []byte) []byte { copy(b[8<<10:12<<10], from[8<<10:]); return b })
}

func swapped(tj *testJournal) {
	a, b, temp := tj.path(tj.segment(1)), tj.path(tj.segment(2)), tj.path("temp")
	check(tj.t, os.Rename(a, temp))
	check(tj.t, os.Rename(b, a))
	check(tj.t, os.Rename(temp, b))
}

func cut(n int, what string) func(*testJournal) {
	return func(tj *testJournal) {
		tj.edit(tj.segment(n), func(b []byte) []byte {
			at := records(b)
			return b[:map[string]int{"record": at[len(at)-2], "byte": len(b) - 1, "all": 0}[what]]
		})
	}
}

func removed(n int) func(*testJournal) {
	return func(tj *testJournal) { check(tj.t, os.Remove(tj.path(tj.segment(n)))) }
}

// duplicate copies the second segment to another name.
func duplicate(tj *testJournal, name string) {
	b, err := os.ReadFile(tj.path(tj.segment(1)))
	check(tj.t, err)
	check(tj.t, os.WriteFile(tj.path(name), b, 0o600))
}

// otherJournal replaces the first segment by that of another journal with the
// same events.
func otherJournal(tj *testJournal) {
	other := newTestJournal(tj.t, 300, 1000, 6)
	b, err := os.ReadFile(other.path(other.segment(0)))
	check(tj.t, err)
	tj.edit(tj.segment(0), func([]byte) []byte { return b })
}

func otherKeys(tj *testJournal) {
	other := newTestJournal(tj.t, 1, 1, 1)
	for _, name := range []string{"keys/checkpoint.key", "keys/checkpoint.vkey"} {
		b, err := os.ReadFile(other.path(name))
		check(tj.t, err)
		tj.edit(name, func([]byte) []byte { return b })
	}
}

func flipFile(name string, at int) func(*testJournal) {
	return func(tj *testJournal) { tj.edit(name, func(b []byte) []byte { b[at] ^= 1; return b }) }
}

func cutFile(name string) func(*testJournal) {
	return func(tj *testJournal) { tj.edit(name, func(b []byte) []byte { return b[:len(b)-1] }) }
}

func growFile(name string) func(*testJournal) {
	return func(tj *testJournal) { tj.edit(name, func(b []byte) []byte { return append(b, '\n') }) }
}

func growBy(tj *testJournal, name string, n int) {
	tj.edit(name, func(b []byte) []byte { return append(b, make([]byte, n)...) })
}

func removeFile(name string) func(*testJournal) {
	return func(tj *testJournal) { check(tj.t, os.Remove(tj.path(name))) }
}

// TestDurabilityNamesTests looks for the tests that docs/durability.md names.
func TestDurabilityNamesTests(t *testing.T) {
	doc, err := os.ReadFile("docs/durability.md")
	check(t, err)
	var code strings.Builder
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "engine/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		check(t, err)
		for _, file := range files {
			b, err := os.ReadFile(file)
			check(t, err)
			code.Write(b)
		}
	}
	names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(doc), -1)
	if len(names) < 50 {
		t.Fatalf("docs/durability.md names %d tests", len(names))
	}
	for _, name := range names {
		if !strings.Contains(code.String(), "\nfunc "+name[1]+"(t *testing.T)") {
			t.Errorf("docs/durability.md names %s, which does not exist", name[1])
		}
	}
}
