package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// A progress shows how far long work has come. The zero value shows nothing.
type progress struct{ bar *progressbar.ProgressBar }

// progress returns a bar on standard error if that is a terminal. The total is in
// bytes or a count; -1 means that it is not known.
func (e *env) progress(what string, total int64, bytes bool) progress {
	if !e.drawsOn {
		return progress{}
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(e.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionFullWidth(),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own
	}
	if bytes {
		options = append(options, progressbar.OptionShowBytes(true), progressbar.OptionShowTotalBytes(true), progressbar.OptionUseIECUnits(true))
	} else {
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts())
	}
	e.bar = progress{progressbar.NewOptions64(total, options...)}
	return e.bar
}

// The bar's errors are those of the terminal, and not worth ending work for.

func (p progress) set(n int64) {
	if p.bar != nil {
		_ = p.bar.Set64(n)
	}
}

// hide makes room for a line of text; the bar comes back with its next change.
func (p progress) hide() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// end removes the bar.
func (p progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		_ = p.bar.Clear()
	}
}
