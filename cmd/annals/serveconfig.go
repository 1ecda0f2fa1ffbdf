package main

import (
	"fmt"
	"time"

	"github.com/annals-io/annals/internal/server"
	"github.com/spf13/pflag"
)

// A serveConfig is what a server can be told. Its flags, described in [serveConfig.flags],
// are the settings: the same names are keys of annals.yaml, with _ for -, and, in upper
// case behind ANNALS_, environment variables. docs/operations.md lists them.
type serveConfig struct {
	data      string // the journal's directory; made if missing
	indexData string // as [annals.Options.IndexData]
	origin    string // as [annals.Options.Origin]; heeded when the journal is made

	maxEventBytes      int           // as [annals.Options.MaxEventBytes]
	syncInterval       time.Duration // as [annals.Options.SyncInterval]; danger: gives up durability
	checkpointInterval time.Duration // as [annals.Options.CheckpointInterval]
	scrubInterval      time.Duration // as [annals.Options.ScrubInterval]

	listen       string // host:port of the API
	tlsCert      string // path, PEM; with tlsKey the API speaks TLS
	tlsKey       string // path, PEM
	insecureHTTP bool   // danger: lets others than this machine in without TLS
	noAuth       bool   // danger: everybody who reaches the server may do everything
	publicProofs bool   // checkpoint and tiles need no credential
	adminListen  string // host:port of metrics and profiles, or none

	auditReads         string // as [server.Options.AuditReads]
	auditReadsRequired bool   // as [server.Options.AuditReadsRequired]

	maxBodyMemory int64 // bytes of large request bodies at once
	maxStreams    int   // streams and exports open at once

	rateRequests  float64 // as [server.Rates.WriteRequests]
	rateEvents    float64 // as [server.Rates.WriteEvents]
	maxConcurrent int     // as [server.Rates.Concurrent]

	drainTimeout time.Duration // for requests in progress when the server is stopped

	logLevel  string // debug, info, warn or error
	logFormat string // text or json
}

// adminNone is the address of no admin listener.
const adminNone = "none"

// flags returns the settings, bound to c and set to their defaults, in the order in which
// they are listed.
func (c *serveConfig) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&c.data, "data", "", "directory of the journal; made if it is missing")
	f.StringVar(&c.listen, "listen", "127.0.0.1:7300", "address of the API; other machines are let in with TLS only")
	f.StringVar(&c.tlsCert, "tls-cert", "", "file with the certificate, PEM; read again when it changes")
	f.StringVar(&c.tlsKey, "tls-key", "", "file with the certificate's key, PEM")
	f.BoolVar(&c.insecureHTTP, "insecure-http", false, "let other machines in without TLS, behind a proxy that has it")
	f.BoolVar(&c.noAuth, "insecure-no-auth", false, "ask for no token: whoever reaches the server may do everything; this machine only")
	f.BoolVar(&c.publicProofs, "public-proofs", false, "serve checkpoint and tiles, which hold hashes alone, without a token")
	f.StringVar(&c.adminListen, "admin-listen", "127.0.0.1:7301", "address of metrics and profiles, which ask for no token; or none")
	f.StringVar(&c.indexData, "index-data", "all", "what of data, changes and tags is indexed: all, none, or paths as data.region,tags.*")
	f.StringVar(&c.origin, "origin", "", "name of a new journal in its checkpoints; default annals/ and its id")
	f.IntVar(&c.maxEventBytes, "max-event-bytes", 1<<20, "largest event in bytes, 1024 to 16777216")
	f.DurationVar(&c.syncInterval, "sync-interval", 0, "danger: answer before events are on stable storage, which follows within this time")
	f.DurationVar(&c.checkpointInterval, "checkpoint-interval", time.Second, "longest time from an event to a signed checkpoint of it")
	f.DurationVar(&c.scrubInterval, "scrub-interval", 24*time.Hour, "how often the whole log is read in search of damage; negative for never")
	f.StringVar(&c.auditReads, "audit-reads", server.AuditAll, "which reads are journalled: all, exports or none; what is refused always is")
	f.BoolVar(&c.auditReadsRequired, "audit-reads-required", false, "refuse reads that cannot be journalled, instead of counting them")
	f.Int64Var(&c.maxBodyMemory, "max-body-memory", 256<<20, "bytes of large request bodies that are held at once")
	f.IntVar(&c.maxStreams, "max-streams", 2000, "streams and exports that are open at once")
	f.Float64Var(&c.rateRequests, "rate-requests", 500, "requests a second that append, for each token; 0 for no bound")
	f.Float64Var(&c.rateEvents, "rate-events", 0, "events a second for each token; 0 for no bound")
	f.IntVar(&c.maxConcurrent, "max-concurrent", 1000, "requests of each token that are answered at once, streams aside; 0 for no bound")
	f.DurationVar(&c.drainTimeout, "drain-timeout", 30*time.Second, "how long requests in progress may take when the server is stopped")
	f.StringVar(&c.logLevel, "log-level", "info", "what is logged on standard error: debug (each request), info, warn or error")
	f.StringVar(&c.logFormat, "log-format", "text", "form of the log: text or json")
	return f
}

