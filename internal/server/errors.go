package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
)

// kinds maps errors that have an identity to problems, the first that fits.
var kinds = []struct {
	err  error
	code *code
}{
	{access.ErrUnauthenticated, codeUnauthenticated},
	{annals.ErrUnknown, codeUnknown},
	{annals.ErrDiskFull, codeDiskFull},
	{annals.ErrTooLarge, codeTooLarge},
	{annals.ErrInvalid, codeInvalid},
	{annals.ErrNotFound, codeNotFound},
	{annals.ErrFailed, codeUnavailable},
	{annals.ErrUnavailable, codeUnavailable},
	{annals.ErrReadOnly, codeUnavailable},
	{annals.ErrClosed, codeUnavailable},
	{annals.ErrIncomplete, codeUnavailable},
	{context.DeadlineExceeded, codeUnavailable},
	{context.Canceled, codeUnavailable},
	{os.ErrDeadlineExceeded, codeTimeout},
	{io.ErrUnexpectedEOF, codeInvalid},
}

// retryAfter is when a client may try again what failed for want of something.
const retryAfter = 1

// problemOf returns the problem that an error is told as. It is the one place where
// the errors of the journal become those of the API.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if c, ok := errors.AsType[*annals.CorruptError](err); ok {
		return corruptProblem(c)
	}
	if c, ok := errors.AsType[*annals.ConflictError](err); ok {
		return conflictProblem(c, err)
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(e.Limit)
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return kindProblem(k.code, err)
		}
	}
	return problemf(codeInternal, "the server's log says more, under the request_id")
}

// kindProblem returns the problem of an error with an identity.
func kindProblem(c *code, err error) *problem {
	p := problemf(c, errorText(err))
	if invalid, ok := errors.AsType[*annals.InvalidError](err); ok {
		detail := invalid.Detail
		if invalid.Hint != "" {
			detail += "; " + invalid.Hint
		}
		p.at = []place{{invalid.Pointer, detail}}
	}
	switch c {
	case codeUnauthenticated:
		p.detail = "the request has no valid credential: send Authorization: Bearer TOKEN"
	case codeUnknown, codeDiskFull, codeUnavailable:
		p.detail = c.title
		p.retryAfter = retryAfter
	}
	return p
}

// corruptProblem tells of damage. Which file it is in is the operator's to know.
func corruptProblem(c *annals.CorruptError) *problem {
	detail := "the journal is damaged; the server's log says where, and annals verify lists it"
	if c.Next > c.First {
		detail = fmt.Sprintf("positions %d to %d cannot be read; annals verify lists the damage", c.First, c.Next-1)
	}
	return problemf(codeCorrupt, detail)
}

// conflictProblem tells what is there already.
func conflictProblem(c *annals.ConflictError, err error) *problem {
	p := problemf(codeConflict, errorText(err))
	if c.ID != "" {
		p.position = new(uint64(c.Position))
		p.detail += "; an id keeps its first content"
		return p
	}
	p.current = new(uint64(c.Current))
	return p
}

// tooLarge tells of a body above its limit.
func tooLarge(limit int64) *problem {
	return problemf(codeTooLarge, fmt.Sprintf("the body has more than %d bytes; GET /api/v1/audit/limits lists the limits", limit))
}

// errorText returns an error's text without the prefix that the errors of the library
// begin with.
func errorText(err error) string {
	text := strings.TrimPrefix(err.Error(), "annals: ")
	return strings.ReplaceAll(text, ": annals: ", ": ")
}

// isGone reports whether nobody waits for the answer any more.
func isGone(r *http.Request, err error) bool {
	return errors.Is(err, errLeft) || r.Context().Err() != nil && errors.Is(err, context.Canceled)
}
