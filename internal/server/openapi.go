package server

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
)

// openAPI is the document of the API.
//
//go:embed openapi.json
var openAPI []byte

// A page is a document that is part of the program.
type page struct {
	contentType string
	body        []byte
	tag         string
}

func newPage(contentType string, body []byte) *page {
	sum := sha256.Sum256(body)
	return &page{contentType, body, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// send answers with the page. It changes with the program.
func (p *page) send(x *exchange) error {
	h := x.w.Header()
	h["Etag"] = []string{p.tag}
	h["Cache-Control"] = []string{"no-cache"}
	if matchesTag(x.r.Header.Values("If-None-Match"), p.tag) {
		x.head(http.StatusNotModified)
		return nil
	}
	return x.sendPage(p.contentType, p.body)
}

var openAPIPage = newPage("application/json", openAPI)

// getOpenAPI answers with the document of the API.
func getOpenAPI(x *exchange) error { return openAPIPage.send(x) }
