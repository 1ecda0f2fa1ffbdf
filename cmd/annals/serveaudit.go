package main

import (
	"context"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/server"
)

// noteTimeout is how long an event of the service's own may take.
const noteTimeout = 5 * time.Second

// journalSelf journals what happens to the service itself. A journal that takes nothing is
// served for reading all the same.
func (s *service) journalSelf(e annals.Event) {
	ctx, cancel := context.WithTimeout(context.Background(), noteTimeout)
	defer cancel()
	who := localUser()
	e.Severity, e.Actor = annals.SeverityNotice, annals.Actor{Type: who.Type, ID: who.ID}
	if _, err := s.journal.Audit(ctx, e); err != nil {
		s.logger.Error("event of the service is not journalled", "type", e.Type, "error", err)
	}
}

// started journals that the service takes requests, and under which settings: none is a
// secret.
func (s *service) started(url string) {
	all := make(map[string]string)
	for _, setting := range settings(s.flags, s.sources) {
		all[setting.Name] = setting.Value
	}
	v := buildVersion()
	s.journalSelf(annals.Event{Type: server.TypeStarted, Data: struct {
		URL      string            `json:"url"`
		Version  string            `json:"version"`
		Commit   string            `json:"commit,omitempty"`
		Settings map[string]string `json:"settings"`
	}{url, v.Version, v.Commit, all}})
}

// stopped journals why the service takes no more requests.
func (s *service) stopped(cause string) {
	s.journalSelf(annals.Event{Type: server.TypeStopped, Reason: clip(printable(cause), maxValue)})
}

// reloaded journals that the settings were read again, and what changed.
func (s *service) reloaded(changed map[string]annals.Change) {
	s.journalSelf(annals.Event{Type: server.TypeReloaded, Changes: changed})
}
