package server

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"sync"
)

// docsTemplate makes a page of the document of the API.
//
//go:embed docs.html
var docsTemplate string

// An apiDocument is what the page tells of the document of the API.
type apiDocument struct {
	Info struct {
		Title, Summary, Description, Version string
	}
	Paths      map[string]map[string]*apiOperation
	Operations []*apiOperation `json:"-"`
}

// An apiOperation is one operation of the API.
type apiOperation struct {
	Method, Path string `json:"-"`

	Summary, Description string
	Parameters           []struct {
		Name, In, Description string
		Required              bool
	}
	RequestBody *struct{ Content map[string]any }
	Responses   map[string]struct{ Description string }
}

// docsPage is made when somebody asks for it.
var docsPage = sync.OnceValues(func() (*page, error) {
	var doc apiDocument
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return nil, fmt.Errorf("read document of the API: %w", err)
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			op.Method, op.Path = method, path
			doc.Operations = append(doc.Operations, op)
		}
	}
	sortOperations(doc.Operations)
	t, err := template.New("docs").Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("read template of the documentation: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, doc); err != nil {
		return nil, fmt.Errorf("write documentation: %w", err)
	}
	return newPage("text/html; charset=utf-8", b.Bytes()), nil
})

// getDocs answers with the documentation of the API, a page without scripts.
func getDocs(x *exchange) error {
	p, err := docsPage()
	if err != nil {
		return err
	}
	x.w.Header()["Content-Security-Policy"] = []string{"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
	return p.send(x)
}

// sortOperations sorts by path, and then by method.
func sortOperations(ops []*apiOperation) {
	slices.SortFunc(ops, func(a, b *apiOperation) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
	})
}
