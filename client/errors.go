package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/annals-io/annals"
)

// Errors that only a server has, beside those of the root package.
var (
	// ErrUnauthenticated reports a missing, unknown, expired or revoked token.
	ErrUnauthenticated = errors.New("annals: unauthenticated")

	// ErrForbidden reports a token that may not do what was asked.
	ErrForbidden = errors.New("annals: forbidden")

	// ErrRateLimited reports that the token has used up what it may ask for.
	ErrRateLimited = errors.New("annals: rate limited")

	// ErrGone reports an entry that was there and is erased or past its retention.
	ErrGone = errors.New("annals: gone")
)

// An Error is a problem document (RFC 9457): how a server says what is wrong. It
// wraps the error of the root package, or of this one, that it stands for.
type Error struct {
	Status     int    // of HTTP
	Code       string // such as invalid or rate_limited; empty if something in between has answered
	Title      string
	Detail     string
	RequestID  string        // names the request in the server's logs
	Retryable  bool          // the same request may succeed later
	RetryAfter time.Duration // how long to wait at least, if the server says so
	Fields     []Field

	cause error
	byID  bool // a conflict about an id
}

// A Field is a part of a request that is not right.
type Field struct {
	Pointer string `json:"pointer"` // JSON pointer within the body
	Detail  string `json:"detail"`  // and, after a semicolon, what to do about it
}

func (e *Error) Error() string {
	if c, ok := e.cause.(*annals.ConflictError); ok && (c.ID != "" || c.Entity.Type != "") {
		return c.Error()
	}
	switch {
	case e.Detail != "":
		return e.Detail
	case e.Code != "":
		return fmt.Sprintf("the server answers %d %s", e.Status, e.Code)
	}
	return fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
}

func (e *Error) Unwrap() error { return e.cause }

// A problem is the JSON of a problem document.
type problem struct {
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Code      string  `json:"code"`
	RequestID string  `json:"request_id"`
	Retryable bool    `json:"retryable"`
	Errors    []Field `json:"errors"`

	// Of conflicts.
	CurrentSequence *annals.Sequence `json:"current_sequence"`
	Position        *annals.Position `json:"position"`
}

// maxProblemBytes bounds a problem document.
const maxProblemBytes = 1 << 20

// readProblem returns the error that an answer is.
func readProblem(answer *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxProblemBytes)) // what there is of it
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	e := &Error{Status: answer.StatusCode}
	if kind == "application/problem+json" {
		e = parseProblem(text, answer.StatusCode)
	}
	e.RetryAfter = retryAfter(answer.Header.Get("Retry-After"))
	return e
}

// parseProblem reads a problem document. The status is that of the answer it is, or
// is part of.
func parseProblem(text []byte, status int) *Error {
	var p problem
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&p); err != nil || p.Code == "" {
		return &Error{Status: status}
	}
	e := &Error{
		Status: status, Code: p.Code, Title: p.Title, Detail: p.Detail,
		RequestID: p.RequestID, Retryable: p.Retryable, cause: p.cause(), byID: p.Position != nil,
		Fields: p.Errors,
	}
	return e
}

// cause returns the error that a problem stands for: the table of the server's
// errors, read the other way.
func (p *problem) cause() error {
	switch p.Code {
	case "invalid", "unsupported_media_type", "schema_violation":
		return p.invalid()
	case "conflict":
		return p.conflict()
	case "corrupt":
		return &annals.CorruptError{Path: "the server's journal", Offset: -1, Err: errors.New(p.Detail)}
	}
	return codeErrors[p.Code]
}

var codeErrors = map[string]error{
	"unauthenticated": ErrUnauthenticated,
	"forbidden":       ErrForbidden,
	"not_found":       annals.ErrNotFound,
	"gone":            ErrGone,
	"too_large":       annals.ErrTooLarge,
	"rate_limited":    ErrRateLimited,
	"outcome_unknown": annals.ErrUnknown,
	"disk_full":       annals.ErrDiskFull,
	"unavailable":     annals.ErrUnavailable,
}

func (p *problem) invalid() error {
	if len(p.Errors) == 0 {
		return annals.ErrInvalid
	}
	f := p.Errors[0]
	detail, hint, _ := strings.Cut(f.Detail, "; ")
	return &annals.InvalidError{Pointer: f.Pointer, Offset: -1, Detail: detail, Hint: hint}
}

// conflict returns a conflict that does not say yet what it is about.
func (p *problem) conflict() error {
	c := new(annals.ConflictError)
	if p.Position != nil {
		c.Position = *p.Position
	}
	if p.CurrentSequence != nil {
		c.Current = *p.CurrentSequence
	}
	return c
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = time.Hour

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(text string) time.Duration {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(time.Until(at), maxRetryAfter))
	}
	return 0
}
