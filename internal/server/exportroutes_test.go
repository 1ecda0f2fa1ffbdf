package server

import "github.com/annals-io/annals/internal/access"

// A TestRoute is a route of the table, for tests that hold it against documents.
type TestRoute struct {
	Name       string // method and pattern
	Method     string
	Pattern    string
	Permission string // "open", "any credential" or a permission
	Needs      access.Permission
	Open       bool
	Params     []string
}

// Routes returns the table of routes.
func Routes() (out []TestRoute) {
	for i := range routes {
		r := &routes[i]
		t := TestRoute{
			Name: r.name(), Method: r.method, Pattern: r.pattern, Permission: r.needs.String(), Needs: r.needs,
			Open: r.gate == gateOpen, Params: r.params,
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
