package native_test

import (
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// The mutations are the calls that durability rests on. Each is left out in
// turn, and the same checks that pass with it must then fail: so each is needed,
// and the checks see it.
var mutations = []struct {
	name string
	skip func(durable.Op) bool
}{
	{"sync of the newest segment", func(op durable.Op) bool {
		return op.Kind == durable.OpSync && isSegment(op.Name)
	}},
	{"sync of a segment before it gets its name", func(op durable.Op) bool {
		return op.Kind == durable.OpSync && op.Name == "log/spare"
	}},
	{"sync of the log directory", syncDirOf("log")},
	{"sync of the root directory", syncDirOf(".")},
	{"sync of the keys directory", syncDirOf("keys")},
	{"sync of the tiles directory", syncDirOf("tiles")},
	{"sync of journal.json", syncOf("journal.json.tmp")},
	{"sync of the key", syncOf("keys/checkpoint.key.tmp")},
	{"sync of the public key", syncOf("keys/checkpoint.vkey.tmp")},
	{"sync of the state", syncOf("state.tmp")},
	{"sync of the checkpoint", syncOf("checkpoint.tmp")},
	{"sync of the tiles", func(op durable.Op) bool {
		return op.Kind == durable.OpSync && path.Dir(op.Name) == "tiles"
	}},
	{"sync of torn bytes", func(op durable.Op) bool {
		return op.Kind == durable.OpSync && strings.HasSuffix(op.Name, ".torn.tmp")
	}},
}

func syncOf(name string) func(durable.Op) bool {
	return func(op durable.Op) bool { return op.Kind == durable.OpSync && op.Name == name }
}

func syncDirOf(name string) func(durable.Op) bool {
	return func(op durable.Op) bool { return op.Kind == durable.OpSyncDir && op.Name == name }
}

// TestMutationNothing is the other half of TestMutationSync: with every call in
// place the checks find nothing.
func TestMutationNothing(t *testing.T) {
	t.Parallel()
	check(t, mutate(t, nil))
}

func TestMutationSync(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			err := mutate(t, m.skip)
			if err == nil {
				t.Fatal("nothing is wrong without it")
			}
			t.Log(err)
		})
	}
}

// mutate plays the script with some operations left out, cuts the power at every
// operation, and looks at each disk. It stops at the first thing that is wrong.
func mutate(t *testing.T, skip func(durable.Op) bool) error {
	t.Helper()
	without := func(fsys durable.FS) durable.FS { return newTracked(fsys, skip) }
	mem := durable.NewMem()
	s := new(script)
	c := &camera{mem: mem, cuts: []durable.Cut{{}, {Seed: *seedFlag, Keep: 50}}, told: s.snapshot}
	bubble(t, func(t *testing.T) {
		s.fs = without(durable.NewFaulty(mem, c.hook))
		s.run()
		c.take("end")
	})
	check(t, s.err())
	if skip == nil && !long { // nothing to stop at: a part must do
		c.moments = slices.Collect(every(c.moments, 7))
	}
	return each(c.moments, func(m moment) error { return inspectTwice(m, without) })
}

// every yields every n-th element.
func every[T any](all []T, n int) iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := 0; i < len(all) && yield(all[i]); i += n {
		}
	}
}

// inspectTwice looks at a disk, then cuts the power right after its recovery and
// at the end, and looks again.
func inspectTwice(m moment, without func(durable.FS) durable.FS) error {
	torn := make(map[string][]byte)
	e, err := native.Open(testOptions(without(m.disk)))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if r := e.Recovery(); r != nil && r.TornBytes > 0 {
		name := "log/" + r.TornFile
		torn[name] = m.disk.Bytes(name)
	}
	visible, err := readAll(e)
	if err != nil {
		return err
	}
	recovered := m.disk.Crash(durable.Cut{})
	if err := e.Close(); err != nil {
		return err
	}
	closed := m.disk.Crash(durable.Cut{})
	for name, data := range torn {
		if string(recovered.Bytes(name)) != string(data) {
			return fmt.Errorf("%s is lost", name)
		}
	}
	if err := wasClosed(closed, len(visible.entries)); err != nil {
		return err
	}
	for _, disk := range []*durable.Mem{recovered, closed} {
		if err := stillThere(disk.Crash(durable.Cut{}), visible); err != nil {
			return err
		}
		if err := inspect(disk, disk, m.sent); err != nil {
			return err
		}
	}
	return nil
}

// wasClosed checks that a disk shows a clean close.
func wasClosed(disk *durable.Mem, entries int) error {
	if _, err := verifySound(disk, true); err != nil {
		return fmt.Errorf("after close: %w", err)
	}
	e, err := native.Open(testOptions(disk.Crash(durable.Cut{})))
	if err != nil {
		return fmt.Errorf("after close: %w", err)
	}
	if e.Recovery() != nil && entries > 0 {
		err = fmt.Errorf("recovery after a clean close: %+v", e.Recovery())
	}
	if cerr := e.Close(); err == nil {
		err = cerr
	}
	return err
}

// stillThere checks that what a reader saw is there, at the same places.
func stillThere(disk *durable.Mem, seen *stored) error {
	e, err := native.Open(testOptions(disk))
	if err != nil {
		return err
	}
	defer e.Close()
	now, err := readAll(e)
	if err != nil {
		return err
	}
	for i, h := range seen.hashes {
		if i >= len(now.hashes) || now.hashes[i] != h {
			return fmt.Errorf("entry %d was visible and is gone", i)
		}
	}
	return nil
}
