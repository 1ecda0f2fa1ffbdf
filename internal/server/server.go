package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
)

// Options configure a [Server].
type Options struct {
	// Journal is what is served. Required. The server does not close it.
	Journal *annals.Journal

	// Auth finds out whose requests are. Nil means that everybody may do everything,
	// which is for a server that only its own machine can reach.
	Auth access.Authenticator

	// PublicProofs opens the checkpoint and the tiles, which hold hashes alone, to
	// requests without a credential.
	PublicProofs bool

	// Limits bound what requests may take. The zero Limits are the defaults.
	Limits Limits

	// Rates bound what one credential may ask for.
	Rates Rates

	// AuditReads says which reads are journalled: [AuditAll], [AuditExports] or
	// [AuditNone]. Empty means all. What is refused is journalled always.
	AuditReads string

	// AuditReadsRequired refuses reads that cannot be journalled. Otherwise they go on,
	// and an event that counts them follows.
	AuditReadsRequired bool

	// Heartbeat is how often a silent stream of events says that it is alive. Zero
	// means 15 seconds.
	Heartbeat time.Duration

	// Logger receives operational messages, never event contents. Nil discards them.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Limits = o.Limits.withDefaults()
	if o.AuditReads == "" {
		o.AuditReads = AuditAll
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Server serves a journal. Its methods may be called concurrently.
type Server struct {
	opts    Options         // never changes
	journal *annals.Journal // never changes
	local   *access.Grant   // of every request, where there is no authentication; else nil
	mux     *http.ServeMux  // never changes after New
	prefix  string          // of the ids of requests

	requests atomic.Uint64 // that were given an id
	memory   budget        // of bodies
	streams  budget        // that are open
	frames   frames        // of subscribers
	exports  budget        // that run
	limiter  atomic.Pointer[limiter]
	audit    auditor
	metrics  *metrics // never changes
	door     door
}

// New returns a server of a journal.
func New(o Options) (*Server, error) {
	if o.Journal == nil {
		return nil, errors.New("make server: no journal")
	}
	s := &Server{opts: o.withDefaults(), journal: o.Journal, prefix: newPrefix()}
	if s.opts.Auth == nil {
		g, err := access.Local(annals.Identity{Type: "local", ID: "http"})
		if err != nil {
			return nil, err
		}
		s.local = g
	}
	s.memory.limit = s.opts.Limits.BodyMemory
	s.streams.limit = int64(s.opts.Limits.Streams)
	s.exports.limit = int64(s.opts.Limits.Exports)
	s.SetRates(s.opts.Rates)
	s.audit.init(s.journal, s.opts.Logger)
	if err := s.SetAudit(s.opts.AuditReads, s.opts.AuditReadsRequired); err != nil {
		return nil, fmt.Errorf("make server: %w", err)
	}
	s.metrics = newMetrics(s)
	s.door.init()
	s.mux = s.newMux()
	return s, nil
}

// newPrefix returns what tells the requests of this process from others'.
func newPrefix() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:]) + "-"
}

// Handler returns what serves requests. It goes into an [http.Server] as
// [Server.HTTP] makes it, or one with the same timeouts.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

// HTTP returns a server of the handler with the limits that it relies on: header
// bytes and the time that headers, bodies and answers may take. Streams extend their
// time as they go.
func (s *Server) HTTP() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      bodyTimeout + answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxHTTP2Streams},
		Protocols:         protocols,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelWarn),
	}
}

// Drain ends the server's work: requests that come from now on are refused, streams end
// after what they have taken, and all others are answered. It returns when that is done,
// or ctx ends, and what is counted of requests is journalled.
func (s *Server) Drain(ctx context.Context) error {
	err := s.door.close(ctx)
	s.audit.counts.close()
	return err
}
