package annals_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/note"
)

// numbered opens a journal with events of type "odd" and "even".
func numbered(t *testing.T, n int) *annals.Journal {
	t.Helper()
	j, err := annals.Open(t.TempDir(), &annals.Options{CheckpointInterval: -1})
	check(t, err)
	t.Cleanup(func() { check(t, j.Close()) })
	appendNumbered(t, j, n)
	return j
}

func appendNumbered(t *testing.T, j *annals.Journal, n int) {
	t.Helper()
	events := make([]annals.Event, n)
	for i := range events {
		events[i].Type = []string{"even", "odd"}[i%2]
	}
	_, err := j.Append(context.Background(), events...)
	check(t, err)
}

// TestFollowerBreaks stops a follower at every step, among few entries and many.
func TestFollowerBreaks(t *testing.T) {
	for _, n := range []int{1, 50, 3000} {
		j := numbered(t, n)
		f, err := j.Follower(10, annals.Query{Filter: "type:odd"})
		check(t, err)
		var got []annals.Position
		for steps := 0; ; steps++ {
			before := len(got)
			for e, err := range f.Available(context.Background()) {
				check(t, err)
				if got = append(got, e.Position); len(got)%7 == steps%7 {
					break
				}
			}
			if len(got) == before {
				break
			}
		}
		want := max(0, (n-10)/2)
		for i, p := range got {
			if p != annals.Position(11+2*i) {
				t.Fatalf("%d entries: match %d is at position %d", n, i, p)
			}
		}
		if len(got) != want || f.Position() != annals.Position(max(n, 10)) {
			t.Errorf("%d entries: %d matches, want %d; position %d", n, len(got), want, f.Position())
		}
	}
}

// TestFollowerWait waits for what comes, and not for what is there.
func TestFollowerWait(t *testing.T) {
	j := numbered(t, 2)
	f, err := j.Follower(0, annals.Query{Filter: "type:odd"})
	check(t, err)
	check(t, f.Wait(context.Background()))
	for range f.Available(context.Background()) {
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for nothing: %v", err)
	}
	waited := make(chan error, 1)
	go waitLoop(f, waited)
	appendNumbered(t, j, 2)
	check(t, <-waited)
	n := 0
	for e, err := range f.Available(context.Background()) {
		check(t, err)
		if n++; e.Position != 3 {
			t.Errorf("match is at position %d", e.Position)
		}
	}
	if n != 1 {
		t.Errorf("%d matches", n)
	}
}

func waitLoop(f *annals.Follower, waited chan<- error) { waited <- f.Wait(context.Background()) }

func TestFollowerRefuses(t *testing.T) {
	j := numbered(t, 1)
	for _, q := range []annals.Query{{Limit: 1}, {Order: annals.Descending}, {Filter: "("}} {
		if _, err := j.Follower(0, q); !errors.Is(err, annals.ErrInvalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// TestProve checks the proof of every entry as somebody with the key would.
func TestProve(t *testing.T) {
	ctx := context.Background()
	j := numbered(t, 300)
	key, err := j.VerifierKey()
	check(t, err)
	verifier, err := note.NewVerifier(key)
	check(t, err)
	for p := range j.Size() {
		proof, err := j.Prove(ctx, p)
		check(t, err)
		c, err := merkle.Open(proof.Checkpoint, verifier)
		check(t, err)
		e, err := j.At(ctx, p)
		check(t, err)
		if proof.Position != p || proof.Hash != e.Hash() || c.Size != proof.Size {
			t.Fatalf("position %d: proof %+v", p, proof)
		}
		check(t, merkle.VerifyInclusion(merkle.LeafHash(proof.Hash[:]), uint64(p), c.Size, proof.Path, c.Root))
	}
	if _, err := j.Prove(ctx, 300); !errors.Is(err, annals.ErrNotFound) {
		t.Errorf("proof of no entry: %v", err)
	}
	appendNumbered(t, j, 1) // no checkpoint covers it yet
	if proof, err := j.Prove(ctx, 300); err != nil || proof.Size != 301 {
		t.Errorf("proof of a new entry: %+v, %v", proof, err)
	}
}

// TestTile reads what a mirror would, and nothing behind the published checkpoint.
func TestTile(t *testing.T) {
	ctx := context.Background()
	j := numbered(t, 300)
	if _, err := j.Tile(merkle.Tile{Width: 1}); !errors.Is(err, annals.ErrNotFound) {
		t.Errorf("tile before the first checkpoint: %v", err)
	}
	first, err := j.PublishedCheckpoint(ctx)
	check(t, err)
	appendNumbered(t, j, 300)
	if again, err := j.PublishedCheckpoint(ctx); err != nil || !bytes.Equal(again, first) {
		t.Errorf("checkpoint is %s, %v", again, err)
	}
	for tile, want := range map[merkle.Tile]int{
		{Width: 256}: 256 * 32, {Index: 1, Width: 44}: 44 * 32, {Level: 1, Width: 1}: 32, {Entries: true, Index: 1, Width: 44}: 44 * 34,
		{Index: 1, Width: 45}: 0, {Level: 1, Width: 2}: 0, {Level: 9, Width: 1}: 0,
	} {
		b, err := j.Tile(tile)
		if len(b) != want || (err == nil) != (want > 0) || err != nil && !errors.Is(err, annals.ErrNotFound) {
			t.Errorf("%s: %d bytes, %v, want %d", tile.Path(), len(b), err, want)
		}
	}
}

func TestCountByType(t *testing.T) {
	j := numbered(t, 3)
	_, err := j.Append(context.Background(), annals.Event{Type: "odd", Tenant: "acme"}, annals.Event{Type: "x", Tenant: "beta"})
	check(t, err)
	for _, tt := range []struct {
		tenants []string
		want    string
	}{{nil, "map[]"}, {[]string{"acme"}, "map[odd:1]"}, {[]string{"acme", "default"}, "map[even:2 odd:2]"}, {[]string{"*"}, "map[]"}} {
		got, others, err := j.CountByType(context.Background(), tt.tenants...)
		if fmt.Sprint(got) != tt.want || others != 0 || err != nil {
			t.Errorf("%v: %v, %v, want %s", tt.tenants, got, err, tt.want)
		}
	}
}
