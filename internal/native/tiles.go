package native

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/merkle"
)

// tilesDir holds the tree.
const tilesDir = "tiles"

// maxLevel is the highest tile level of a tree of [merkle.MaxSize] entries.
const maxLevel = 7

func levelName(level int) string { return fmt.Sprintf("%s/level-%d", tilesDir, level) }

// tiles are the tree's hashes on disk: for each tile level one file, an array of
// 32-byte hashes. Level 0 holds the entry hashes; level k the roots of the full
// subtrees of 256^k entries. They are written before the checkpoint that needs
// them and synced before it is.
//
// Reading may go on beside writing: it never passes what was written.
type tiles struct {
	fs       durable.FS // never changes
	writable bool       // never changes

	mu      sync.Mutex
	files   [maxLevel + 1]durable.File // opened when first needed; guarded by mu
	unnamed bool                       // a file was opened whose name may not be durable; guarded by mu

	// Owned by the writer.
	written [maxLevel + 1]uint64 // hashes in each file
	dirty   [maxLevel + 1]bool
}

// tilesSize returns how many entry hashes are stored.
func tilesSize(fsys durable.FS) (uint64, error) {
	info, err := fsys.Stat(levelName(0))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read tiles: %w", err)
	}
	return uint64(info.Size) / merkle.HashBytes, nil
}

// below returns how many hashes of a level a tree of a size has.
func below(size uint64, level int) uint64 { return size >> (8 * level) }

// startAt makes the next write of each level that of a tree of the given size.
func (t *tiles) startAt(size uint64) {
	for level := range t.written {
		t.written[level] = below(size, level)
	}
}

// file returns a level's file. The writer opens it for writing, and makes it if
// asked to; its readers share it.
func (t *tiles) file(level int, create bool) (durable.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.files[level]; f != nil {
		return f, nil
	}
	open := t.fs.Open
	if t.writable {
		open = t.fs.OpenWrite
	}
	f, err := open(levelName(level))
	if create && errors.Is(err, fs.ErrNotExist) {
		f, err = t.create(level)
	}
	if err != nil {
		return nil, fmt.Errorf("open tiles: %w", err)
	}
	t.files[level] = f
	t.unnamed = t.writable // whoever made the file may have ended before its name was synced
	return f, nil
}

// create makes a level's file, and the directory if somebody deleted it.
func (t *tiles) create(level int) (durable.File, error) {
	f, err := t.fs.Create(levelName(level))
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := t.fs.Mkdir(tilesDir); err != nil { // its name is synced along with the checkpoint's
		return nil, err
	}
	return t.fs.Create(levelName(level))
}

// append writes hashes to the end of a level.
func (t *tiles) append(level int, hashes []merkle.Hash) error {
	if len(hashes) == 0 {
		return nil
	}
	f, err := t.file(level, true)
	if err != nil {
		return err
	}
	b := make([]byte, 0, len(hashes)*merkle.HashBytes)
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	if _, err := f.WriteAt(b, int64(t.written[level]*merkle.HashBytes)); err != nil {
		return fmt.Errorf("write tiles: %w", err)
	}
	t.written[level] += uint64(len(hashes))
	t.dirty[level] = true
	return nil
}

// sync makes what was written durable.
func (t *tiles) sync() error {
	for level := range t.dirty {
		if !t.dirty[level] {
			continue
		}
		f, err := t.file(level, false)
		if err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return fmt.Errorf("sync tiles: %w", err)
		}
		t.dirty[level] = false
	}
	t.mu.Lock()
	unnamed := t.unnamed
	t.unnamed = false
	t.mu.Unlock()
	if !unnamed {
		return nil
	}
	if err := t.fs.SyncDir(tilesDir); err != nil {
		return fmt.Errorf("sync tiles directory: %w", err)
	}
	return nil
}

// ReadHashes implements [merkle.Levels].
func (t *tiles) ReadHashes(level int, index uint64, dst []merkle.Hash) error {
	if level > maxLevel {
		return fmt.Errorf("tile level %d does not exist", level)
	}
	f, err := t.file(level, false)
	if err != nil {
		return err
	}
	b := make([]byte, len(dst)*merkle.HashBytes)
	if err := durable.ReadFull(f, b, int64(index*merkle.HashBytes)); err != nil {
		return fmt.Errorf("read tiles: %w", err)
	}
	for i := range dst {
		copy(dst[i][:], b[i*merkle.HashBytes:])
	}
	return nil
}

func (t *tiles) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for i, f := range t.files {
		if f != nil {
			errs = append(errs, f.Close())
			t.files[i] = nil
		}
	}
	return errors.Join(errs...)
}
