package annals_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// guardModule is the import path of the root package.
const guardModule = "github.com/annals-io/annals"

// guardLayers holds every package of the module, lowest layer first. A package
// imports only from layers below its own. "x/..." stands for the folders below x.
var guardLayers = [][]string{
	{"merkle", "internal/durable", "internal/query"},
	{"engine", "internal/ingest"},
	{"internal/wal", "internal/index"},
	{"engine/enginetest", "internal/native", "postgres"},
	{"."},
	{"internal/access", "internal/export"},
	{"client", "client/slogaudit", "outbox", "sink", "capture", "annalstest", "internal/server", "internal/ui", "internal/simtest"},
	{"sink/..."},
	{"bench"},
	{"cmd/...", "scripts/...", "examples/..."},
}

// guardTestSupport holds the packages that exist for tests. Only tests import them.
var guardTestSupport = []string{"engine/enginetest", "annalstest", "internal/simtest"}

// guardLight holds the packages that must not link anything of guardHeavy, not
// even through another package of this module: importers of the library pay for it.
var (
	guardLight = []string{".", "merkle", "engine", "client", "client/slogaudit", "outbox"}
	guardHeavy = []string{
		"cloud.google.com/go", "github.com/apache/iceberg-go", "github.com/aws", "github.com/Azure",
		"github.com/coreos/go-oidc", "github.com/parquet-go", "github.com/schollz/progressbar",
		"github.com/spf13", "gocloud.dev", "google.golang.org/api", "k8s.io",
	}
)

// guardWriters holds, for each package that can change files, the functions that
// do. Only internal/durable may name them.
var guardWriters = map[string][]string{
	"os": {
		"Chmod", "Chown", "Chtimes", "CopyFS", "Create", "CreateTemp", "Lchown", "Link", "Mkdir", "MkdirAll",
		"MkdirTemp", "OpenFile", "OpenRoot", "Remove", "RemoveAll", "Rename", "Symlink", "Truncate", "WriteFile",
	},
	"io/ioutil": {"TempDir", "TempFile", "WriteFile"},
	"syscall": {
		"Creat", "Fallocate", "Fdatasync", "Fsync", "Ftruncate", "Link", "Mkdir", "Open", "Openat", "Pwrite",
		"Rename", "Rmdir", "Symlink", "Truncate", "Unlink", "Write",
	},
	"golang.org/x/sys/unix": {
		"Creat", "Fallocate", "Fdatasync", "Fsync", "Ftruncate", "Link", "Mkdir", "Open", "Openat", "Pwrite",
		"Pwritev", "Rename", "Renameat2", "Rmdir", "Symlink", "SyncFileRange", "Truncate", "Unlink", "Write", "Writev",
	},
}

// A guardPackage is one folder of Go files, tests left out.
type guardPackage struct {
	dir   string // slash-separated, relative to the root; "." is the root package
	fset  *token.FileSet
	files []*ast.File
}

// loadGuardPackages parses every package of the module once for all guard tests.
var loadGuardPackages = sync.OnceValues(func() (map[string]*guardPackage, error) {
	return parseModule(os.DirFS("."))
})

// guardPackages returns every package of the module by folder.
func guardPackages(t *testing.T) map[string]*guardPackage {
	t.Helper()
	pkgs, err := loadGuardPackages()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"engine", "internal/durable"} {
		if pkgs[dir] == nil {
			t.Fatalf("package %s not found among %v", dir, slices.Sorted(maps.Keys(pkgs)))
		}
	}
	return pkgs
}

// parseModule parses the Go files of a module. Folders that the go command
// ignores, and modules nested in this one, are left out.
func parseModule(fsys fs.FS) (map[string]*guardPackage, error) {
	pkgs := map[string]*guardPackage{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skipFolder(fsys, name)
		case path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if pkgs[dir] == nil {
			pkgs[dir] = &guardPackage{dir: dir, fset: token.NewFileSet()}
		}
		return pkgs[dir].add(name, src)
	})
	return pkgs, err
}

