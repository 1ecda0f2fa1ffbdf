package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
)

// Types of the events that a server journals of itself. docs/design/0008-self-audit.md
// says when and why.
const (
	TypeRead       = "annals.events.read"
	TypeExported   = "annals.events.exported"
	TypeRefused    = "annals.request.refused"
	TypeRefusals   = "annals.requests.refused" // several, counted
	TypeUnaudited  = "annals.reads.unaudited"
	TypeStarted    = "annals.service.started"
	TypeStopped    = "annals.service.stopped"
	TypeReloaded   = "annals.service.reloaded"
	maxParamValues = 20  // that are kept of a read
	maxParamText   = 500 // bytes of each
	maxAgentText   = 255 // bytes of a user agent
)

// Which reads are journalled.
const (
	AuditAll     = "all"
	AuditExports = "exports"
	AuditNone    = "none"
)

// CheckAudit reports whether a text says which reads are journalled.
func CheckAudit(reads string) error {
	switch reads {
	case AuditAll, AuditExports, AuditNone:
		return nil
	}
	return fmt.Errorf("audit of reads is %.40q, want %s, %s or %s", reads, AuditAll, AuditExports, AuditNone)
}

// How long the event of a request may take to be durable, and how long none is tried
// after a failure: a disk that hangs would hold up each request.
const (
	auditTimeout = 5 * time.Second
	auditPause   = time.Second
)

// An auditor journals what is asked of a server.
type auditor struct {
	send   func(context.Context, ...annals.Event) ([]annals.Receipt, error) // [annals.Journal.Audit]; never changes
	logger *slog.Logger                                                     // never changes

	policy atomic.Pointer[auditPolicy]
	paused atomic.Int64 // Unix nanoseconds until which no event of a read is tried
	counts tally
}

func (a *auditor) init(j *annals.Journal, l *slog.Logger) {
	a.send, a.logger = j.Audit, l
	a.counts.init()
	a.counts.write = a.write
	a.counts.failed = func(err error) { l.Error("what is counted of requests cannot be journalled", "error", err) }
}

// An auditPolicy says what of reads is journalled, and whether it must be.
type auditPolicy struct {
	reads    string
	required bool
}

// SetAudit changes which reads are journalled, [AuditAll], [AuditExports] or [AuditNone],
// and whether one is refused that cannot be.
func (s *Server) SetAudit(reads string, required bool) error {
	if err := CheckAudit(reads); err != nil {
		return err
	}
	s.audit.policy.Store(&auditPolicy{reads, required})
	return nil
}

// UnauditedReads returns how many reads went on without an event of their own.
func (s *Server) UnauditedReads() uint64 { return s.audit.counts.unauditedReads() }

// auditRead journals a request that may tell of events. It returns when the event is
// durable; an error refuses the request.
func (x *exchange) auditRead() error {
	typ := x.route.audited()
	p := x.server.audit.policy.Load()
	if typ == "" || p.reads == AuditNone || p.reads == AuditExports && typ != TypeExported {
		return nil
	}
	err := x.server.audit.tryRead(x.r.Context(), x.readEvent(typ))
	switch {
	case err == nil:
		return nil
	case x.r.Context().Err() != nil:
		return x.r.Context().Err()
	case p.required:
		problem := problemf(codeUnavailable, "the read cannot be journalled, and it must be")
		problem.retryAfter = retryAfter
		return problem
	}
	x.server.audit.counts.unaudited()
	return nil
}

// audited returns the type of the event of a request, "" for what tells of no event.
func (r *route) audited() string {
	switch {
	case r.gate != gateGrant || r.untold:
		return ""
	case r.needs&access.Export != 0:
		return TypeExported
	case r.needs&access.Read != 0:
		return TypeRead
	}
	return ""
}

// tryRead journals the event of a read, unless that has failed a moment ago.
func (a *auditor) tryRead(ctx context.Context, e annals.Event) error {
	if time.Now().UnixNano() < a.paused.Load() {
		return annals.ErrUnavailable
	}
	err := a.write(ctx, e)
	if err != nil && ctx.Err() == nil {
		a.paused.Store(time.Now().Add(auditPause).UnixNano())
		a.logger.Error("a read cannot be journalled", "error", err)
	}
	return err
}

// write journals events of the server's own.
func (a *auditor) write(ctx context.Context, events ...annals.Event) error {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	_, err := a.send(ctx, events...)
	return err
}

// A readData is what the event of a read says.
type readData struct {
	Route      string              `json:"route"`
	Path       string              `json:"path"`
	Parameters map[string][]string `json:"parameters,omitempty"`
	Tenants    []string            `json:"tenants"` // that the credential is for
	RequestID  string              `json:"request_id"`
}

// readEvent returns the event of a request that may tell of events.
func (x *exchange) readEvent(typ string) annals.Event {
	return annals.Event{
		Type: typ, Action: "read", Actor: x.actor(),
		Data: &readData{
			Route: x.route.name(), Path: safeText(x.r.URL.EscapedPath(), maxParamText),
			Parameters: safeParams(x.query), Tenants: x.grant.Tenants, RequestID: x.id,
		},
	}
}

// actor returns who sends a request.
func (x *exchange) actor() annals.Actor {
	a := annals.Actor{Type: "anonymous", UserAgent: safeText(x.r.UserAgent(), maxAgentText)}
	if x.grant != nil {
		a.Type, a.ID = x.grant.Who.Type, x.grant.Who.ID
	}
	if host, _, err := net.SplitHostPort(x.r.RemoteAddr); err == nil {
		a.Address = safeText(host, maxAgentText)
	}
	return a
}

// safeParams returns what is kept of parameters.
func safeParams(query url.Values) map[string][]string {
	kept, left := make(map[string][]string, len(query)), maxParamValues
	for name, values := range query {
		values = values[:min(len(values), left)]
		if left -= len(values); len(values) == 0 {
			continue
		}
		safe := make([]string, len(values))
		for i, v := range values {
			safe[i] = safeText(v, maxParamText)
		}
		kept[safeText(name, maxParamText)] = safe
	}
	return kept
}

// tokenText matches what may be a token, also one that was cut or mistyped.
var tokenText = regexp.MustCompile(`(?i)annals_[a-z0-9]+_[a-z0-9]*`)

// safeText returns what events keep of a text that a client sent: no token, nothing that
// an event may not have, and not all of it if it is long.
func safeText(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if strings.Contains(strings.ToLower(text), "annals_") {
		text = tokenText.ReplaceAllString(text, "[token]")
	}
	return clip(text, most)
}

// auditRefusal journals that a request was refused for who sends it.
func (x *exchange) auditRefusal(p *problem) {
	a := &x.server.audit
	if p.status != http.StatusUnauthorized && p.status != http.StatusForbidden && p.status != http.StatusTooManyRequests {
		return
	}
	who := ""
	if x.grant != nil {
		who = x.grant.ID
	}
	if !a.counts.alone(p.code, who) {
		return
	}
	err := a.write(context.WithoutCancel(x.r.Context()), annals.Event{
		Type: TypeRefused, Severity: annals.SeverityWarning, Outcome: annals.OutcomeFailure, Actor: x.actor(), Reason: p.title,
		Error: annals.Failure{Code: p.name},
		Data: struct {
			Route     string `json:"route"`
			RequestID string `json:"request_id"`
		}{x.routeName(), x.id},
	})
	if err != nil {
		a.logger.Error("a refusal cannot be journalled and is counted", "error", err)
		a.counts.refused(p.code, who)
	}
}
