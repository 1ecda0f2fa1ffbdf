package annals_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// guardPlainMethods are methods of interfaces in the standard library whose
// names say everything. Read, Write and Close are not among them: what they
// promise about durability is worth a sentence.
var guardPlainMethods = []string{
	"Error", "Is", "As", "Unwrap", "String", "GoString", "Format", "LogValue", "Len", "Less", "Swap",
	"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "AppendText", "MarshalBinary", "UnmarshalBinary",
}

// checkDocs reports what has no documentation in a package: the package itself,
// and every exported name that a reader of its documentation sees.
func checkDocs(p *guardPackage) []string {
	bad := checkPackageComment(p)
	// PreserveAST: the files are shared with other tests.
	d, err := doc.NewFromFiles(p.fset, p.files, path.Join(guardModule, p.dir), doc.PreserveAST)
	if err != nil {
		return append(bad, fmt.Sprintf("%s: %v", p.dir, err))
	}
	bad = append(bad, checkValues(p, slices.Concat(d.Consts, d.Vars))...)
	bad = append(bad, checkFuncs(p, d.Funcs)...)
	for _, typ := range d.Types {
		if typ.Doc == "" {
			bad = append(bad, p.at(typ.Decl.Pos(), "exported type %s has no comment", typ.Name))
		}
		bad = append(bad, checkValues(p, slices.Concat(typ.Consts, typ.Vars))...)
		bad = append(bad, checkFuncs(p, slices.Concat(typ.Funcs, typ.Methods))...)
		bad = append(bad, checkInterface(p, typ)...)
	}
	return bad
}

// checkPackageComment wants one comment that is attached to the package clause
// and speaks of the package. A licence directly above the clause is attached
// too, and would be shown as documentation.
func checkPackageComment(p *guardPackage) (bad []string) {
	found := false
	for _, f := range p.files {
		switch {
		case f.Doc == nil:
		case speaksOfPackage(f.Doc.Text(), f.Name.Name, path.Base(p.dir)):
			found = true
		default:
			bad = append(bad, p.at(f.Doc.Pos(), "comment on the package clause does not speak of the package"))
		}
	}
	if !found && len(bad) == 0 {
		bad = append(bad, fmt.Sprintf("%s: no package comment is attached to a package clause", p.dir))
	}
	return bad
}

// speaksOfPackage reports whether a comment begins as a package's must. Commands
// follow the go command: "Annals is …", "Testsummary reads …".
func speaksOfPackage(comment, name, folder string) bool {
	if name == "main" {
		first, _, _ := strings.Cut(comment, " ")
		return strings.EqualFold(first, folder)
	}
	return strings.HasPrefix(comment, "Package "+name+" ")
}

// checkValues wants a comment on each group of constants or variables, or on
// each exported name in it.
func checkValues(p *guardPackage, values []*doc.Value) (bad []string) {
	for _, v := range values {
		if v.Doc != "" {
			continue
		}
		for _, spec := range v.Decl.Specs {
			s := spec.(*ast.ValueSpec)
			if s.Doc != nil || s.Comment != nil {
				continue
			}
			for _, name := range s.Names {
				if name.IsExported() {
					bad = append(bad, p.at(name.Pos(), "exported %s %s has no comment", v.Decl.Tok, name.Name))
				}
			}
		}
	}
	return bad
}

func checkFuncs(p *guardPackage, funcs []*doc.Func) (bad []string) {
	for _, f := range funcs {
		plain := f.Recv != "" && slices.Contains(guardPlainMethods, f.Name)
		if f.Doc == "" && !plain {
			bad = append(bad, p.at(f.Decl.Pos(), "exported %s has no comment", strings.TrimPrefix(f.Recv+"."+f.Name, ".")))
		}
	}
	return bad
}

// checkInterface wants a comment on each method of an exported interface, which
// is the contract that somebody else implements.
func checkInterface(p *guardPackage, typ *doc.Type) (bad []string) {
	for _, spec := range typ.Decl.Specs {
		it, ok := spec.(*ast.TypeSpec).Type.(*ast.InterfaceType)
		if !ok {
			continue
		}
		for _, m := range it.Methods.List {
			for _, name := range m.Names {
				plain := m.Doc != nil || m.Comment != nil || slices.Contains(guardPlainMethods, name.Name)
				if name.IsExported() && !plain {
					bad = append(bad, p.at(name.Pos(), "method %s.%s has no comment", typ.Name, name.Name))
				}
			}
		}
	}
	return bad
}

var (
	linkPattern  = regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)`)
	codePattern  = regexp.MustCompile("`[^`]*`")
	schemeOfLink = regexp.MustCompile(`^[a-z]+:`)
)

