package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A spare is the segment in waiting. It is made by a goroutine of its own while
// the newest segment fills, and is a plain file of zeros called log/spare until
// a group has been written and synced into it.
type spare struct {
	done chan struct{} // closed when file and err are set; nil = none is being made
	stop chan struct{} // closed to make it come sooner, with less space
	file durable.File
	size int64
	err  error
}

// busySegment is the time in which half a segment fills under load. A spare that
// is made meanwhile is not filled to the end: the newest segment's syncs would
// wait for all those zeros.
const busySegment = 10 * time.Second

// prepareSpare starts making the spare once the newest segment is half full.
func (l *Log) prepareSpare() {
	if l.spare.done != nil || l.written.off < l.opts.segmentBytes()/2 {
		return
	}
	fill := l.opts.segmentBytes()
	if time.Since(l.turned) < busySegment {
		fill = min(fill, growBytes)
	}
	if len(l.group.buf) > smallGroupBytes {
		fill = 0 // what is written at once needs no preparing
	}
	l.startSpare(fill)
}

func (l *Log) startSpare(fill int64) {
	l.spare = spare{done: make(chan struct{}), stop: make(chan struct{})}
	go l.spareLoop(&l.spare, fill)
}

// spareLoop makes the spare and fills it. The owner does not touch s until done
// is closed.
func (l *Log) spareLoop(s *spare, fill int64) {
	defer close(s.done)
	if s.err = removeIfThere(l.fs, sparePath); s.err != nil {
		return
	}
	if s.file, s.err = l.fs.Create(sparePath); s.err != nil {
		return
	}
	for s.size < fill {
		select {
		case <-s.stop:
			fill = s.size
		default:
			n, err := s.file.WriteAt(zeros[:min(growBytes, fill-s.size)], s.size)
			if err != nil { // no room to fill ahead: leave what there is to the groups
				s.size = 0
				s.err = s.file.Truncate(0)
				return
			}
			s.size += int64(n)
		}
	}
	if s.size > 0 {
		s.err = s.file.Sync()
	}
}

// takeSpare waits for the spare and hands it over, making one if needed.
func (l *Log) takeSpare() (spare, error) {
	if l.spare.done == nil {
		l.startSpare(0)
	}
	close(l.spare.stop)
	<-l.spare.done
	s := l.spare
	l.spare = spare{}
	if s.err != nil && s.file != nil {
		s.file.Close()
	}
	return s, s.err
}

// freeSpare gives the space of a spare that was filled ahead to what is to be
// written now. It reports whether there was any.
func (l *Log) freeSpare() bool {
	if l.spare.done == nil {
		return false
	}
	close(l.spare.stop)
	<-l.spare.done
	l.spare.stop = make(chan struct{})
	if l.spare.err != nil || l.spare.size == 0 || l.spare.file.Truncate(0) != nil {
		return false
	}
	l.spare.size = 0
	return true
}

// rotate makes the spare the segment that the next group goes to. Nothing
// changes for readers, or after a crash, before that group is synced.
func (l *Log) rotate() error {
	if l.Unsynced() { // the new header vouches for all of the old segment
		if err := l.Sync(); err != nil {
			return err
		}
	}
	made := l.spare.done != nil
	s, err := l.takeSpare()
	if l.store.yield(err) || err != nil && made { // what failed when it was made ahead may work now
		s, err = l.takeSpare()
	}
	if err != nil {
		err = fmt.Errorf("make segment: %w", err)
		if isFull(err) {
			return fmt.Errorf("%w: %w", engine.ErrDiskFull, err)
		}
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	h := header{journal: l.opts.Journal, first: l.written.next, chain: l.written.chain}
	if l.file != nil {
		h.ordinal, h.prevEnd = l.header.ordinal+1, l.written.off
	}
	l.turn(s.file, h, s.size)
	return nil
}

// turn switches to a file that is to become the segment described by h. The old
// one stays open until Publish.
func (l *Log) turn(f durable.File, h header, alloc int64) {
	l.seal()
	l.old, l.file = l.file, f
	l.oldState = oldSegment{l.header, l.written, l.durable, l.alloc, l.offsets}
	l.header, l.alloc, l.fresh, l.turned = h, alloc, true, time.Now()
	l.written = mark{off: headerBytes, next: h.first, chain: h.chain}
	l.durable = 0
	l.offsets = nil
	l.segments = append(l.segments[:len(l.segments):len(l.segments)],
		&segment{ordinal: h.ordinal, first: h.first, name: segmentName(h.ordinal, h.first)})
}

// oldSegment is what unrotate goes back to.
type oldSegment struct {
	header  header
	written mark
	durable int64
	alloc   int64
	offsets []uint32
}

// seal replaces the newest segment by a copy that knows its end.
func (l *Log) seal() {
	if l.file == nil {
		return
	}
	segments := append([]*segment(nil), l.segments...)
	s := *segments[len(segments)-1]
	s.end = l.written.off
	segments[len(segments)-1] = &s
	l.segments = segments
}

// unrotate gives up a new segment whose first group found no room.
func (l *Log) unrotate() error {
	l.file.Close()
	o := l.oldState
	l.file, l.old = l.old, nil
	l.header, l.written, l.durable, l.alloc, l.offsets = o.header, o.written, o.durable, o.alloc, o.offsets
	l.fresh = false
	l.segments = l.segments[:len(l.segments)-1]
	return removeIfThere(l.fs, sparePath)
}

// trimOld gives the space behind the old segment's end back and lets it go.
// Neither matters to what is stored: readers and recovery take the end from the
// next header.
func (l *Log) trimOld() {
	s := l.segments[len(l.segments)-2]
	l.store.adopt(s, &table{offsets: l.oldState.offsets})
	if l.oldState.alloc > s.end {
		l.old.Truncate(s.end)
	}
	l.old.Close()
	l.old, l.oldState = nil, oldSegment{}
}

func removeIfThere(fsys durable.FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
