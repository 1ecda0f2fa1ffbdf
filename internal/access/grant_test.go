package access_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
)

var someone = annals.Identity{Type: "token", ID: "t1"}

func TestParsePermissions(t *testing.T) {
	for _, tt := range []struct {
		text string
		want access.Permission
		ok   bool
	}{
		{"append", access.Append, true},
		{"read, append", access.Append | access.Read, true},
		{"append,read,export,admin", access.All, true},
		{"read,read", access.Read, true},
		{"", 0, false},
		{"read,", 0, false},
		{"Read", 0, false},
		{"*", 0, false},
		{"write", 0, false},
	} {
		got, err := access.ParsePermissions(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: got %v, %v, want %v, %t", tt.text, got, err, tt.want, tt.ok)
		}
		if again, err := access.ParsePermissions(got.String()); tt.ok && (err != nil || again != got) {
			t.Errorf("%q: its text %q is read as %v, %v", tt.text, got, again, err)
		}
	}
}

func TestGrantMay(t *testing.T) {
	each := []access.Permission{access.Append, access.Read, access.Export, access.Admin}
	for _, has := range each {
		g, err := access.NewGrant("t1", someone, []string{"acme"}, has)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range each {
			if got := g.May(p); got != (p == has) {
				t.Errorf("a grant of %v may %v: %t", has, p, got)
			}
		}
		if g.May(access.All) {
			t.Errorf("a grant of %v may everything", has)
		}
	}
}

func TestGrantTenants(t *testing.T) {
	for _, tt := range []struct {
		name    string
		tenants string
		has     access.Permission
		owns    string
		not     string
		tenant  string
	}{
		{"one", "acme", access.Read, "acme", "beta * _annals", "acme"},
		{"two", "acme beta", access.Read, "acme beta", "gamma _annals", ""},
		{"every", "*", access.Append | access.Read | access.Export, "acme beta default", "* _annals", ""},
		{"administrator of every", "*", access.All, "acme _annals", "*", ""},
		{"administrator of one", "acme", access.All, "acme", "beta _annals", "acme"},
		{"own, named", "_annals", access.Admin, "_annals", "acme", ""},
		{"own, named by a reader", "_annals", access.Read, "", "acme _annals", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := access.NewGrant("t1", someone, strings.Fields(tt.tenants), tt.has)
			if err != nil {
				t.Fatal(err)
			}
			for _, tenant := range slices.Concat(strings.Fields(tt.owns), strings.Fields(tt.not), []string{""}) {
				want := slices.Contains(strings.Fields(tt.owns), tenant)
				if got := g.Owns(tenant); got != want {
					t.Errorf("owns %q: %t, want %t", tenant, got, want)
				}
			}
			if g.Tenant() != tt.tenant || g.Principal().Tenant() != tt.tenant || g.Principal().Identity() != someone {
				t.Errorf("tenant %q, principal %+v, want tenant %q", g.Tenant(), g.Principal(), tt.tenant)
			}
		})
	}
}

func TestGrantInvalid(t *testing.T) {
	for _, tenants := range [][]string{nil, {""}, {"acme", "acme"}, {"acme", ""}, {strings.Repeat("x", 101)}, {"a\x00"}, make([]string, 101)} {
		if _, err := access.NewGrant("t1", someone, tenants, access.Read); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("tenants %.3q: %v", tenants, err)
		}
	}
}

func TestLocal(t *testing.T) {
	g, err := access.Local(annals.Identity{Type: "anonymous", ID: "local"})
	if err != nil {
		t.Fatal(err)
	}
	if !g.May(access.All) || !g.Owns("acme") || !g.Owns(annals.SystemTenant) || g.Tenant() != annals.DefaultTenant {
		t.Errorf("grant is %+v", g)
	}
}