// skipFolder returns fs.SkipDir for a folder that is no part of the module.
func skipFolder(fsys fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (p *guardPackage) add(name string, src []byte) error {
	f, err := parser.ParseFile(p.fset, name, src, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	p.files = append(p.files, f)
	return nil
}

// at renders a violation with its place.
func (p *guardPackage) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s: %s", p.fset.Position(pos), fmt.Sprintf(format, args...))
}

// imports returns the import paths of a package, each with one place of import.
func (p *guardPackage) imports() map[string]token.Pos {
	paths := map[string]token.Pos{}
	for _, f := range p.files {
		for _, spec := range f.Imports {
			paths[importPath(spec)] = spec.Pos()
		}
	}
	return paths
}

func importPath(spec *ast.ImportSpec) string {
	s, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser has checked it
	}
	return s
}

// moduleFolder returns the folder of an import path of this module.
func moduleFolder(importPath string) (dir string, ok bool) {
	if importPath == guardModule {
		return ".", true
	}
	return strings.CutPrefix(importPath, guardModule+"/")
}

// layerOf returns the layer of a folder, or -1. An exact name goes before "x/...".
func layerOf(dir string) int {
	below := -1
	for i, layer := range guardLayers {
		for _, name := range layer {
			if name == dir {
				return i
			}
			if parent, ok := strings.CutSuffix(name, "..."); ok && strings.HasPrefix(dir, parent) {
				below = i
			}
		}
	}
	return below
}

// isProgram reports whether a folder holds commands, or measurements that one runs,
// which wire everything and may write files.
func isProgram(dir string) bool { return layerOf(dir) >= layerOf("bench") }

func checkLayers(p *guardPackage) (bad []string) {
	own := layerOf(p.dir)
	if own < 0 {
		return []string{fmt.Sprintf("%s: package is in no layer of guardLayers", p.dir)}
	}
	for imported, pos := range p.imports() {
		dir, ok := moduleFolder(imported)
		if ok && layerOf(dir) >= own {
			bad = append(bad, p.at(pos, "%s imports %s, which is not in a lower layer", p.dir, dir))
		}
	}
	return bad
}

func checkTestSupport(p *guardPackage) (bad []string) {
	if slices.Contains(guardTestSupport, p.dir) || isProgram(p.dir) {
		return nil
	}
	for imported, pos := range p.imports() {
		dir, ok := moduleFolder(imported)
		if imported == "testing" || ok && slices.Contains(guardTestSupport, dir) {
			bad = append(bad, p.at(pos, "product code imports %s, which is for tests", imported))
		}
	}
	return bad
}

func checkWriters(p *guardPackage) (bad []string) {
	if p.dir == "internal/durable" || isProgram(p.dir) || slices.Contains(guardTestSupport, p.dir) {
		return nil
	}
	for _, f := range p.files {
		names := map[string]string{}
		for _, spec := range f.Imports {
			imported := importPath(spec)
			name := path.Base(imported)
			if spec.Name != nil {
				name = spec.Name.Name
			}
			if guardWriters[imported] != nil && name == "." {
				bad = append(bad, p.at(spec.Pos(), "dot import of %s", imported))
			}
			names[name] = imported
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			// A name without an object is a package's: locals and fields have one.
			x, ok := sel.X.(*ast.Ident)
			if ok && x.Obj == nil && slices.Contains(guardWriters[names[x.Name]], sel.Sel.Name) {
				bad = append(bad, p.at(n.Pos(), "%s.%s outside internal/durable", names[x.Name], sel.Sel.Name))
			}
			return true
		})
	}
	return bad
}

func checkGoroutines(p *guardPackage) (bad []string) {
	if slices.Contains(guardTestSupport, p.dir) {
		return nil
	}
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				if !isLoop(n.Call.Fun) {
					bad = append(bad, p.at(n.Pos(), "go statement starts a function whose name does not end in Loop"))
				}
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if ok && sel.Sel.Name == "Go" && len(n.Args) == 1 && !isLoop(n.Args[0]) && !callsLoop(n.Args[0]) {
					bad = append(bad, p.at(n.Pos(), "method Go starts a function whose name does not end in Loop"))
				}
			}
			return true
		})
	}
	return bad
}

