package durable

import (
	"iter"
	"math"
	"path"
	"slices"
)

// SetCapacity limits the space for files, in bytes rounded down to blocks of
// 4 KiB; a negative number removes the limit. A write that needs more blocks
// stores what fits and fails with syscall.ENOSPC. Only written blocks take space:
// overwriting needs none, and a file made longer by Truncate has none yet. Names
// take none.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.capacity = bytes / blockBytes; bytes < 0 {
		m.capacity = math.MaxInt64
	}
}

// SetFileLimit limits the size of each file, in bytes, as ulimit -f does; a
// negative number removes the limit, but no file is longer than 4 GiB. A write
// beyond stores what fits and fails with syscall.EFBIG.
func (m *Mem) SetFileLimit(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fileLimit = min(bytes, maxFileBytes); bytes < 0 {
		m.fileLimit = maxFileBytes
	}
}

// Names returns the names of all files, sorted.
func (m *Mem) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(m.root.files("."))
}

// files yields the names of the files below a directory called name.
func (dir *memDir) files(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for base, node := range dir.now {
			full := path.Join(name, base)
			if sub, ok := node.(*memDir); ok {
				for below := range sub.files(full) {
					if !yield(below) {
						return
					}
				}
			} else if !yield(full) {
				return
			}
		}
	}
}

// Bytes returns a copy of a file's content as programs see it, nil if there is
// no such file.
func (m *Mem) Bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.findFile("read", name)
	if err != nil {
		return nil
	}
	data := make([]byte, f.size)
	f.read(data, 0)
	return data
}

// SetBytes makes data the content of a file, as damage or an intruder would:
// durable, with its name, and seen by programs that have the file open. The file
// is made if it is missing. SetBytes panics if the name cannot be a file's or
// data does not fit, which is a mistake of the test.
func (m *Mem) SetBytes(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.setBytes(name, data); err != nil {
		panic("durable: set bytes: " + err.Error())
	}
}

func (m *Mem) setBytes(name string, data []byte) error {
	at, err := m.findSlot("write", name)
	if err != nil {
		return err
	}
	if at.dir.now[at.name] == nil {
		if _, err := m.add("write", name, newMemFile); err != nil {
			return err
		}
	}
	f, err := m.findFile("write", name)
	if err != nil {
		return err
	}
	m.commit(func(s slot) bool { return s == at })
	if err := m.truncate(f, 0); err != nil {
		return err
	}
	if _, err := m.write(f, data, 0); err != nil {
		return err
	}
	m.sync(f)
	return nil
}
