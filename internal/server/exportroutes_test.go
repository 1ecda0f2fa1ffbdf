package server

import (
	"path/filepath"
	"reflect"
	"runtime"

	"github.com/annals-io/annals/internal/access"
)

// A TestRoute is a route of the table, for tests that hold it against documents.
type TestRoute struct {
	Name       string // method and pattern
	Method     string
	Pattern    string
	Permission string // "open", "any credential" or a permission
	Needs      access.Permission
	Open       bool
	Params     []string
	Source     string // file of its handler
}

// Routes returns the table of routes.
func Routes() (out []TestRoute) {
	for i := range routes {
		r := &routes[i]
		t := TestRoute{
			Name: r.name(), Method: r.method, Pattern: r.pattern, Permission: r.needs.String(), Needs: r.needs,
			Open: r.gate == gateOpen, Params: r.params, Source: sourceOf(r.handle),
		}
		switch {
		case t.Open:
			t.Permission = "open"
		case r.needs == 0:
			t.Permission = "any credential"
		}
		out = append(out, t)
	}
	return out
}

// sourceOf returns the file that a handler is in.
func sourceOf(handle func(*exchange) error) string {
	f := runtime.FuncForPC(reflect.ValueOf(handle).Pointer())
	file, _ := f.FileLine(f.Entry())
	return filepath.Base(file)
}

// Codes returns the kinds of problems.
func Codes() (names []string) {
	for _, c := range codes {
		names = append(names, c.name)
	}
	return names
}