// isLoop reports whether e names a function or method that ends in Loop.
func isLoop(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return strings.HasSuffix(e.Name, "Loop")
	case *ast.SelectorExpr:
		return isLoop(e.Sel)
	case *ast.IndexExpr:
		return isLoop(e.X)
	case *ast.ParenExpr:
		return isLoop(e.X)
	}
	return false
}

// callsLoop reports whether e is a function literal that only calls a loop, which
// is how a loop with arguments is handed to a method without any.
func callsLoop(e ast.Expr) bool {
	lit, ok := e.(*ast.FuncLit)
	if !ok || len(lit.Body.List) != 1 {
		return false
	}
	var x ast.Expr
	switch s := lit.Body.List[0].(type) {
	case *ast.ExprStmt:
		x = s.X
	case *ast.ReturnStmt:
		if len(s.Results) == 1 {
			x = s.Results[0]
		}
	}
	call, ok := x.(*ast.CallExpr)
	return ok && isLoop(call.Fun)
}

// checkLight follows the imports of the light packages through the module and
// reports every heavy import that they reach.
func checkLight(pkgs map[string]*guardPackage) (bad []string) {
	via := map[string]string{} // reached folder -> how
	queue := slices.Clone(guardLight)
	for _, dir := range queue {
		via[dir] = dir
	}
	for len(queue) > 0 {
		p := pkgs[queue[0]]
		queue = queue[1:]
		if p == nil {
			continue // layerOf has an opinion on packages; a light one may be yet to come
		}
		for imported, pos := range p.imports() {
			heavy := slices.ContainsFunc(guardHeavy, func(h string) bool {
				return imported == h || strings.HasPrefix(imported, h+"/")
			})
			if heavy {
				bad = append(bad, p.at(pos, "%s links %s", via[p.dir], imported))
			}
			if dir, ok := moduleFolder(imported); ok && via[dir] == "" {
				via[dir] = via[p.dir] + " > " + dir
				queue = append(queue, dir)
			}
		}
	}
	return bad
}

// guardRules are the rules that look at one package.
var guardRules = []struct {
	name  string
	check func(*guardPackage) []string
}{
	{"layers", checkLayers},
	{"test support", checkTestSupport},
	{"writers", checkWriters},
	{"goroutines", checkGoroutines},
}

func TestLayers(t *testing.T) {
	pkgs := guardPackages(t)
	for _, rule := range guardRules {
		t.Run(rule.name, func(t *testing.T) {
			for _, dir := range slices.Sorted(maps.Keys(pkgs)) {
				for _, bad := range rule.check(pkgs[dir]) {
					t.Error(bad)
				}
			}
		})
	}
	t.Run("light", func(t *testing.T) {
		for _, bad := range checkLight(pkgs) {
			t.Error(bad)
		}
	})
}

