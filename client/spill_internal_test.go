package client

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

var spillSeed = flag.Uint64("spill-seed", 1, "seed of the random tests of spill files")

func checkErr(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openMem opens the spill of a file system in memory.
func openMem(t *testing.T, fsys durable.FS) *spill {
	t.Helper()
	s, err := newSpill(fsys)
	checkErr(t, err)
	return s
}

// texts returns events with the numbers from to to.
func texts(from, to int) [][]byte {
	var out [][]byte
	for i := from; i < to; i++ {
		out = append(out, fmt.Appendf(nil, `{"id":"%d","type":"a","data":"%s"}`, i, strings.Repeat("x", i%90)))
	}
	return out
}

// drain reads everything, in runs of most events, and returns it.
func drain(t *testing.T, s *spill, most int) (got [][]byte, damaged int) {
	t.Helper()
	for !s.isEmpty() {
		r, err := s.read(most, 1<<20)
		checkErr(t, err)
		got = append(got, r.texts...)
		damaged += r.damaged
		checkErr(t, s.delivered(r))
	}
	return got, damaged
}

// spillNames lists the files.
func spillNames(t *testing.T, fsys durable.FS) (names []string) {
	t.Helper()
	infos, err := fsys.ReadDir(".")
	checkErr(t, err)
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return names
}

// TestSpillFormat pins the bytes of a spill file.
func TestSpillFormat(t *testing.T) {
	fsys := durable.NewMem()
	s := openMem(t, fsys)
	checkErr(t, s.append([]byte(`{"id":"1","type":"a"}`), []byte(`{"id":"2","type":"b"}`)))
	want := "annals-spill 1\n00000015 5ee775b4 {\"id\":\"1\",\"type\":\"a\"}\n00000015 48c04a0d {\"id\":\"2\",\"type\":\"b\"}\n"
	f, err := fsys.Open("0000000000000001.spill")
	checkErr(t, err)
	got := make([]byte, len(want)+1)
	n, _ := f.ReadAt(got, 0)
	if diff := cmp.Diff(want, string(got[:n])); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if s.size() != int64(len(want)) {
		t.Errorf("size is %d, want %d", s.size(), len(want))
	}
}

// TestSpillQueue appends and reads in turn, over several files and two processes.
func TestSpillQueue(t *testing.T) {
	fsys := durable.NewMem()
	s := openMem(t, fsys)
	all := texts(0, 100)
	for i, text := range all {
		if i%30 == 29 {
			s.files[len(s.files)-1].sealed = true
		}
		checkErr(t, s.append(text))
	}
	r, err := s.read(40, 1<<20)
	checkErr(t, err)
	checkErr(t, s.delivered(r)) // the first file
	checkErr(t, s.close())

	s = openMem(t, fsys)
	if !s.hasOld() {
		t.Error("nothing of the earlier process is left")
	}
	more := texts(100, 110)
	checkErr(t, s.append(more...))
	got, damaged := drain(t, s, 7)
	want := append(append([][]byte(nil), all[len(r.texts):]...), more...)
	if diff := cmp.Diff(want, got); diff != "" || damaged != 0 {
		t.Errorf("events (-want +got), %d damaged:\n%s", damaged, diff)
	}
	if s.size() != 0 || s.hasOld() {
		t.Errorf("%d bytes are left", s.size())
	}
	if diff := cmp.Diff([]string{"LOCK"}, spillNames(t, fsys)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestSpillLocked refuses a second process.
func TestSpillLocked(t *testing.T) {
	dir := t.TempDir()
	s, err := openSpill(dir)
	checkErr(t, err)
	if _, err := openSpill(dir); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("second opening: %v", err)
	}
	checkErr(t, s.close())
	s, err = openSpill(dir)
	checkErr(t, err)
	checkErr(t, s.close())
}

// put makes a file.
func put(t *testing.T, fsys durable.FS, name, text string) {
	t.Helper()
	f, err := fsys.Create(name)
	checkErr(t, err)
	_, err = f.WriteAt([]byte(text), 0)
	checkErr(t, errors.Join(err, f.Close()))
}

// TestSpillDamage reads files that do not check out.
func TestSpillDamage(t *testing.T) {
	line := func(i int) string { return string(appendSpillLine(nil, texts(i, i+1)[0])) }
	tests := []struct {
		name    string
		text    string
		want    [][]byte
		damaged int
		err     string // of opening
	}{
		{"sound", spillHeader + line(0) + line(1), texts(0, 2), 0, ""},
		{"empty", "", nil, 0, ""},
		{"part of the first line", "annals-sp", nil, 0, ""},
		{"zeros", "\x00\x00\x00", nil, 0, ""},
		{"last line without its end", spillHeader + line(0) + line(1)[:30], texts(0, 1), 0, ""},
		{"zeros at the end", spillHeader + line(0) + strings.Repeat("\x00", 50), texts(0, 1), 0, ""},
		{"a changed event", spillHeader + line(0) + strings.Replace(line(1), "type", "typo", 1) + line(2), append(texts(0, 1), texts(2, 3)...), 1, ""},
		{"a changed length", spillHeader + "1" + line(0)[1:] + line(1), texts(1, 2), 1, ""},
		{"no prefix", spillHeader + "x\n" + line(1), texts(1, 2), 1, ""},
		{"no number", spillHeader + "zz" + line(0)[2:] + line(1), texts(1, 2), 1, ""},
		{"newer", "annals-spill 2\n", nil, 0, "newer"},
		{"another", "something else\n", nil, 0, "no spill file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := durable.NewMem()
			put(t, fsys, "0000000000000007.spill", tt.text)
			put(t, fsys, "7.spill", "not ours")
			s, err := newSpill(fsys)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error is %v, want %s", err, tt.err)
				}
				_, err := newSpill(fsys) // the lock is free again
				if errors.Is(err, durable.ErrLocked) {
					t.Error(err)
				}
				return
			}
			checkErr(t, err)
			got, damaged := drain(t, s, 10)
			if diff := cmp.Diff(tt.want, got); diff != "" || damaged != tt.damaged {
				t.Errorf("%d damaged, want %d; events (-want +got):\n%s", damaged, tt.damaged, diff)
			}
			names := []string{"7.spill", "LOCK"}
			if tt.damaged > 0 {
				names = append([]string{"0000000000000007.spill.damaged"}, names...)
			}
			if diff := cmp.Diff(names, spillNames(t, fsys)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			checkErr(t, s.append(texts(9, 10)...)) // in a later file
			if got, _ := drain(t, s, 1); len(got) != 1 {
				t.Errorf("then %d events", len(got))
			}
		})
	}
}

