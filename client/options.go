package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options configure a client. The zero value is ready to use with a server that
// asks for no token.
type Options struct {
	// Token is the bearer token of every request.
	Token string

	// TokenSource returns the token of each request in place of Token, for those
	// that change. It may be called concurrently.
	TokenSource func(ctx context.Context) (string, error)

	// HTTP makes the requests. Nil means one of the client's own, whose
	// connections [Client.Close] closes. Redirects are never followed.
	HTTP *http.Client

	// Timeout bounds one try of a request, and how long the answer of an export
	// or a follower may take to begin. Zero means 30 seconds; negative, no bound.
	Timeout time.Duration

	// RetryFor is how long a call is repeated before its error is returned. Zero
	// means one minute; negative means that nothing is repeated.
	RetryFor time.Duration

	// InsecureHTTP allows a token to be sent without TLS to another machine than
	// this one.
	InsecureHTTP bool

	// UserAgent names the program. Empty means annals.
	UserAgent string

	// Logger receives operational messages, never event contents. Nil discards
	// them.
	Logger *slog.Logger
}

const (
	defaultTimeout  = 30 * time.Second
	defaultRetryFor = time.Minute
)

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.Timeout == 0 {
		d.Timeout = defaultTimeout
	}
	if d.RetryFor == 0 {
		d.RetryFor = defaultRetryFor
	}
	if d.UserAgent == "" {
		d.UserAgent = "annals"
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}

func (o *Options) validate(base *url.URL) error {
	secret := o.Token != "" || o.TokenSource != nil
	if secret && base.Scheme == "http" && !isLocal(base.Hostname()) && !o.InsecureHTTP {
		return errors.New("client: the token would go to another machine without TLS: use https, or set InsecureHTTP")
	}
	for name, value := range map[string]string{"Token": o.Token, "UserAgent": o.UserAgent} {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return fmt.Errorf("client: %s has characters that no header can carry", name)
		}
	}
	return nil
}

// isLocal reports whether a host is this machine.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// parseBase reads the address of a server.
func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("client: address of the server is %q, want http://HOST:PORT or https://HOST", text)
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("client: the address of the server has a user, a query or a fragment")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	base.RawPath = ""
	return base, nil
}

// transport returns what the client's own connections are made with.
func transport() *http.Transport {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		t = new(http.Transport)
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = idleConnections
	return t
}

// idleConnections is how many connections are kept for later requests.
const idleConnections = 64
