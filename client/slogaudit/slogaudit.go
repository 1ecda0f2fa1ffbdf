/*
Package slogaudit makes audit events of log records: a program that logs with package
[log/slog] keeps an audit trail by sending some of its records here.

	audit := slog.New(slogaudit.New(buffer.Append, nil))
	audit.InfoContext(ctx, "order cancelled", "type", "order.cancelled", "outcome", "success",
		slog.Group("entity", "type", "order", "id", "1001"), "reason", "customer asked")

The level becomes the severity and the message the message; attributes with the names of
members become members, and all others are the data, groups as objects. The actor and the
tags of the record's context apply, as in every append.

A record is an event only when whoever takes it says so: [log/slog.Logger] drops the error
of a handler. [Options.OnError] does not.
*/
package slogaudit

import (
	"context"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/annals-io/annals"
)

// A Take takes an event, such as [annals.Journal.Append] or the same of a client or a
// buffer does, and returns once it is as safe as it makes it.
type Take func(ctx context.Context, event annals.Event) error

// Options configure a handler. The zero value is ready to use.
type Options struct {
	// Level is the least level of a record that becomes an event. Nil means
	// [slog.LevelInfo].
	Level slog.Leveler

	// Type is the type of records that name none. Empty means log.
	Type string

	// Source and Tenant are those of records that name none.
	Source, Tenant string

	// Members says which attribute becomes which member of the event: by its key, with
	// the groups around it and dots between, such as "user.id": "actor.id". Nil means
	// [DefaultMembers]. A value that the member cannot hold stays in the data.
	Members map[string]string

	// AddSource puts the place in the program into the metadata.
	AddSource bool

	// OnError is told of records that did not become events. Loggers drop what
	// [Handler.Handle] returns.
	OnError func(event annals.Event, err error)
}

// A Handler is a [slog.Handler] that makes an event of each record.
type Handler struct {
	take    Take
	opts    Options
	members map[string]member
	scopes  []scope
}

// A scope is what one WithAttrs or WithGroup adds.
type scope struct {
	group string
	attrs []slog.Attr
}

// New returns a handler whose events take gets. A nil opts means the defaults. It panics
// if Members names a member that no attribute can be.
func New(take Take, opts *Options) *Handler {
	h := &Handler{take: take}
	if opts != nil {
		h.opts = *opts
	}
	if h.opts.Level == nil {
		h.opts.Level = slog.LevelInfo
	}
	if h.opts.Type == "" {
		h.opts.Type = "log"
	}
	if h.opts.Members == nil {
		h.opts.Members = DefaultMembers()
	}
	h.members = make(map[string]member, len(h.opts.Members))
	for key, name := range h.opts.Members {
		m, ok := memberOf(name)
		if !ok {
			panic("slogaudit: no attribute can be the member " + name)
		}
		h.members[key] = m
	}
	return h
}

// Enabled implements [slog.Handler].
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.opts.Level.Level() }

// WithAttrs implements [slog.Handler].
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return h.with(scope{attrs: slices.Clone(attrs)})
}

// WithGroup implements [slog.Handler].
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(scope{group: name})
}

func (h *Handler) with(s scope) *Handler {
	next := *h
	next.scopes = append(slices.Clip(h.scopes), s)
	return &next
}

// Handle implements [slog.Handler]: it makes an event of a record and waits until it is
// taken. The error is that of whoever takes it.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	event := h.event(r)
	err := h.take(ctx, event)
	if err != nil && h.opts.OnError != nil {
		h.opts.OnError(event, err)
	}
	return err
}

// event makes the event of a record.
func (h *Handler) event(r slog.Record) annals.Event {
	event := annals.Event{
		Type: h.opts.Type, Source: h.opts.Source, Tenant: h.opts.Tenant, Time: r.Time, Severity: Severity(r.Level),
	}
	w := &writer{handler: h, event: &event}
	data := w.scope(h.scopes, "", func(data map[string]any, path string) {
		r.Attrs(func(a slog.Attr) bool {
			w.add(data, path, a)
			return true
		})
	})
	if text := printable(r.Message); !set(&event.Message, text, limits["/message"]) && text != "" {
		event.Message = clip(text, limits["/message"])
		data["msg"] = text
	}
	w.complete(data)
	if len(data) > 0 {
		event.Data = data
	}
	if h.opts.AddSource && r.PC != 0 {
		f, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		event.Metadata = map[string]any{"source": map[string]any{"function": f.Function, "file": f.File, "line": f.Line}}
	}
	return event
}

