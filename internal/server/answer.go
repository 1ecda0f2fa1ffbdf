package server

import (
	"net/http"
	"strconv"
	"strings"
)

// send answers with a body that is whole.
func (x *exchange) send(status int, contentType string, body []byte) {
	h := x.w.Header()
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.head(status)
	x.w.Write(body) // an error means that nobody listens
}

// minCompressed is the smallest body that is worth compressing.
const minCompressed = 1 << 10

// noSniff keeps browsers from taking what clients have sent for something else.
func (x *exchange) noSniff() { x.w.Header()["X-Content-Type-Options"] = []string{"nosniff"} }

// sendPage is send for bodies that may be long, compressed if the client likes.
func (x *exchange) sendPage(contentType string, body []byte) error {
	x.noSniff()
	if len(body) < minCompressed || x.encoding() == "" {
		x.w.Header().Add("Vary", "Accept-Encoding")
		x.send(http.StatusOK, contentType, body)
		return nil
	}
	out := x.writer(contentType)
	out.Write(body) // Close has the error
	return out.Close()
}

// head sends the status line and the header.
func (x *exchange) head(status int) {
	x.status = status
	x.w.WriteHeader(status)
}

// encoding returns the content encoding that the client likes best of those that there
// are, "" for none.
func (x *exchange) encoding() string {
	best, quality := "", 0.0
	for part := range strings.SplitSeq(strings.Join(x.r.Header.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "zstd" && name != "gzip" {
			continue
		}
		if q := qualityOf(params); q > quality || q == quality && q > 0 && name == "zstd" {
			best, quality = name, q
		}
	}
	return best
}

// qualityOf returns the weight of a member of Accept-Encoding.
func qualityOf(params string) float64 {
	name, value, ok := strings.Cut(params, "=")
	if !ok || strings.TrimSpace(name) != "q" {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || q < 0 || q > 1 {
		return 0
	}
	return q
}
