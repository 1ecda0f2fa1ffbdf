package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A Problem is what is wrong with a file of the index.
type Problem struct {
	File string
	Err  error
}

// Check reads every byte of the runs that Open found and calls report with what
// does not check out. It may take the place of [Index.Cover].
func (x *Index) Check(ctx context.Context, report func(Problem)) error {
	for _, p := range x.unused {
		report(p)
	}
	for _, r := range x.listed {
		if err := r.check(ctx); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			report(Problem{r.name, err})
		}
	}
	return nil
}

// End returns the position behind the last entry that a sound run says the log
// has, also one that nobody can read any more because its key is lost.
func (x *Index) End() (end engine.Position) {
	end = x.lostEnd
	for _, r := range x.listed {
		_, next := r.bounds()
		end = max(end, next)
	}
	return end
}

// Cover makes the runs that were found at opening the index of a log of size
// entries. What they lack is holes. [Index.Start] comes next.
func (x *Index) Cover(size engine.Position) {
	for _, name := range x.litter {
		if !x.opts.ReadOnly {
			x.remove(name)
		}
	}
	x.parts, x.listed = x.arrange(x.listed, size), nil
	x.publish()
}

// listTries is how often a listing is made again because a file of it was gone:
// the writer has merged it meanwhile.
const listTries = 3

// list opens the runs in the directory, except those that known has already, by
// their names. Those that are damaged, another journal's, another key's or of a
// later format are left out. It changes nothing.
func (x *Index) list(known map[string]*run) (runs []*run, err error) {
	warned := x.unused
	for range listTries {
		for _, r := range runs {
			r.release()
		}
		var complete bool
		x.unused, x.litter = nil, nil
		if runs, complete, err = x.listOnce(known); complete || err != nil {
			break
		}
	}
	for _, p := range x.unused {
		if !slices.ContainsFunc(warned, func(w Problem) bool { return w.File == p.File }) {
			x.log().Warn("index file is not used", "file", p.File, "error", p.Err)
		}
	}
	return runs, err
}

func (x *Index) listOnce(known map[string]*run) (runs []*run, complete bool, err error) {
	infos, err := x.opts.FS.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) { // it is made when there is something to write
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("list index: %w", err)
	}
	complete = true
	for _, info := range infos {
		name := Dir + "/" + info.Name
		if strings.HasSuffix(name, durable.TempSuffix) {
			x.litter = append(x.litter, name)
		}
		if !isRunName(info.Name) {
			continue
		}
		if r := known[name]; r != nil {
			r.acquire()
			runs = append(runs, r)
			continue
		}
		r, err := x.open(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			complete = false
		case err != nil:
			x.unused = append(x.unused, Problem{name, err})
			if errors.Is(err, errDamaged) || errors.Is(err, errForeign) && x.isOurs(name) {
				x.litter = append(x.litter, name)
			}
		default:
			runs = append(runs, r)
		}
	}
	return runs, complete, nil
}

// isOurs reports whether a file that is of another kind or key is this journal's
// nevertheless: its key is no more, or its first bytes are damaged. The length of the
// log that it tells of is remembered.
func (x *Index) isOurs(name string) bool {
	f, err := x.opts.FS.Open(name)
	if err != nil {
		return false
	}
	defer f.Close() // it was only read
	head := make([]byte, headerBytes)
	if readFull(f, head, 0) != nil {
		return false
	}
	m, err := parseHeader(head)
	if err == nil && m.journal == x.opts.Journal {
		x.lostEnd = max(x.lostEnd, m.next)
		return true
	}
	copy(head, magic)
	m, err = parseHeader(head)
	return err == nil && m.journal == x.opts.Journal
}

// makeDir makes the index's directory. If that fails, what is to be written there
// fails, and is tried again.
func (x *Index) makeDir() {
	err := x.opts.FS.Mkdir(Dir)
	if err == nil {
		err = x.opts.FS.SyncDir(".")
	}
	if err != nil {
		x.log().Warn("make index directory", "error", err)
	}
}

// remove removes a file that is not needed. It is not there for anyone to miss if
// that fails.
func (x *Index) remove(name string) {
	if err := x.opts.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		x.log().Warn("remove index file", "file", name, "error", err)
	}
}

// arrange chooses the runs that cover the first size positions, and puts holes
// between them. Runs whose entries a merged one has are removed.
func (x *Index) arrange(runs []*run, size engine.Position) []part {
	slices.SortFunc(runs, func(a, b *run) int {
		return cmp.Or(cmp.Compare(a.meta.first, b.meta.first), cmp.Compare(b.meta.next, a.meta.next))
	})
	var parts []part
	var at engine.Position
	for _, r := range runs {
		first, next := r.bounds()
		if first < at || next > size {
			if !x.opts.ReadOnly {
				x.remove(r.name)
			}
			r.release()
			continue
		}
		if first > at {
			parts = append(parts, hole{first: at, next: first})
		}
		parts, at = append(parts, r), next
	}
	if at < size {
		parts = append(parts, hole{first: at, next: size})
	}
	return parts
}

// runName returns the name of the run of some positions.
func runName(first, next engine.Position) string {
	return fmt.Sprintf("%s/%016x-%016x%s", Dir, uint64(first), uint64(next), runSuffix)
}

const runSuffix = ".idx"

func isRunName(name string) bool {
	var first, next uint64
	n, err := fmt.Sscanf(strings.TrimSuffix(name, runSuffix), "%016x-%016x", &first, &next)
	return n == 2 && err == nil && runName(engine.Position(first), engine.Position(next)) == Dir+"/"+name
}
