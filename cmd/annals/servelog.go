package main

import (
	"fmt"
	"io"
	"log/slog"
)

// parseLevel reads a level of the log.
func parseLevel(text string) (slog.Level, error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[text]
	if !ok {
		return 0, usagef("log-level is %q, want debug, info, warn or error", clip(text, maxValue))
	}
	return level, nil
}

// newLogger returns the log of a server.
func newLogger(w io.Writer, level *slog.LevelVar, c *serveConfig) *slog.Logger {
	if l, err := parseLevel(c.logLevel); err == nil {
		level.Set(l)
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: lineAttr}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// lineAttr makes an error the text that commands print, on one line.
func lineAttr(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case error:
		a.Value = slog.StringValue(errorText(v))
	case fmt.Stringer:
		a.Value = slog.StringValue(printable(v.String()))
	}
	return a
}
