package native

import (
	"context"
	"fmt"
	"strings"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/wal"
	"github.com/annals-io/annals/merkle"
)

// inspect looks for damage before anything is changed, and returns the tree that
// the tiles hold and the checkpoint vouches for, and whether it has had the index
// cover the log. After a clean end with such a tree it leaves that to the rebuild:
// nothing is changed before that either.
func (e *Engine) inspect(c *signed, opts wal.Options) (tree merkle.Tree, looked bool, err error) {
	if c == nil {
		c = &signed{Checkpoint: merkle.Checkpoint{Root: merkle.EmptyRoot()}}
	}
	t, err := merkle.NewTree(e.tiles, c.Size)
	known := err == nil && t.Root() == c.Root
	if err := e.tiles.close(); err != nil { // the writer opens them in its own way
		return tree, false, err
	}
	if known && endsAsClosed(e.fs, opts.Evidence.State) {
		return *t, false, nil
	}
	r, err := wal.OpenReader(e.fs, opts, false)
	if err != nil {
		return tree, false, err
	}
	defer r.Close()
	if e.damage = appendNew(e.damage, r.Damage()); len(e.damage) > 0 {
		return tree, false, nil
	}
	if known {
		tree = *t
	} else if err := e.prove(r.View(), c); err != nil || len(e.damage) > 0 {
		return tree, false, err
	}
	return tree, true, e.catchUp(r.View())
}

// endsAsClosed reports whether the newest segment is as long as it was when the
// log was closed: then there is nothing to recover.
func endsAsClosed(fsys durable.FS, s *wal.State) bool {
	infos, err := fsys.ReadDir(wal.Dir)
	if s == nil || err != nil {
		return false
	}
	var newest durable.Info
	for _, info := range infos {
		if strings.HasSuffix(info.Name, ".wal") && info.Name > newest.Name {
			newest = info
		}
	}
	return newest.Size == s.End
}

// prove compares the log with the root that the checkpoint signed, since the
// tiles do not have it. They are to be made anew, but as long as the log may be
// what is wrong they are evidence.
func (e *Engine) prove(v *wal.View, c *signed) error {
	var t merkle.Tree
	for raw, err := range v.Scan(context.Background(), 0, engine.Position(c.Size)) {
		if err != nil {
			if err := e.sortOut(err); err != nil {
				return err
			}
			continue
		}
		entry := engine.Entry{Bytes: raw.Bytes}
		hash := entry.Hash()
		t.Append(merkle.LeafHash(hash[:]), nil)
	}
	if len(e.damage) == 0 && t.Root() != c.Root {
		last := engine.Position(max(c.Size, 1) - 1)
		e.damage = append(e.damage, &engine.CorruptError{Path: wal.Dir, Offset: -1, First: last, Next: last,
			Err: fmt.Errorf("the log's first %d entries do not have the root that the checkpoint signed", c.Size)})
	}
	return nil
}
