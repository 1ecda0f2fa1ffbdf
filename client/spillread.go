package client

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
)

// A spilled is a run of events from one file.
type spilled struct {
	texts   [][]byte
	old     bool // of an earlier process
	next    int64
	damaged int // lines that were left out
}

// read returns up to most events, or bytes, from the front of the queue.
func (s *spill) read(most, bytes int) (spilled, error) {
	s.mu.Lock()
	f := s.files[0]
	from, size := f.from, f.size
	r := spilled{next: from, old: f.old}
	s.mu.Unlock()
	in := newLines(io.NewSectionReader(f.file, from, size-from))
	for len(r.texts) < most && bytes > 0 {
		line, err := in.next()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			r.next = size // what does not end was never accepted
			return r, nil
		}
		if errors.Is(err, errLongLine) {
			r.damaged++
			r.next = size
			return r, nil
		}
		if err != nil {
			return r, fmt.Errorf("read spill file %s: %w", f.name, err)
		}
		r.next += int64(len(line)) + 1
		text, ok := spillText(line)
		if !ok {
			r.damaged++
			continue
		}
		r.texts = append(r.texts, append([]byte(nil), text...))
		bytes -= len(text)
	}
	return r, nil
}

// spillText returns the event of a line.
func spillText(line []byte) ([]byte, bool) {
	if len(line) < spillPrefix || line[8] != ' ' || line[17] != ' ' {
		return nil, false
	}
	n, err := strconv.ParseUint(string(line[:8]), 16, 32)
	sum, err2 := strconv.ParseUint(string(line[9:17]), 16, 32)
	text := line[spillPrefix:]
	return text, err == nil && err2 == nil && n == uint64(len(text)) && uint32(sum) == crc32.Checksum(text, castagnoli)
}

// delivered takes what was read from the front of the queue out of it.
func (s *spill) delivered(r spilled) error {
	f, done := s.pass(r)
	if !done {
		return nil
	}
	err := f.file.Close()
	if f.damaged > 0 {
		err = errors.Join(err, s.fsys.Rename(f.name, f.name+damagedSuffix))
	} else {
		err = errors.Join(err, s.fsys.Remove(f.name))
	}
	if err = errors.Join(err, s.fsys.SyncDir(".")); err != nil {
		return fmt.Errorf("remove spill file: %w", err)
	}
	return nil
}

// pass notes what is delivered. It reports whether that was the last of a file, which is
// then out of the queue.
func (s *spill) pass(r spilled) (*spillFile, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[0]
	f.from = r.next
	f.damaged += r.damaged
	if f.from < f.size || f.writing {
		return f, false
	}
	f.sealed = true
	s.files = s.files[1:]
	s.bytes -= f.size
	return f, true
}
