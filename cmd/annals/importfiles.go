package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/annals-io/annals/internal/ingest"
)

// stdinName stands for standard input among the files to import.
const stdinName = "-"

// An importFile is an input of an import.
type importFile struct {
	name   string    // for people
	path   string    // "" is standard input
	stdin  io.Reader // for standard input
	pipe   io.Closer // for standard input: ends reading it
	size   int64     // -1 if it is not known
	time   ingest.Input
	format ingest.Format
	csv    bool
}

// rejectsSuffix ends the default names of rejects files.
const rejectsSuffix = ".rejects.ndjson"

// rejectsName returns where the rejects of an import go by default.
func rejectsName(arg string) string {
	if arg == stdinName {
		return "stdin" + rejectsSuffix
	}
	if full, err := filepath.Abs(arg); err == nil {
		arg = full
	}
	return filepath.Base(arg) + rejectsSuffix
}

// totalSize returns the size of files, -1 if it is not known.
func totalSize(files []*importFile) int64 {
	var total int64
	for _, f := range files {
		if f.size < 0 {
			return -1
		}
		total += f.size
	}
	return total
}

// A finder finds the files of an import.
type finder struct {
	env     *env
	x       *importing
	rejects fs.FileInfo // the file that rejects go to, if it exists
	journal fs.FileInfo // the journal's directory, if it exists
	files   []*importFile
	stdin   bool // standard input is among them
	skipped int
}

// sources returns the files that args name, with their formats.
func (e *env) sources(ctx context.Context, x *importing, args []string) ([]*importFile, error) {
	f := finder{env: e, x: x}
	f.rejects, _ = os.Stat(x.rejects) // made later, unless it is one of the files
	if e.dir != "" {
		f.journal, _ = os.Stat(e.dir)
	}
	for _, arg := range args {
		if err := f.add(ctx, arg); err != nil {
			return nil, err
		}
	}
	if more := f.skipped - mostSkipNotes; more > 0 {
		e.note("skipped %d more", more)
	}
	for _, file := range f.files {
		if err := e.identify(x, file); err != nil {
			return nil, err
		}
	}
	return f.files, nil
}

// add adds what an argument names.
func (f *finder) add(ctx context.Context, arg string) error {
	if arg == stdinName {
		return f.addStdin(ctx)
	}
	info, err := os.Stat(arg)
	switch {
	case err != nil:
		return fmt.Errorf("import: %w", err)
	case info.IsDir():
		return f.addFolder(arg)
	case f.rejects != nil && os.SameFile(info, f.rejects):
		return usagef("the rejects would overwrite %s", arg)
	}
	f.addFile(arg, info)
	return nil
}

func (f *finder) addStdin(ctx context.Context) error {
	switch {
	case f.stdin:
		return usagef("standard input is named twice")
	case f.x.timeFrom == timeOfFile:
		return usagef("time-from file does not go with standard input, which has no time")
	}
	f.stdin = true
	in := f.env.input(ctx)
	f.files = append(f.files, &importFile{name: "standard input", stdin: in, pipe: in, size: -1, time: ingest.Input{Time: f.x.time}})
	return nil
}

// interrupt ends a read of standard input, should one wait.
func (f *importFile) interrupt() {
	if f.pipe != nil {
		_ = f.pipe.Close() // of a pipe in memory
	}
}

func (f *finder) addFile(path string, info fs.FileInfo) {
	file := &importFile{name: path, path: path, size: info.Size(), time: ingest.Input{Time: f.x.time}}
	if !info.Mode().IsRegular() {
		file.size = -1
	}
	if f.x.timeFrom == timeOfFile {
		file.time.Time = info.ModTime().UTC().Format(time.RFC3339Nano)
	}
	f.files = append(f.files, file)
}

// addFolder adds the files in a directory and those below it, in the order of their
// names.
func (f *finder) addFolder(folder string) error {
	before := len(f.files)
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if why := f.unwanted(info); why != "" {
			f.skip(path, why)
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.IsDir() {
			f.addFile(path, info)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if len(f.files) == before {
		f.env.note("%s has no files to import", folder)
	}
	return nil
}

// unwanted says why something in a directory is not imported, "" if it is.
func (f *finder) unwanted(info fs.FileInfo) string {
	switch {
	case strings.HasPrefix(info.Name(), "."):
		return "hidden"
	case info.Mode()&fs.ModeSymlink != 0:
		return "a symbolic link"
	case f.journal != nil && os.SameFile(info, f.journal):
		return "the journal"
	case info.IsDir():
		return ""
	case !info.Mode().IsRegular():
		return "no regular file"
	case strings.HasSuffix(info.Name(), rejectsSuffix), f.rejects != nil && os.SameFile(info, f.rejects):
		return "rejects of an import"
	}
	return ""
}

// mostSkipNotes is how many things that are skipped are named.
const mostSkipNotes = 10

func (f *finder) skip(path, why string) {
	if f.skipped++; f.skipped <= mostSkipNotes {
		f.env.note("skipped %s: %s", path, why)
	}
}
