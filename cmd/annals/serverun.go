package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/annals-io/annals"
	"github.com/spf13/pflag"
)

// reloadPoll is how often files of certificates are looked at.
const reloadPoll = 10 * time.Second

// serve answers requests until ctx ends or a listener fails.
func (s *service) serve(ctx context.Context, l *listeners) error {
	s.started(l.url) // before anybody is answered
	api := s.server.HTTP()
	api.Handler = s.guard(api.Handler)
	if s.certs != nil {
		api.TLSConfig = s.certs.config()
	}
	admin := &http.Server{Handler: s.adminHandler(), ReadHeaderTimeout: api.ReadHeaderTimeout, MaxHeaderBytes: api.MaxHeaderBytes, ErrorLog: api.ErrorLog}
	failed := make(chan error, 2)
	s.loops.Go(func() { serveLoop(api, l.api, failed) })
	if l.admin != nil {
		s.loops.Go(func() { serveLoop(admin, l.admin, failed) })
	}
	err := s.await(ctx, l.url, failed)
	cause := errors.Join(context.Cause(ctx), err)
	s.logger.Info("going down", "cause", cause)
	err = errors.Join(err, s.drain(api), admin.Close())
	s.loops.Wait()
	s.stopped(cause.Error())
	return err
}

// await says that requests are answered, and waits for the end. Meanwhile it reads again
// what changes.
func (s *service) await(ctx context.Context, url string, failed <-chan error) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	watch, stop := context.WithCancel(ctx)
	defer stop()
	s.loops.Go(func() { s.reloadLoop(watch, hup) })
	s.logger.Info("serving", "url", url, "data", s.config.data, "entries", uint64(s.journal.Size()))
	if err := s.env.printJSON(&serveReport{url, s.config.data}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// serveLoop answers the requests of one listener.
func serveLoop(srv *http.Server, l net.Listener, failed chan<- error) {
	serve := srv.Serve
	if srv.TLSConfig != nil {
		serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
}

// drain lets requests in progress end and refuses new ones, then closes the connections.
func (s *service) drain(api *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.drainTimeout)
	defer cancel()
	err := s.server.Drain(ctx)
	if err == nil {
		err = api.Shutdown(ctx)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		s.logger.Warn("requests in progress are cut off", "after", s.config.drainTimeout)
		err = nil
	}
	return errors.Join(err, api.Close())
}

// reloadLoop reads again what may have changed: everything at a hang-up signal, and
// certificates whose files are others.
func (s *service) reloadLoop(ctx context.Context, hup <-chan os.Signal) {
	tick := time.NewTicker(reloadPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			s.reload()
		case <-tick.C:
			if s.certs != nil && s.certs.stale() {
				s.reloadCertificates()
			}
		}
	}
}

// reload reads the settings again and takes up those that it can.
func (s *service) reload() {
	if s.certs != nil {
		s.reloadCertificates()
	}
	next := new(serveConfig)
	flags := next.flags()
	sources, err := s.env.configure(flags, s.given, s.file)
	if err == nil {
		err = next.check()
	}
	if err != nil {
		s.logger.Error("settings are not taken up", "error", err)
		return
	}
	s.takeUp(flags, sources)
}

// takeUp sets what a running server can change to what flags say.
func (s *service) takeUp(flags *pflag.FlagSet, sources map[string]string) {
	changed := make(map[string]annals.Change)
	flags.VisitAll(func(f *pflag.Flag) {
		own := s.flags.Lookup(f.Name)
		was, is := own.Value.String(), f.Value.String()
		switch {
		case was == is:
		case !reloadable[f.Name]:
			s.logger.Warn("a changed setting needs a restart", "setting", settingKey(f.Name), "value", was, "next", is)
		default:
			_ = own.Value.Set(is) // it was read from a value of this type
			s.sources[f.Name] = sources[f.Name]
			changed[settingKey(f.Name)] = annals.Change{Old: was, New: is}
		}
	})
	s.reloaded(changed) // before anything is different
	s.apply()
	s.logger.Info("settings are read again", "changed", len(changed))
}

// apply has the settings that can change heeded.
func (s *service) apply() {
	if level, err := parseLevel(s.config.logLevel); err == nil { // it was checked
		s.level.Set(level)
	}
	s.server.SetRates(s.config.rates())
	if err := s.server.SetAudit(s.config.auditReads, s.config.auditReadsRequired); err != nil {
		s.logger.Error("settings are not taken up", "error", err)
	}
}

func (s *service) reloadCertificates() {
	if err := s.certs.load(); err != nil {
		s.logger.Error("certificate is not taken up; the one before is used", "error", err)
		return
	}
	s.logger.Info("certificate is read again", "file", s.certs.certFile)
}
