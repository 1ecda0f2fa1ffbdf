package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/annals-io/annals/internal/export"
	"github.com/annals-io/annals/internal/ingest"
)

// An inputError is an input that cannot be read to its end.
type inputError struct {
	name string
	err  error
}

func (x *inputError) Error() string { return "read " + x.name + ": " + x.err.Error() }
func (x *inputError) Unwrap() error { return x.err }

// codeInput gives an error of what an input holds, and not of the disk it is on, the
// exit status of bad input.
func codeInput(err error) error {
	_, bad := errors.AsType[*inputError](err)
	if _, disk := errors.AsType[*fs.PathError](err); bad && !disk {
		return &codedError{err, statusInvalid}
	}
	return err
}

// An input is a file that is being read.
type input struct {
	ingest.ItemReader
	file io.Closer
}

// open opens a file whose format is known. Close it.
func (f *importFile) open() (*input, error) {
	raw, file, err := f.raw()
	if err != nil {
		return nil, err
	}
	items, err := f.items(raw, f.format)
	if err != nil {
		return nil, errors.Join(&inputError{f.name, err}, file.Close())
	}
	return &input{items, file}, nil
}

// Close closes the file.
func (in *input) Close() error { return in.file.Close() }

// raw returns the bytes of a file.
func (f *importFile) raw() (io.Reader, io.Closer, error) {
	if f.path == "" {
		return f.stdin, io.NopCloser(nil), nil
	}
	file, err := os.Open(f.path)
	return file, file, err
}

// items returns a reader of the values in a file of a format.
func (f *importFile) items(raw io.Reader, format ingest.Format) (ingest.ItemReader, error) {
	var items ingest.ItemReader
	var err error
	if f.csv {
		opts := new(ingest.CSVOptions)
		if format.Name() == export.Journald {
			opts.Value = export.JournaldValue
		}
		items, err = ingest.NewCSVReader(raw, opts)
	} else {
		items, err = ingest.NewReader(raw, &ingest.Options{Containers: format.Containers()})
	}
	if err != nil {
		return nil, err
	}
	return ingest.Join(format, items), nil
}

// isCSV reports whether a file's name is that of CSV.
func isCSV(name string) bool {
	name = strings.ToLower(name)
	for _, packed := range []string{".gz", ".zst", ".zstd"} {
		name = strings.TrimSuffix(name, packed)
	}
	return filepath.Ext(name) == ".csv"
}

// Bounds of what a format is guessed from.
const (
	guessBytes  = 256 << 10
	guessValues = 64
)

// identify finds out how a file is to be read.
func (e *env) identify(x *importing, f *importFile) error {
	f.csv = x.csv || isCSV(f.name)
	if f.format = x.fixed; f.format != nil {
		return nil
	}
	head, err := f.head()
	if err != nil {
		return &inputError{f.name, err}
	}
	guesses := f.guess(head)
	switch {
	case len(bytes.TrimSpace(head)) == 0:
		f.format, err = ingest.Lookup("jsonl") // nothing is every format
		return err
	case !isCertain(guesses):
		return hinted(usagef("the format of %s is not certain: %s", f.name, tellGuesses(guesses)), "say which it is with --format, or describe it with --mapping")
	}
	best := guesses[0]
	f.format = best.Format
	e.note("%s looks like %s: %d of the first %s", f.name, best.Format.Name(), best.Matched, plural(uint64(best.Of), "value"))
	return nil
}

// head returns the first bytes of a file, which are read again later.
func (f *importFile) head() ([]byte, error) {
	raw, file, err := f.raw()
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(raw, guessBytes)
	head, err := in.Peek(guessBytes)
	if err == io.EOF {
		err = nil
	}
	if f.path == "" {
		f.stdin = in
	}
	return head, errors.Join(err, file.Close())
}

// guess returns the formats that the values of a file look like, each of them read
// as the format has it, best first.
func (f *importFile) guess(head []byte) []ingest.Guess {
	var guesses []ingest.Guess
	for _, name := range ingest.Names() {
		format, err := ingest.Lookup(name)
		if err != nil {
			continue
		}
		for _, g := range ingest.Detect(f.samples(head, format)) {
			if g.Format.Name() == name && g.Matched > 0 {
				guesses = append(guesses, g)
			}
		}
	}
	slices.SortStableFunc(guesses, func(a, b ingest.Guess) int { return b.Matched*a.Of - a.Matched*b.Of })
	return guesses
}

// samples returns the first values of a file, read as those of a format.
func (f *importFile) samples(head []byte, format ingest.Format) (values [][]byte) {
	items, err := f.items(bytes.NewReader(head), format)
	for err == nil && len(values) < guessValues {
		var item ingest.Item
		if item, err = items.Next(); err == nil && item.Err == nil {
			values = append(values, bytes.Clone(item.Raw))
		}
	}
	return values // up to where the head ends
}

// isCertain reports whether the first guess is beyond doubt: most values look like
// it, and far fewer like any other.
func isCertain(guesses []ingest.Guess) bool {
	if len(guesses) == 0 || 4*guesses[0].Matched < 3*guesses[0].Of {
		return false
	}
	return len(guesses) == 1 || guesses[1].Matched*guesses[0].Of*2 <= guesses[0].Matched*guesses[1].Of
}

// tellGuesses lists guesses for people.
func tellGuesses(guesses []ingest.Guess) string {
	if len(guesses) == 0 {
		return "its first values look like none that is known"
	}
	var parts []string
	for _, g := range guesses {
		parts = append(parts, fmt.Sprintf("%s (%d of %d values)", g.Format.Name(), g.Matched, g.Of))
	}
	return "it may be " + strings.Join(parts, ", ")
}
