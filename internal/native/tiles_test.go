package native_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/durable"
)

// TestTilesAreRebuilt deletes the tree, whole or in part. The next opening makes
// it anew from the log, even if nothing is appended.
func TestTilesAreRebuilt(t *testing.T) {
	t.Parallel()
	whole := durable.NewMem()
	e := open(t, whole)
	for i := range 300 { // two tile levels
		appendOne(t, e, fmt.Sprint(i), "x")
	}
	check(t, e.Close())
	want := contents(whole)
	for name, lose := range map[string]func(name string, data []byte) []byte{
		"deleted": func(string, []byte) []byte { return nil },
		"cut":     func(_ string, data []byte) []byte { return data[:len(data)/64*32] },
		"empty":   func(string, []byte) []byte { return []byte{} },
		"only the entry hashes left": func(name string, data []byte) []byte {
			if strings.HasSuffix(name, "level-0") {
				return data
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			mem := whole.Crash(durable.KeepAll)
			for _, name := range mem.Names() {
				if !strings.HasPrefix(name, "tiles/") {
					continue
				}
				if rest := lose(name, mem.Bytes(name)); rest != nil {
					mem.SetBytes(name, rest)
				} else {
					check(t, mem.Remove(name))
				}
			}
			e := open(t, mem)
			if len(e.Damage()) > 0 {
				t.Fatal(e.Damage()[0])
			}
			check(t, e.Close())
			_, err := verifySound(mem, true)
			check(t, err)
			for _, name := range []string{"tiles/level-0", "tiles/level-1"} {
				if string(mem.Bytes(name)) != want[name] {
					t.Errorf("%s differs from what it was", name)
				}
			}
		})
	}
}