// TestLayersRules breaks each rule, and comes close to breaking it.
func TestLayersRules(t *testing.T) {
	const lib = `"github.com/annals-io/annals`
	tests := []struct {
		name, dir, src string
		want           []string // rules that must object; the others must not
	}{
		{"downward import", "internal/wal", `import _ ` + lib + `/internal/durable"`, nil},
		{"upward import", "internal/durable", `import _ ` + lib + `/engine"`, []string{"layers"}},
		{"import of the root from below", "engine", `import _ ` + lib + `"`, []string{"layers"}},
		{"import within a layer", "internal/wal", `import _ ` + lib + `/internal/index"`, []string{"layers"}},
		{"package in no layer", "internal/common", ``, []string{"layers"}},
		{"folder below a lone package", "merkle/deep", ``, []string{"layers"}},
		{"folder below sink", "sink/kafka", `import _ ` + lib + `/sink"`, nil},
		{"other module of like name", "merkle", `import _ "github.com/annals-io/annals2"`, nil},

		{"testing in product code", "client", `import _ "testing"`, []string{"test support"}},
		{"testing in a test package", "annalstest", `import _ "testing"`, nil},
		{"test package in product code", "internal/server", `import _ ` + lib + `/engine/enginetest"`, []string{"test support"}},

		{"write outside durable", "internal/wal", `import "os"; var _ = os.WriteFile`, []string{"writers"}},
		{"write under another name", "engine", `import sys "os"; var _ = sys.Remove`, []string{"writers"}},
		{"write by system call", "internal/index", `import "golang.org/x/sys/unix"; var _ = unix.Fdatasync`, []string{"writers"}},
		{"dot import", "engine", `import . "os"; var _ = Getpid`, []string{"writers"}},
		{"read", "internal/wal", `import "os"; var _ = os.ReadFile`, nil},
		{"local named os", "engine", `type d struct{ Remove int }; func f(os d) int { return os.Remove }`, nil},
		{"write in durable", "internal/durable", `import "os"; var _ = os.Rename`, nil},
		{"write in a command", "cmd/annals", `import "os"; var _ = os.Rename`, nil},

		{"go func", "client", `func f() { go func() {}() }`, []string{"goroutines"}},
		{"go of another name", "cmd/annals", `func f() { go f() }`, []string{"goroutines"}},
		{"go of a loop", "client", `type c struct{}; func (c) readLoop() {}; func f(x c) { go x.readLoop() }`, nil},
		{"group of another name", "engine", `import "sync"; func f(wg *sync.WaitGroup) { wg.Go(func() { println() }) }`, []string{"goroutines"}},
		{"group with work before the loop", "engine", `import "sync"; func aLoop() {}; func f(wg *sync.WaitGroup) { wg.Go(func() { println(); aLoop() }) }`, []string{"goroutines"}},
		{"group of a loop", "engine", `import "sync"; func aLoop() {}; func f(wg *sync.WaitGroup) { wg.Go(aLoop) }`, nil},
		{"group of a loop with arguments", "engine", `import "sync"; func aLoop(int) {}; func f(wg *sync.WaitGroup) { wg.Go(func() { aLoop(1) }) }`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &guardPackage{dir: tt.dir, fset: token.NewFileSet()}
			if err := p.add("x.go", []byte("package x; "+tt.src)); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, rule := range guardRules {
				if len(rule.check(p)) > 0 {
					got = append(got, rule.name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rules that object (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayersHeavyImports(t *testing.T) {
	fsys := fstest.MapFS{
		"annals.go":             {Data: []byte(`package annals; import _ "github.com/annals-io/annals/internal/native"`)},
		"internal/native/a.go":  {Data: []byte(`package native; import _ "github.com/aws/aws-sdk-go-v2/config"`)},
		"cmd/annals/main.go":    {Data: []byte(`package main; import _ "github.com/spf13/cobra"`)},
		"merkle/merkle.go":      {Data: []byte(`package merkle; import _ "github.com/awsome/thing"`)},
		"merkle/merkle_test.go": {Data: []byte(`package merkle; import _ "github.com/spf13/cobra"`)},
		"merkle/testdata/x.go":  {Data: []byte(`not Go`)},
		"bench/go.mod":          {Data: []byte(`module other`)},
		"bench/bench.go":        {Data: []byte(`not Go`)},
		".hidden/x.go":          {Data: []byte(`not Go`)},
	}
	pkgs, err := parseModule(fsys)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".", "cmd/annals", "internal/native", "merkle"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(pkgs))); diff != "" {
		t.Errorf("packages found (-want +got):\n%s", diff)
	}
	bad := checkLight(pkgs)
	wantBad := []string{"internal/native/a.go:1:24: . > internal/native links github.com/aws/aws-sdk-go-v2/config"}
	if diff := cmp.Diff(wantBad, bad); diff != "" {
		t.Errorf("heavy imports (-want +got):\n%s", diff)
	}
}
