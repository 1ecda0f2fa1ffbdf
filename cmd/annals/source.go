package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/spf13/cobra"
)

// A source is what commands read: a journal in a directory, or one that a server has.
type source interface {
	GetTenant(ctx context.Context, tenant, id string) (annals.Entry, error)
	Search(ctx context.Context, q annals.Query) (*annals.Page, error)
	SearchAll(ctx context.Context, q annals.Query) iter.Seq2[annals.Entry, error]
	History(ctx context.Context, entity annals.Entity, h annals.HistoryOptions) iter.Seq2[annals.Entry, error]
	FollowMatching(ctx context.Context, from annals.Position, q annals.Query) iter.Seq2[annals.Entry, error]
	Stats(ctx context.Context) (annals.Stats, error)
	Checkpoint(ctx context.Context) ([]byte, error)
	Close() error
}

// A target is what commands append to.
type target interface {
	AppendEncoded(ctx context.Context, expect []annals.Expect, events ...annals.Encoded) ([]annals.Receipt, error)
	GetTenant(ctx context.Context, tenant, id string) (annals.Entry, error)
	Close() error
}

var (
	_ source = (*annals.Journal)(nil)
	_ source = (*client.Client)(nil)
	_ target = (*annals.Journal)(nil)
	_ target = (*client.Client)(nil)
)

// A remote says which server commands use in place of a directory.
type remote struct {
	url, token, tokenFile string
	insecure              bool
}

// How long calls are repeated. A person waits for what is read.
const (
	retryReads   = 5 * time.Second
	retryAppends = time.Minute
)

// serverFlags adds the flags of commands that can use a server.
func (e *env) serverFlags(c *cobra.Command) *cobra.Command {
	f := c.Flags()
	f.StringVar(&e.remote.url, "url", "", "address of a server to use in place of --data, such as https://annals.example.com (ANNALS_URL)")
	f.StringVar(&e.remote.tokenFile, "token-file", "", "file of the server's token (ANNALS_TOKEN_FILE)")
	f.StringVar(&e.remote.token, "token", "", "the token itself, which other users of this machine may see; better ANNALS_TOKEN or a file")
	f.BoolVar(&e.remote.insecure, "insecure-http", false, "send the token without TLS to another machine (ANNALS_INSECURE_HTTP)")
	_ = c.RegisterFlagCompletionFunc("url", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("token", cobra.NoFileCompletions)
	return c
}

// choose decides between a directory and a server where both are named: a flag goes before
// the environment.
func (e *env) choose(c *cobra.Command) error {
	if e.remote.url == "" || e.dir == "" || c.Flags().Lookup("url") == nil {
		return nil
	}
	url, data := c.Flags().Changed("url"), c.Flags().Changed("data")
	switch {
	case url == data:
		return hinted(usagef("both a directory and a server are named"), "leave out --data (ANNALS_DATA) or --url (ANNALS_URL)")
	case url:
		e.dir = ""
	default:
		e.remote.url = ""
	}
	return nil
}

// connect returns a client of the server that is named.
func (e *env) connect(retryFor time.Duration) (*client.Client, error) {
	o := client.Options{
		RetryFor: retryFor, InsecureHTTP: e.remote.insecure, UserAgent: "annals-cli", Logger: e.logger(slog.LevelWarn),
	}
	switch {
	case e.remote.token != "" && e.remote.tokenFile != "":
		return nil, usagef("token does not go with token-file")
	case e.remote.tokenFile != "":
		if _, err := readToken(e.remote.tokenFile); err != nil {
			return nil, err
		}
		o.TokenSource = func(context.Context) (string, error) { return readToken(e.remote.tokenFile) }
	default:
		o.Token = e.remote.token
	}
	c, err := client.New(e.remote.url, &o)
	if err != nil {
		return nil, usagef("%s", strings.TrimPrefix(err.Error(), "client: "))
	}
	return c, nil
}

// maxTokenBytes bounds the file of a token.
const maxTokenBytes = 16 << 10

// readToken reads a token from its file. It is read for each request: it may change.
func readToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	defer f.Close() // read-only: nothing to lose
	text, err := io.ReadAll(io.LimitReader(f, maxTokenBytes+1))
	token := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", fmt.Errorf("read token: %w", err)
	case token == "" || len(text) > maxTokenBytes || strings.ContainsAny(token, " \t\r\n"):
		return "", fmt.Errorf("read token: %s does not hold one token", name)
	}
	return token, nil
}

// isRemote reports whether a server is used.
func (e *env) isRemote() bool { return e.remote.url != "" }

// localOnly returns an error where a server is used for what only a directory has.
func (e *env) localOnly(what string) error {
	if !e.isRemote() {
		return nil
	}
	return hinted(usagef("%s does not go with a server", what), "use it with --data where the journal is")
}