// Severity returns the severity of a level: that of the highest of slog's levels that it
// reaches, notice between info and warning, and critical four above error.
func Severity(l slog.Level) annals.Severity {
	switch {
	case l < slog.LevelInfo:
		return annals.SeverityDebug
	case l < slog.LevelInfo+2:
		return annals.SeverityInfo
	case l < slog.LevelWarn:
		return annals.SeverityNotice
	case l < slog.LevelError:
		return annals.SeverityWarning
	case l < slog.LevelError+4:
		return annals.SeverityError
	}
	return annals.SeverityCritical
}

// DefaultMembers returns the attributes that become members unless Options say otherwise:
// those with a member's own name. The attributes error and err are the error's message.
func DefaultMembers() map[string]string {
	names := map[string]string{"error": "error.message", "err": "error.message"}
	for name := range members {
		names[name] = name
	}
	return names
}

// A writer fills an event with attributes.
type writer struct {
	handler *Handler
	event   *annals.Event
	moved   []moved // what may have to go back into the data
}

// A moved is an attribute that became a part of an entity.
type moved struct {
	path  string
	value any
}

// scope returns the data of scopes, and of what rest adds inside of them.
func (w *writer) scope(scopes []scope, path string, rest func(data map[string]any, path string)) map[string]any {
	data := make(map[string]any)
	for i, s := range scopes {
		if s.group != "" {
			w.put(data, s.group, w.scope(scopes[i+1:], path+s.group+".", rest))
			return data
		}
		for _, a := range s.attrs {
			w.add(data, path, a)
		}
	}
	rest(data, path)
	return data
}

// put adds a group that is not empty to what data may have of it already.
func (w *writer) put(data map[string]any, key string, group map[string]any) {
	if len(group) == 0 {
		return
	}
	if have, ok := data[key].(map[string]any); ok {
		maps.Copy(have, group)
		return
	}
	data[key] = group
}

// add adds an attribute.
func (w *writer) add(data map[string]any, path string, a slog.Attr) {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if a.Value.Kind() == slog.KindGroup {
		w.addGroup(data, path, a)
		return
	}
	m, ok := w.handler.members[path+a.Key]
	if ok && m.set(w.event, textOf(a.Value)) {
		w.moved = append(w.moved, moved{path + a.Key, valueOf(a.Value)})
		return
	}
	data[printable(a.Key)] = valueOf(a.Value)
}

func (w *writer) addGroup(data map[string]any, path string, a slog.Attr) {
	inner, path := data, path
	if a.Key != "" {
		inner, path = make(map[string]any), path+a.Key+"."
	}
	for _, each := range a.Value.Group() {
		w.add(inner, path, each)
	}
	if a.Key != "" {
		w.put(data, printable(a.Key), inner)
	}
}

// complete puts into the data what makes no whole member: half of an entity, or an error
// of something that succeeded.
func (w *writer) complete(data map[string]any) {
	e := w.event
	if (e.Entity.Type == "") != (e.Entity.ID == "") || e.Entity.Name != "" && e.Entity.Type == "" {
		e.Entity = annals.Entity{}
		w.giveBack(data, "entity.")
	}
	if e.Error != (annals.Failure{}) && e.Outcome == annals.OutcomeSuccess {
		e.Error = annals.Failure{}
		w.giveBack(data, "error.")
	}
}

// giveBack puts attributes that became parts of a member back into the data.
func (w *writer) giveBack(data map[string]any, member string) {
	for _, m := range w.moved {
		if strings.HasPrefix(w.handler.opts.Members[m.path], member) {
			data[printable(m.path)] = m.value
		}
	}
}
