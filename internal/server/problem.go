package server

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// problemType is the beginning of the type of every problem: its description.
const problemType = "https://github.com/annals-io/annals/blob/main/docs/api.md#"

// maxDetailBytes bounds what a problem says, so that none is as large as what it
// complains about.
const maxDetailBytes = 2000

// A code is a kind of problem.
type code struct {
	name      string
	status    int
	title     string
	retryable bool // the same request, with the same ids, may succeed later
}

// The kinds of problems. Clients know their names.
var (
	codeInvalid         = &code{"invalid", 400, "The request is not valid", false}
	codeUnauthenticated = &code{"unauthenticated", 401, "No valid credential", false}
	codeForbidden       = &code{"forbidden", 403, "The credential does not allow this", false}
	codeNotFound        = &code{"not_found", 404, "There is no such thing", false}
	codeMethod          = &code{"method_not_allowed", 405, "The resource does not have this method", false}
	codeTimeout         = &code{"timeout", 408, "The request did not come in time", true}
	codeConflict        = &code{"conflict", 409, "The request contradicts what is stored", false}
	codeGone            = &code{"gone", 410, "It was erased, or is past its retention", false}
	codeTooLarge        = &code{"too_large", 413, "The request is above a limit", false}
	codeMediaType       = &code{"unsupported_media_type", 415, "The content type or encoding is not supported", false}
	codeSchema          = &code{"schema_violation", 422, "The event does not satisfy its schema", false}
	codeRateLimited     = &code{"rate_limited", 429, "Too many requests", true}
	codeInternal        = &code{"internal", 500, "The server has a fault", false}
	codeCorrupt         = &code{"corrupt", 500, "Stored bytes do not check out", false}
	codeUnknown         = &code{"outcome_unknown", 503, "The events may or may not be stored", true}
	codeDiskFull        = &code{"disk_full", 503, "There is no room", true}
	codeUnavailable     = &code{"unavailable", 503, "The journal is not available", true}
)

// codes lists the kinds of problems.
var codes = []*code{
	codeInvalid, codeUnauthenticated, codeForbidden, codeNotFound, codeMethod, codeTimeout, codeConflict, codeGone,
	codeTooLarge, codeMediaType, codeSchema, codeRateLimited, codeInternal, codeCorrupt, codeUnknown, codeDiskFull,
	codeUnavailable,
}

// A problem is an error as it is told to a client. It is an error, so that handlers
// return one where no other error says it.
type problem struct {
	*code
	detail string
	at     []place

	current  *uint64 // a conflict: the entity's last sequence
	position *uint64 // a conflict: where the id is
	line     int     // of a stream; zero elsewhere

	retryAfter int    // seconds; zero is left out
	allow      string // methods, of codeMethod
}

// A place is what a problem is about, in the body.
type place struct {
	pointer, detail string
}

func (p *problem) Error() string { return p.name + ": " + p.detail }

// problemf returns a problem.
func problemf(c *code, detail string) *problem { return &problem{code: c, detail: detail} }

// busy returns the problem of a request that there is no room for.
func busy(why string) *problem {
	p := problemf(codeUnavailable, why+": repeat the request")
	p.retryAfter = retryAfter
	return p
}

// appendJSON appends the problem document.
func (p *problem) appendJSON(dst []byte, instance, requestID string) []byte {
	dst = append(dst, `{"type":`...)
	dst = appendText(dst, problemType+p.name)
	dst = append(dst, `,"title":`...)
	dst = appendText(dst, p.title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(p.status), 10)
	dst = append(dst, `,"detail":`...)
	dst = appendText(dst, clip(p.detail, maxDetailBytes))
	dst = append(dst, `,"instance":`...)
	dst = appendText(dst, clip(instance, maxDetailBytes))
	dst = append(dst, `,"code":"`...)
	dst = append(dst, p.name...)
	dst = append(dst, `","request_id":`...)
	dst = appendText(dst, requestID)
	dst = append(dst, `,"retryable":`...)
	dst = strconv.AppendBool(dst, p.retryable)
	dst = p.appendMore(dst)
	return append(dst, '}')
}

// appendMore appends the members that only some problems have.
func (p *problem) appendMore(dst []byte) []byte {
	if p.current != nil {
		dst = strconv.AppendUint(append(dst, `,"current_sequence":`...), *p.current, 10)
	}
	if p.position != nil {
		dst = strconv.AppendUint(append(dst, `,"position":`...), *p.position, 10)
	}
	if p.line != 0 {
		dst = strconv.AppendInt(append(dst, `,"line":`...), int64(p.line), 10)
	}
	for i, at := range p.at {
		next := `,`
		if i == 0 {
			next = `,"errors":[`
		}
		dst = append(append(dst, next...), `{"pointer":`...)
		dst = appendText(dst, clip(at.pointer, maxDetailBytes))
		dst = append(dst, `,"detail":`...)
		dst = append(appendText(dst, clip(at.detail, maxDetailBytes)), '}')
	}
	if len(p.at) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// appendText appends a JSON string.
func appendText(dst []byte, text string) []byte {
	b, err := jsontext.AppendQuote(dst, text)
	if err != nil { // not UTF-8
		b, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(text, "\uFFFD"))
	}
	return b
}

// clip shortens a text.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
