package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/query"
)

// dataDir returns the journal's directory.
func (e *env) dataDir() (string, error) {
	if e.dir == "" {
		return "", hinted(usagef("no journal is named"), "give its directory with --data DIR, or set ANNALS_DATA")
	}
	return e.dir, nil
}

// openWriter opens the journal for appending, making it if there is none.
func (e *env) openWriter() (*annals.Journal, error) {
	dir, err := e.dataDir()
	if err != nil {
		return nil, err
	}
	if _, err := query.ParsePolicy(e.indexData); err != nil {
		return nil, usagef("index-data: %w", err)
	}
	opts := annals.Options{Tenant: e.tenant, IndexData: e.indexData, ScrubInterval: -1, Logger: e.logger(slog.LevelWarn)}
	began := e.now()
	j, err := annals.Open(dir, &opts)
	switch {
	case errors.Is(err, annals.ErrLocked):
		return nil, hinted(err, "another process holds this journal; repeat when it has ended")
	case err != nil:
		return nil, err
	}
	if damage := j.Damage(); len(damage) > 0 {
		return nil, errors.Join(damage[0], j.Close())
	}
	e.noteRecovery(j, began)
	return j, nil
}

// glimpse is how long a verb that reads waits for the lock: another one holds it for a
// moment to see whether a process writes. If one does, it reads beside it.
const glimpse = 100 * time.Millisecond

// openReader opens the journal for reading: like a writer if no process writes,
// since that recovers what an unclean end left; else beside that process. With
// beside set it keeps no writer away: once recovered, the journal is opened again.
func (e *env) openReader(beside bool) (*annals.Journal, error) {
	dir, err := e.dataDir()
	if err != nil {
		return nil, err
	}
	opts := annals.Options{MustExist: true, LockWait: glimpse, CheckpointInterval: -1, ScrubInterval: -1, Logger: e.logger(slog.LevelError)}
	began := e.now()
	j, err := annals.Open(dir, &opts)
	switch {
	case errors.Is(err, annals.ErrLocked):
		opts.ReadOnly = true
		j, err = annals.Open(dir, &opts)
	case isUnwritable(err):
		cause := err
		opts.ReadOnly = true
		if j, err = annals.Open(dir, &opts); err == nil {
			e.note("%s cannot be written (%s): it is read as it is, without recovery", dir, errorText(cause))
		}
	case err == nil:
		e.noteRecovery(j, began)
		if beside {
			opts.ReadOnly = true
			j, err = reopen(j, dir, &opts)
		}
	}
	if err != nil {
		return nil, openError(dir, err)
	}
	for _, c := range j.Damage() {
		e.noteDamage(c)
	}
	return j, nil
}

// reopen closes a journal and opens it with other options.
func reopen(j *annals.Journal, dir string, opts *annals.Options) (*annals.Journal, error) {
	if err := j.Close(); err != nil {
		return nil, err
	}
	return annals.Open(dir, opts)
}

// read opens the journal, lets do read, and closes it. Damage that was met makes
// the result an error.
func (e *env) read(do func(source) error) error { return e.readFrom(false, do) }

// readBeside is read for what takes as long as the reader of standard output
// likes, so that writers are not kept away. Opening takes twice the time.
func (e *env) readBeside(do func(source) error) error { return e.readFrom(true, do) }

func (e *env) readFrom(beside bool, do func(source) error) error {
	if e.isRemote() {
		return e.readServer(do)
	}
	j, err := e.openReader(beside)
	if err != nil {
		return err
	}
	err = errors.Join(do(j), j.Close())
	switch {
	case e.damaged && err == nil:
		return errDamaged
	case e.damaged && errors.Is(err, annals.ErrNotFound):
		return fmt.Errorf("%w; %w", err, errDamaged) // it may be in a gap
	}
	return err
}

// isUnwritable reports whether an error says that nothing can be written where
// the journal is.
func isUnwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// openError adds the next step to an error of opening a journal.
func openError(dir string, err error) error {
	if errors.Is(err, annals.ErrNoJournal) {
		return noJournal(dir)
	}
	return err
}

// noJournal is the error of a directory without a journal.
func noJournal(dir string) error {
	return hinted(fmt.Errorf("%s holds no journal", dir), "annals append and annals import make one; --data names its directory")
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// note prints a line on standard error.
func (e *env) note(format string, args ...any) {
	e.bar.hide()
	fmt.Fprintf(e.stderr, "annals: %s\n", printable(fmt.Sprintf(format, args...)))
}

// noteEmpty says that nothing was found where a table would show it.
func (e *env) noteEmpty(form string) {
	if form == formTable {
		e.note("no events")
	}
}

// noteDamage names a place that cannot be read, once.
func (e *env) noteDamage(c *annals.CorruptError) {
	text := errorText(c)
	if e.damage == nil {
		e.damage = make(map[string]bool)
	}
	if !e.damage[text] {
		e.damage[text] = true
		e.note("damage: %s", text)
	}
	e.damaged = true
}

// noteRecovery says so if opening the journal had to recover it. began is a time
// before that.
func (e *env) noteRecovery(j *annals.Journal, began time.Time) {
	size := j.Size()
	if size == 0 {
		return
	}
	last, err := j.At(context.Background(), size-1)
	if err != nil || last.Type() != annals.TypeRecovered || last.RecordedAt.Before(began) {
		return
	}
	event, err := last.Event()
	if err == nil {
		e.note("%s", event.Message)
	}
}

// logger returns what prints the library's messages on standard error.
func (e *env) logger(level slog.Level) *slog.Logger {
	return slog.New(&noteHandler{env: e, level: level})
}

// A noteHandler prints log records as notes.
type noteHandler struct {
	env   *env
	level slog.Level
}

// Enabled implements [slog.Handler].
func (h *noteHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// Handle implements [slog.Handler].
func (h *noteHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	h.env.note("%s: %s", strings.ToLower(r.Level.String()), b.String())
	return nil
}

// WithAttrs implements [slog.Handler]. The library's loggers carry none.
func (h *noteHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements [slog.Handler].
func (h *noteHandler) WithGroup(string) slog.Handler { return h }
