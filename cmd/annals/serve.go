package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/server"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A serveReport is the first line that a server prints. Its shape is a contract.
type serveReport struct {
	URL  string `json:"url"`
	Data string `json:"data"`
}

func newServe(e *env) *cobra.Command {
	var file string
	var print bool
	flags := new(serveConfig).flags() // where cobra keeps what is given; serve reads it again
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the journal over HTTP",
		Long: "Serve the journal's API over HTTP until a signal ends it, making the journal if there is\n" +
			"none. The first line on standard output says where: {\"url\": …, \"data\": …}. The first start\n" +
			"makes a token that may do everything and shows it once, on standard error.\n\n" +
			"Settings are flags, ANNALS_* variables, keys of annals.yaml (--config) and defaults, in this\n" +
			"order; --print-config shows each and where it comes from. An interrupt or terminate signal\n" +
			"ends the server when requests in progress are answered, a second one at once; a hang-up\n" +
			"signal makes it read certificates and what settings it can again.",
		Example: "  annals serve --data ./journal\n  annals serve --data ./journal --listen :7300 --tls-cert tls.crt --tls-key tls.key\n" +
			"  ANNALS_LOG_LEVEL=debug annals serve --config annals.yaml --print-config",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "data" { // of all commands
			c.Flags().AddFlag(f)
		}
	})
	c.Flags().SortFlags = false
	c.Flags().StringVar(&file, "config", "", "file of settings; default annals.yaml where the server is started, if it is there (ANNALS_CONFIG)")
	c.Flags().BoolVar(&print, "print-config", false, "print every setting and where it comes from, and end")
	c.RunE = e.action(func(ctx context.Context, _ []string) error {
		if file == "" {
			file = e.getenv("ANNALS_CONFIG")
		}
		s := &service{env: e, given: c.Flags(), file: file}
		if err := s.configure(); err != nil || print {
			return errors.Join(err, s.printConfig(print && err == nil))
		}
		return s.run(ctx)
	})
	return c
}

// A service is a running server.
type service struct {
	env   *env           // never changes
	given *pflag.FlagSet // flags of the command line; never changes
	file  string         // of settings, "" for the one in the working directory; never changes

	config  *serveConfig      // owned by run
	flags   *pflag.FlagSet    // of config
	sources map[string]string // of flags

	level  slog.LevelVar
	logger *slog.Logger

	certs   *certificates // nil without TLS
	journal *annals.Journal
	root    *durable.OS
	keys    *access.Keyring // nil without authentication
	server  *server.Server

	loops sync.WaitGroup
}

// configure reads the settings.
func (s *service) configure() (err error) {
	s.config = new(serveConfig)
	s.flags = s.config.flags()
	if s.sources, err = s.env.configure(s.flags, s.given, s.file); err != nil {
		return err
	}
	for _, name := range strangeVariables(s.env.environ(), s.flags) {
		s.env.note("%s is no setting and is ignored", name)
	}
	return nil
}

func (s *service) printConfig(asked bool) error {
	if !asked {
		return nil
	}
	return s.env.printConfig(settings(s.flags, s.sources))
}

// run serves until ctx ends, which is no error, or something fails.
func (s *service) run(ctx context.Context) error {
	if err := s.config.check(); err != nil {
		return err
	}
	s.logger = newLogger(s.env.stderr, &s.level, s.config)
	l, err := s.listen() // before anything is made
	if err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return errors.Join(err, l.close(), s.close())
	}
	return errors.Join(s.serve(ctx, l), s.close())
}

// open opens what is served.
func (s *service) open(ctx context.Context) (err error) {
	if s.journal, err = annals.Open(s.config.data, s.config.journalOptions(s.logger)); err != nil {
		if errors.Is(err, annals.ErrLocked) {
			err = hinted(err, "another process holds this journal, perhaps another server")
		}
		return err
	}
	for _, c := range s.journal.Damage() {
		s.logger.Error("journal is damaged: it is served for reading", "damage", errorText(c))
	}
	if s.root, err = durable.OpenOS(s.config.data); err != nil {
		return err
	}
	if !s.config.noAuth {
		if err = s.openKeys(ctx); err != nil {
			return err
		}
	}
	s.server, err = server.New(s.config.serverOptions(s))
	return err
}

// journalOptions returns how the journal is opened.
func (c *serveConfig) journalOptions(l *slog.Logger) *annals.Options {
	return &annals.Options{
		IndexData: c.indexData, Origin: c.origin, MaxEventBytes: c.maxEventBytes, SyncInterval: c.syncInterval,
		CheckpointInterval: c.checkpointInterval, ScrubInterval: c.scrubInterval, Logger: l,
	}
}

// serverOptions returns how it is served.
func (c *serveConfig) serverOptions(s *service) server.Options {
	o := server.Options{
		Journal: s.journal, PublicProofs: c.publicProofs, Logger: s.logger, Rates: c.rates(),
		AuditReads: c.auditReads, AuditReadsRequired: c.auditReadsRequired,
		Limits: server.Limits{BodyMemory: c.maxBodyMemory, Streams: c.maxStreams},
	}
	if s.keys != nil { // not a nil keyring in an interface
		o.Auth = s.keys
	}
	return o
}

// openKeys opens the tokens, and makes one if there is none.
func (s *service) openKeys(ctx context.Context) (err error) {
	store := access.NewStore(s.root)
	if s.keys, err = access.OpenKeyring(store, s.journal, s.logger); err != nil || s.keys.Len() > 0 {
		return err
	}
	t := &access.Token{
		Name: "first", Permissions: access.All, Tenants: []string{access.EveryTenant},
		CreatedAt: s.env.now(), CreatedBy: localUser(),
	}
	var text string
	err = s.env.patiently(ctx, func() error {
		text, err = store.Create(t)
		return err
	})
	if err != nil {
		return err
	}
	s.env.note("a token that may do everything, for every tenant; it is not shown again: %s", text)
	return s.keys.Refresh()
}

// close closes what open opened.
func (s *service) close() error {
	var errs []error
	if s.keys != nil {
		errs = append(errs, s.keys.Close())
	}
	if s.root != nil {
		errs = append(errs, s.root.Close())
	}
	return errors.Join(append(errs, closeJournal(s.journal))...)
}