// TestSpillCrash cuts the power at random moments: what was appended and not delivered is
// there afterwards, in order, and what comes twice was delivered before.
func TestSpillCrash(t *testing.T) {
	for round := range uint64(200) {
		seed := *spillSeed + round
		random := rand.New(rand.NewPCG(seed, 0))
		fsys := durable.NewMem()
		s := openMem(t, fsys)
		appended, delivered := 0, 0
		for range 1 + random.IntN(40) {
			switch n := 1 + random.IntN(5); {
			case random.IntN(8) == 0 && !s.isEmpty():
				s.mu.Lock()
				s.files[len(s.files)-1].sealed = true
				s.mu.Unlock()
			case random.IntN(3) > 0:
				checkErr(t, s.append(texts(appended, appended+n)...))
				appended += n
			case !s.isEmpty():
				r, err := s.read(n, 1<<20)
				checkErr(t, err)
				checkErr(t, s.delivered(r))
				delivered += len(r.texts)
			}
		}
		s = openMem(t, fsys.Crash(durable.Cut{Seed: seed, Keep: random.IntN(101), Tear: true}))
		got, damaged := drain(t, s, 10)
		first := appended - len(got)
		if diff := cmp.Diff(texts(first, appended), got); first > delivered || damaged != 0 || diff != "" {
			t.Fatalf("seed %d: of %d events, %d delivered, %d are left, %d damaged (-want +got):\n%s", seed, appended, delivered, len(got), damaged, diff)
		}
	}
}

// TestSpillFaults fails every operation in turn: what was accepted is delivered.
func TestSpillFaults(t *testing.T) {
	for n := int64(1); ; n++ {
		fsys := durable.NewMem()
		faulty := durable.NewFaulty(fsys, durable.FailNth(n, errors.New("injected")))
		s, err := newSpill(faulty)
		if err != nil {
			continue
		}
		var accepted [][]byte
		for _, text := range texts(0, 6) {
			if s.append(text) == nil {
				accepted = append(accepted, text)
			}
		}
		if !faulty.Failed() {
			return // n is past the last operation
		}
		got, damaged := drain(t, s, 2)
		if diff := cmp.Diff(accepted, got); diff != "" || damaged != 0 || len(accepted) < 5 {
			t.Fatalf("operation %d, %d damaged: events (-accepted +delivered):\n%s", n, damaged, diff)
		}
	}
}

// FuzzSpillFile reads any file: what it gives are lines that are there, in their order.
func FuzzSpillFile(f *testing.F) {
	good := spillHeader + string(appendSpillLine(nil, texts(1, 2)[0])) + string(appendSpillLine(nil, texts(2, 3)[0]))
	seeds := []string{"", good, good[:len(good)-3], good + "x", good + "zz\n" + good, strings.Replace(good, "a", "b", 1), "annals-spill 2\n", "\x00\x00"}
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		fsys := durable.NewMem()
		put(t, fsys, "0000000000000001.spill", string(file))
		s, err := newSpill(fsys)
		if err != nil {
			return
		}
		got, _ := drain(t, s, 3)
		rest := string(file)
		for _, text := range got {
			_, after, ok := strings.Cut(rest, string(text)+"\n")
			if !ok {
				t.Fatalf("%q is no line of the file", text)
			}
			rest = after
		}
	})
}