// reloadable are the settings that a running server takes up; others need a restart.
var reloadable = map[string]bool{
	"log-level": true, "rate-requests": true, "rate-events": true, "max-concurrent": true, "audit-reads": true, "audit-reads-required": true,
}

// rates returns what a token may ask for.
func (c *serveConfig) rates() server.Rates {
	return server.Rates{WriteRequests: c.rateRequests, WriteEvents: c.rateEvents, Concurrent: c.maxConcurrent}
}

// check reports what is wrong with the settings, apart from what opening the journal and
// listening find out.
func (c *serveConfig) check() error {
	switch {
	case c.data == "":
		return hinted(usagef("no journal is named"), "give its directory with --data DIR, or set ANNALS_DATA")
	case (c.tlsCert == "") != (c.tlsKey == ""):
		return usagef("tls-cert and tls-key go together")
	case c.drainTimeout < 0:
		return usagef("drain-timeout is %v, want 0 or more", c.drainTimeout)
	case c.maxBodyMemory <= 0:
		return usagef("max-body-memory is %d, want 1 or more", c.maxBodyMemory)
	case c.maxStreams <= 0:
		return usagef("max-streams is %d, want 1 or more", c.maxStreams)
	case !(c.rateRequests >= 0 && c.rateEvents >= 0 && c.maxConcurrent >= 0): // NaN neither
		return usagef("rate-requests, rate-events and max-concurrent are 0 or more")
	case c.logFormat != "text" && c.logFormat != "json":
		return usagef("log-format is %q, want text or json", clip(c.logFormat, maxValue))
	}
	if _, err := parseLevel(c.logLevel); err != nil {
		return err
	}
	if err := server.CheckAudit(c.auditReads); err != nil {
		return usagef("%w", err)
	}
	return c.checkListen()
}

// checkListen refuses to be reached by others than intended.
func (c *serveConfig) checkListen() error {
	local, err := isLoopback("listen", c.listen)
	switch {
	case err != nil:
		return err
	case c.noAuth && !local:
		return usagef("listen is %s: without authentication only this machine may reach the server", c.listen)
	case !local && c.tlsCert == "" && !c.insecureHTTP:
		return hinted(usagef("listen is %s: tokens would cross the network in the open", c.listen),
			"give --tls-cert and --tls-key, or --insecure-http behind a proxy that speaks TLS")
	case c.adminListen == adminNone:
		return nil
	}
	local, err = isLoopback("admin-listen", c.adminListen)
	if err == nil && !local && !c.insecureHTTP {
		err = hinted(usagef("admin-listen is %s: it asks for no token and speaks no TLS", c.adminListen),
			"scrape /metrics of the API with a token that may read, or give --insecure-http")
	}
	return err
}

// A settingReport is the machine's form of a setting. Its shape is a contract.
type settingReport struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"` // flag, the environment variable, file and line, or default
}

// settings returns the settings of flags in their order.
func settings(f *pflag.FlagSet, sources map[string]string) []settingReport {
	var all []settingReport
	f.VisitAll(func(s *pflag.Flag) {
		all = append(all, settingReport{settingKey(s.Name), s.Value.String(), sources[s.Name]})
	})
	return all
}

// printConfig prints the settings and where they come from.
func (e *env) printConfig(all []settingReport) error {
	form, err := e.form(formTable, formNDJSON, formJSON)
	if err != nil {
		return err
	}
	if form == formJSON {
		return e.printJSON(all)
	}
	for i := range all {
		if form == formNDJSON {
			err = e.printJSON(&all[i])
		} else {
			_, err = fmt.Fprintf(e.stdout, "%-22s %-30s %s\n", all[i].Name, printable(all[i].Value), printable(all[i].Source))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
