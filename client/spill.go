package client

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"github.com/annals-io/annals/internal/durable"
)

// Of spill files; docs/design/0007-spill.md has the format.
const (
	spillSuffix     = ".spill"
	spillMagic      = "annals-spill "
	spillHeader     = spillMagic + "1\n"
	spillFileBytes  = 4 << 20
	spillPrefix     = len("00000000 00000000 ")
	damagedSuffix   = ".damaged"
	spillNameDigits = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A spill is a queue of events in files. One goroutine at a time appends, and one reads.
type spill struct {
	fsys durable.FS // never changes
	lock io.Closer  // never changes

	last uint64 // number of the newest file; the appender's

	mu    sync.Mutex
	files []*spillFile // oldest first; guarded by mu
	bytes int64        // of files; guarded by mu
}

// A spillFile is one file of a spill. What follows name is guarded by the spill's mu.
type spillFile struct {
	name    string
	file    durable.File
	size    int64 // up to where it is synced
	from    int64 // up to where it is delivered
	old     bool  // of an earlier process
	sealed  bool  // nothing is appended any more
	writing bool  // something is being appended
	damaged int   // lines that do not check out
}

// openSpill opens the spill in a directory, which it makes if needed.
func openSpill(dir string) (*spill, error) {
	if err := durable.CreateDir(dir); err != nil {
		return nil, fmt.Errorf("open spill: %w", err)
	}
	root, err := durable.OpenOS(dir)
	if err != nil {
		return nil, fmt.Errorf("open spill: %w", err)
	}
	s, err := newSpill(root)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open spill %s: %w", dir, err)
	}
	s.lock = closers{s.lock, root}
	return s, nil
}

// closers are closed together.
type closers []io.Closer

// Close closes them all.
func (c closers) Close() error {
	var err error
	for _, each := range c {
		err = errors.Join(err, each.Close())
	}
	return err
}

// newSpill opens the spill of a file system.
func newSpill(fsys durable.FS) (*spill, error) {
	lock, err := fsys.Lock("LOCK")
	if err != nil {
		return nil, err
	}
	s := &spill{fsys: fsys, lock: lock}
	if err := s.list(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// list opens the files that there are.
func (s *spill) list() error {
	infos, err := s.fsys.ReadDir(".")
	if err != nil {
		return err
	}
	for _, info := range infos {
		number, ok := spillNumber(info.Name)
		if !ok {
			continue
		}
		s.last = max(s.last, number)
		f, err := s.openOld(info)
		if err != nil {
			return err
		}
		s.files = append(s.files, f)
		s.bytes += f.size
	}
	return nil
}

// spillNumber returns the number in a file's name.
func spillNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, spillSuffix)
	if !ok || len(digits) != spillNameDigits {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil
}

// openOld opens a file of an earlier process.
func (s *spill) openOld(info durable.Info) (*spillFile, error) {
	file, err := s.fsys.Open(info.Name)
	if err != nil {
		return nil, err
	}
	f := &spillFile{name: info.Name, file: file, size: info.Size, from: int64(len(spillHeader)), old: true, sealed: true}
	head := make([]byte, min(info.Size, int64(len(spillHeader))))
	_, err = file.ReadAt(head, 0)
	switch {
	case err != nil && err != io.EOF:
	case string(head) == spillHeader:
		return f, nil
	case strings.HasPrefix(spillHeader, string(bytes.TrimRight(head, "\x00"))):
		f.from = f.size // it ended before anything was accepted
		return f, nil
	case bytes.HasPrefix(head, []byte(spillMagic)):
		err = errors.New("its format is newer than this program")
	default:
		err = errors.New("it is no spill file")
	}
	return nil, errors.Join(fmt.Errorf("%s: %w", info.Name, err), file.Close())
}

// isEmpty reports whether there is nothing to deliver.
func (s *spill) isEmpty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files) == 0
}

// hasOld reports whether something of an earlier process is left.
func (s *spill) hasOld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files) > 0 && s.files[0].old
}

// size returns the bytes of all files.
func (s *spill) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// left returns the bytes that are not delivered.
func (s *spill) left() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		n += f.size - f.from
	}
	return n
}

// append adds events, which are on stable storage when it returns without error.
func (s *spill) append(texts ...[]byte) error {
	var lines []byte
	for _, text := range texts {
		lines = appendSpillLine(lines, text)
	}
	f, err := s.current()
	if err != nil {
		return fmt.Errorf("spill events: %w", err)
	}
	_, err = f.file.WriteAt(lines, f.size)
	if err == nil {
		err = f.file.Sync()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.writing = false
	if err != nil {
		f.sealed = true
		return fmt.Errorf("spill events: %w", err)
	}
	f.size += int64(len(lines))
	s.bytes += int64(len(lines))
	return nil
}

// appendSpillLine appends the line of an event.
func appendSpillLine(dst, text []byte) []byte {
	dst = fmt.Appendf(dst, "%08x %08x ", len(text), crc32.Checksum(text, castagnoli))
	return append(append(dst, text...), '\n')
}

// current returns the file to append to, making one if there is none.
func (s *spill) current() (*spillFile, error) {
	if f := s.reserve(); f != nil {
		return f, nil
	}
	s.last++
	f := &spillFile{name: fmt.Sprintf("%0*x%s", spillNameDigits, s.last, spillSuffix), writing: true}
	var err error
	if f.file, err = s.fsys.Create(f.name); err != nil {
		return nil, err
	}
	_, err = f.file.WriteAt([]byte(spillHeader), 0)
	if err == nil {
		err = f.file.Sync()
	}
	if err == nil {
		err = s.fsys.SyncDir(".")
	}
	if err != nil {
		return nil, errors.Join(err, f.file.Close(), s.fsys.Remove(f.name))
	}
	f.size, f.from = int64(len(spillHeader)), int64(len(spillHeader))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, f)
	s.bytes += f.size
	return f, nil
}

// reserve returns the newest file if it can be appended to, else nil.
func (s *spill) reserve() *spillFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.files) == 0 {
		return nil
	}
	f := s.files[len(s.files)-1]
	if f.size >= spillFileBytes {
		f.sealed = true
	}
	if f.sealed {
		return nil
	}
	f.writing = true
	return f
}

// close releases the files. What they hold stays.
func (s *spill) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, f := range s.files {
		err = errors.Join(err, f.file.Close())
	}
	s.files = nil
	return errors.Join(err, s.lock.Close())
}

// rejectedName is the file of events that the server has refused.
const rejectedName = "rejected.ndjson"

var errFull = errors.New("the file is full")

// reject keeps an event that the server has refused, on stable storage, in a file of at
// most so many bytes.
func (s *spill) reject(most int64, line []byte) error {
	f, err := s.fsys.OpenWrite(rejectedName)
	if errors.Is(err, fs.ErrNotExist) {
		if f, err = s.fsys.Create(rejectedName); err == nil {
			err = s.fsys.SyncDir(".")
		}
	}
	if err != nil {
		return fmt.Errorf("keep rejected event: %w", err)
	}
	size, err := f.Size()
	if err == nil && size+int64(len(line)) > most {
		err = errFull
	}
	if err == nil {
		_, err = f.WriteAt(line, size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep rejected event: %w", err)
	}
	return nil
}