// checkLinks reports links between the module's Markdown files that lead
// nowhere. It asks no network.
func checkLinks(fsys fs.FS) (bad []string, links int, err error) {
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skipFolder(fsys, name)
		case path.Ext(name) != ".md":
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		for _, target := range localLinks(string(text)) {
			links++
			file, _, _ := strings.Cut(target, "#")
			if _, err := fs.Stat(fsys, path.Join(path.Dir(name), file)); file != "" && err != nil {
				bad = append(bad, fmt.Sprintf("%s: link to %s leads nowhere", name, target))
			}
		}
		return nil
	})
	return bad, links, err
}

// localLinks returns the targets of a Markdown text's links within the module,
// code left out.
func localLinks(text string) (targets []string) {
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		for _, m := range linkPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(line, ""), -1) {
			if !schemeOfLink.MatchString(m[1]) {
				targets = append(targets, m[1])
			}
		}
	}
	return targets
}

func TestDocs(t *testing.T) {
	pkgs := guardPackages(t)
	for _, dir := range slices.Sorted(maps.Keys(pkgs)) {
		for _, bad := range checkDocs(pkgs[dir]) {
			t.Error(bad)
		}
	}
}

// TestDocsRules breaks each rule, and comes close to breaking it.
func TestDocsRules(t *testing.T) {
	const doc = "// Package x is here.\npackage x\n"
	tests := []struct {
		name, src string
		want      []string
	}{
		{"fine", doc + "// F does.\nfunc F() {}\n", nil},
		{"no package comment", "package x\n", []string{"x: no package comment is attached to a package clause"}},
		{"invisible package comment", "// Package x is here.\n\npackage x\n", []string{"x: no package comment is attached to a package clause"}},
		{"licence as package comment", "// Copyright somebody.\npackage x\n", []string{"x.go:1:1: comment on the package clause does not speak of the package"}},
		{"licence apart", "// SPDX-License-Identifier: Apache-2.0\n\n" + doc, nil},
		{"command", "// X is a command.\npackage main\n", nil},
		{"command without a name", "// Does things.\npackage main\n", []string{"x.go:1:1: comment on the package clause does not speak of the package"}},
		{"function", doc + "func F() {}\n", []string{"x.go:3:1: exported F has no comment"}},
		{"function with a directive only", doc + "//go:noinline\nfunc F() {}\n", []string{"x.go:4:1: exported F has no comment"}},
		{"unexported function", doc + "func f() {}\n", nil},
		{"type", doc + "type T int\n", []string{"x.go:3:1: exported type T has no comment"}},
		{"method", doc + "// T is.\ntype T int\n\nfunc (*T) Close() error { return nil }\n", []string{"x.go:6:1: exported *T.Close has no comment"}},
		{"plain method", doc + "// T is.\ntype T int\n\nfunc (T) Error() string { return \"\" }\n", nil},
		{"plain name of a function", doc + "func Error() string { return \"\" }\n", []string{"x.go:3:1: exported Error has no comment"}},
		{"constructor", doc + "// T is.\ntype T int\n\nfunc NewT() T { return 0 }\n", []string{"x.go:6:1: exported NewT has no comment"}},
		{"constants", doc + "const (\n\tA = 1\n\tB = 2 // second\n\tc = 3\n)\n", []string{"x.go:4:2: exported const A has no comment"}},
		{"group comment", doc + "// All of them.\nvar (\n\tA = 1\n\tB = 2\n)\n", nil},
		{"interface method", doc + "// I is.\ntype I interface {\n\t// M does.\n\tM()\n\tN()\n}\n", []string{"x.go:7:2: method I.N has no comment"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &guardPackage{dir: "x", fset: token.NewFileSet()}
			if err := p.add("x.go", []byte(tt.src)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, checkDocs(p)); diff != "" {
				t.Errorf("objections (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDocsLinks(t *testing.T) {
	bad, links, err := checkLinks(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if links == 0 {
		t.Error("no links found; CONTRIBUTING.md has some")
	}
	for _, b := range bad {
		t.Error(b)
	}
}

func TestDocsLinksRules(t *testing.T) {
	fsys := fstest.MapFS{
		"README.md":       {Data: []byte("[a](docs/a.md) [b](docs/b.md#x) [c](https://example.com/d.md) [d](#here) `[e](e.md)`\n```\n[f](f.md)\n```\n")},
		"docs/a.md":       {Data: []byte("[up](../README.md \"title\") [folder](.) [out](../../x.md)\n")},
		"testdata/bad.md": {Data: []byte("[x](y.md)")},
	}
	bad, links, err := checkLinks(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if links != 6 {
		t.Errorf("got %d links, want 6", links)
	}
	want := []string{
		"README.md: link to docs/b.md#x leads nowhere",
		"docs/a.md: link to ../../x.md leads nowhere",
	}
	if diff := cmp.Diff(want, bad); diff != "" {
		t.Errorf("objections (-want +got):\n%s", diff)
	}
}
