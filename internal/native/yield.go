package native

import (
	"github.com/annals-io/annals/internal/durable"
)

// A yielding is the file system of the index. Where the process has too many files
// open it has the log close those that it keeps for reading, and tries once more: the
// index keeps its files open, a log file can be opened again.
type yielding struct {
	durable.FS
	engine *Engine
}

// yield reports whether to try again what failed with err.
func (y yielding) yield(err error) bool {
	p := y.engine.published.Load() // nil while the log is opened
	return p != nil && p.view.Yield(err)
}

// Open implements [durable.FS].
func (y yielding) Open(name string) (durable.File, error) {
	f, err := y.FS.Open(name)
	if y.yield(err) {
		return y.FS.Open(name)
	}
	return f, err
}

// Create implements [durable.FS].
func (y yielding) Create(name string) (durable.File, error) {
	f, err := y.FS.Create(name)
	if y.yield(err) {
		return y.FS.Create(name)
	}
	return f, err
}

// ReadDir implements [durable.FS].
func (y yielding) ReadDir(name string) ([]durable.Info, error) {
	infos, err := y.FS.ReadDir(name)
	if y.yield(err) {
		return y.FS.ReadDir(name)
	}
	return infos, err
}

// SyncDir implements [durable.FS]. It opens the directory; a sync that was begun is
// never repeated, and does not fail for want of files.
func (y yielding) SyncDir(name string) error {
	err := y.FS.SyncDir(name)
	if y.yield(err) {
		return y.FS.SyncDir(name)
	}
	return err
}