// openTarget opens what is appended to.
func (e *env) openTarget() (target, error) {
	if !e.isRemote() {
		return e.openWriter()
	}
	if e.indexData != "" {
		return nil, e.localOnly("index-data")
	}
	c, err := e.connect(retryAppends)
	if err != nil {
		return nil, err
	}
	return &tenantTarget{Client: c, tenant: e.tenant}, nil
}

// A tenantTarget gives events without a tenant the one that was asked for.
type tenantTarget struct {
	*client.Client
	tenant string
}

// AppendEncoded implements [target].
func (t *tenantTarget) AppendEncoded(ctx context.Context, expect []annals.Expect, events ...annals.Encoded) ([]annals.Receipt, error) {
	if t.tenant == "" {
		return t.Client.AppendEncoded(ctx, expect, events...)
	}
	owned := make([]annals.Encoded, len(events))
	for i := range events {
		var err error
		if owned[i], err = ownedBy(events[i], t.tenant); err != nil {
			return nil, err
		}
	}
	conditions := make([]annals.Expect, len(expect))
	for i, x := range expect {
		if x.Tenant == "" {
			x.Tenant = t.tenant
		}
		conditions[i] = x
	}
	return t.Client.AppendEncoded(ctx, conditions, owned...)
}

// ownedBy returns an event with a tenant, if it has none.
func ownedBy(event annals.Encoded, tenant string) (annals.Encoded, error) {
	if event.Tenant() != "" {
		return event, nil
	}
	name, err := annals.Event{Type: "x", Tenant: tenant}.Encode()
	if err != nil {
		return annals.Encoded{}, err
	}
	quoted, _ := name.Member("tenant")
	text := event.JSON()
	text = append(append(append(text[:len(text)-1], `,"tenant":`...), quoted...), '}')
	return annals.ParseEvent(text)
}

// readServer lets do read from the server.
func (e *env) readServer(do func(source) error) error {
	c, err := e.connect(retryReads)
	if err != nil {
		return err
	}
	err = errors.Join(do(c), c.Close())
	if e.damaged && err == nil {
		return errDamaged
	}
	return err
}

// endOf returns how many positions there are, as far as the source says: a server says it of
// what the token may read.
func endOf(ctx context.Context, from source, q annals.Query) (annals.Position, error) {
	if j, ok := from.(*annals.Journal); ok {
		return j.Size(), nil
	}
	page, err := from.Search(ctx, annals.Query{Tenants: q.Tenants, Order: annals.Descending, Limit: 1})
	if err != nil || len(page.Entries) == 0 {
		return 0, err
	}
	return page.Entries[0].Position + 1, nil
}

// serverHint returns the next step after an error of a server, or "".
func serverHint(err error) string {
	switch {
	case errors.Is(err, client.ErrUnauthenticated):
		return "give a token with --token-file FILE or ANNALS_TOKEN; annals token create makes one where the journal is"
	case errors.Is(err, client.ErrForbidden):
		return "annals token create --permissions … --tenant … makes a token that may, where the journal is"
	case errors.Is(err, client.ErrRateLimited):
		return "repeat the command later, with the same ids"
	}
	return ""
}

// ownTenant returns the tenant of what belongs to one: the one asked for, or else the
// default one, which for a server is that of the token.
func (e *env) ownTenant() string {
	if e.tenant == "" && !e.isRemote() {
		return annals.DefaultTenant
	}
	return e.tenant
}

// tenantText names a tenant in a message.
func tenantText(tenant string) string {
	if tenant == "" {
		return "the token's tenant"
	}
	return "tenant " + tenant
}

// exportServer prints entries that a server has, in order. Without the right to, the journal's
// own are left out of an export of everything.
func (e *env) exportServer(ctx context.Context, q annals.Query, all bool, newWriter func() entryWriter) error {
	c, err := e.connect(retryReads)
	if err != nil {
		return err
	}
	out := newWriter()
	err = e.exportEntries(ctx, c, q, out)
	if all && errors.Is(err, annals.ErrNotFound) {
		q.Tenants = []string{"*"}
		e.note("the token may not read the journal's own events: they are left out")
		err = e.exportEntries(ctx, c, q, out)
	}
	if err != nil {
		return errors.Join(err, out.flush(), c.Close())
	}
	return errors.Join(out.end(new(ending)), c.Close())
}

// exportEntries writes the entries of an export.
func (e *env) exportEntries(ctx context.Context, c *client.Client, q annals.Query, out entryWriter) error {
	for x, err := range c.Export(ctx, q) {
		if err != nil {
			return err
		}
		if err := out.write(&x); err != nil {
			return err
		}
	}
	return nil
}
