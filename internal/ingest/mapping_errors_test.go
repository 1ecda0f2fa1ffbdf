package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/annals-io/annals/internal/ingest"
)

// TestMappingErrors checks that errors name the line and the member, and help.
func TestMappingErrors(t *testing.T) {
	const ok = "name: t\ntime: a | rfc3339\ntype: =x\n" // three lines
	tests := []struct{ name, text, want string }{
		{"empty", "", "mapping: file is empty"},
		{"not YAML", "a: [", "mapping: not YAML: "},
		{"two documents", ok + "---\nname: u", "mapping: file has more than one document"},
		{"comments alone", "# a\n", "mapping: file is empty"},
		{"a text", "hello", "mapping line 1: want members, not a text"},
		{"a list", "- a", "mapping line 1: want members, not a list"},
		{"no name", "time: a | rfc3339\ntype: =x", "mapping line 1: name: is missing"},
		{"no time", "name: t\ntype: =x", "mapping line 1: time: is missing"},
		{"no type", "name: t\ntime: a | rfc3339", "mapping line 1: type: is missing"},
		{"bad name", ok + "name: T", "mapping line 4: name: is there twice"},
		{"upper-case name", "name: T\n", "mapping line 1: name: want a name of a to z, 0 to 9, _ and -"},
		{"built-in name", strings.Replace(ok, "name: t", "name: okta", 1), "mapping: name: is that of a built-in format"},
		{"unknown member", ok + "acter: a", `mapping line 4: unknown member "acter"; did you mean actor?`},
		{"far from any member", ok + "actor:\n  x: a", `mapping line 5: unknown member "actor.x": want one of when, type, id, `},
		{"nested unknown member", ok + "actor:\n  id: a\n  nam: b", `mapping line 6: unknown member "actor.nam"; did you mean name?`},
		{"data", ok + "data: a", `mapping line 4: unknown member "data"`},
		{"member twice", ok + "source: a\nsource: b", "mapping line 5: source: is there twice"},
		{"null", ok + "source:", "mapping line 4: source: want a text, not nothing"},
		{"empty text", ok + `source: ""`, "mapping line 4: source: want a text, not an empty one"},
		{"empty constant", ok + `source: "="`, "mapping line 4: source: constant is empty"},
		{"nested list", ok + "source: [[a]]", "mapping line 4: source: want a text, not a list"},
		{"anchor", ok + "source: &x a\naction: *x", "mapping line 4: source: anchors and aliases are not taken"},
		{"alias", ok + "source:\n  - a\naction: *x", "mapping: not YAML: "},
		{"when alone", ok + "source: {when: a}", "mapping line 4: source: want both when and then"},
		{"unknown step", ok + "source:\n  - a\n  - a | lowr", `mapping line 6: source: unknown step "lowr"; did you mean lower?`},
		{"step with too much", ok + "source: a | lower b", `mapping line 4: source: step lower takes nothing, not "b"`},
		{"step with too little", ok + "source: a | before", "mapping line 4: source: step before lacks a text"},
		{"bad quotes", ok + `source: 'a | before "'`, "mapping line 4: source: step before: "},
		{"unknown table", ok + "source: a | map t", `mapping line 4: source: unknown table "t"`},
		{"table of lists", ok + "tables: {t: {a: [b]}}", "mapping line 4: tables: want a text, not a list"},
		{"unknown variable", ok + "source: $x", "mapping line 4: source: unknown variable $x"},
		{"variable used too early", ok + "vars:\n  a: $b\n  b: x", "mapping line 5: vars.a: unknown variable $b"},
		{"name of a variable", ok + "vars: {A: x}", `mapping line 4: vars: "A" is no name of a variable`},
		{"time without form", "name: t\ntype: =x\ntime: [a, b | rfc3339]", "mapping line 3: time: the last step must say how the time is written, as in | rfc3339"},
		{"constant time", "name: t\ntype: =x\ntime: =2026-03-01T10:00:00Z", "mapping line 3: time: the last step must say"},
		{"time elsewhere", ok + "source: a | rfc3339", "mapping line 4: source: a step that makes a time must be the last one, of the member time"},
		{"time in between", "name: t\ntype: =x\ntime: a | rfc3339 | lower", "mapping line 3: time: a step that makes a time must be the last one"},
		{"time in a template", ok + `source: "x{a | rfc3339}"`, "mapping line 4: source: a step that makes a time must be the last one"},
		{"two times", "name: t\ntype: =x\ntime: '{a | rfc3339} | rfc3339'", "mapping line 3: time: a step that makes a time must be the last one"},
		{"time in a condition", ok + "source: {when: a | rfc3339 = b, then: c}", "mapping line 4: source: a step that makes a time must be the last one"},
		{"layout without zone", "name: t\ntype: =x\ntime: a | layout 2006-01-02", "mapping line 3: time: layout lacks a zone"},
		{"layout without date", "name: t\ntype: =x\ntime: a | layout-utc x", "mapping line 3: time: layout lacks a date"},
		{"form with too much", "name: t\ntype: =x\ntime: a | seconds utc", `mapping line 3: time: step seconds does not take "utc"`},
		{"join late", ok + "source: a | lower | join x", "mapping line 4: source: join must be the first step"},
		{"bad outcome", ok + "outcome: =ok", "mapping line 4: outcome: \"ok\" is none of "},
		{"bad boolean", ok + "sensitive: =maybe", "mapping line 4: sensitive: the constant \"maybe\" does not fit"},
		{"long constant", ok + "version: =" + strings.Repeat("x", 21), "mapping line 4: version: the constant "},
		{"open template", ok + `source: "a{b"`, "mapping line 4: source: template lacks a }"},
		{"many parts", ok + `source: "` + strings.Repeat("{a}", 17) + `"`, "mapping line 4: source: template has more than 16 parts"},
		{"empty name in a path", ok + "source: a..b", `mapping line 4: source: path "a..b" has an empty name`},
		{"path that ends in a dot", ok + "source: a.", `mapping line 4: source: path "a." has an empty name`},
		{"bad brackets", ok + "source: a[", `mapping line 4: source: path "a[": want [0], [key], [key=value] or [key!=value]`},
		{"after brackets", ok + "source: a[0]b", `mapping line 4: source: path "a[0]b" has "b" after ], want . or [`},
		{"high index", ok + "source: a[1001]", `mapping line 4: source: path "a[1001]": want an index from 0 to 1000`},
		{"backslash at the end", ok + `source: a\`, "mapping line 4: source: a backslash ends the path"},
		{"long name", ok + "source: a." + strings.Repeat("x", 1001), "has a name of 1001 bytes, limit 1000"},
		{"has a variable", ok + "vars: {v: a}\nsource: {when: has $v, then: a}", "mapping line 5: source: has takes a path, no variable"},
		{"deep path", ok + "source: a" + strings.Repeat(".a", 16), "has more than 16 names"},
		{"entity without id", ok + "entity: {type: =a}", "mapping line 4: entity: lacks id"},
		{"related without type", ok + "related: [{id: a}]", "mapping line 4: related: lacks type"},
		{"each of an entity", ok + "entity: {each: a, type: b, id: c}", `mapping line 4: unknown member "entity.each"`},
		{"skip without each", ok + "related: {skip: 1, type: b, id: c}", "mapping line 4: related.skip: want the number of elements"},
		{"bad skip", ok + "related: {each: a, skip: -1, type: b, id: c}", "mapping line 4: related.skip: want the number of elements"},
		{"no number", ok + "source: {when: a > b, then: c}", `mapping line 4: source: "b" is not a number to compare with`},
		{"bad detect", ok + "detect: [[a, 'b | x']]", `mapping line 4: detect: unknown step "x"`},
		{"bad require", ok + "require: [a.]", `mapping line 4: require: path "a." has an empty name`},
		{"require a variable", ok + "require: {a: b}", "mapping line 4: require: want a text, not members"},
		{"many alternatives", ok + "source: [" + strings.Repeat("a, ", 129) + "]", "mapping line 4: source: 129 entries, limit 128"},
		{"many elements", ok + "source: [" + picks(33) + "]", "more than 32 different elements of one array"},
		{"large file", ok + "#" + strings.Repeat("x", 256<<10), "mapping: 262"},
		{"empty tag", ok + `tags: {"": a}`, `mapping line 4: tags: "" is no name`},
		{"list as a name", ok + "? [a]\n: b", "mapping line 4: want a short name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ingest.ParseMapping([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if err != nil {
				checkMappingError(t, err)
			}
		})
	}
}

// picks are n different elements of one array, as alternatives.
func picks(n int) string {
	var paths []string
	for i := range n {
		paths = append(paths, fmt.Sprintf("'a[%d]'", i))
	}
	return strings.Join(paths, ", ")
}

func checkMappingError(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if len(text) > 600 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("error is not printable: %q", text)
	}
}

// TestMappingManyPaths fills a mapping up to its paths, and one more.
func TestMappingManyPaths(t *testing.T) {
	var b strings.Builder
	b.WriteString("name: t\ntime: a | rfc3339\ntype: =x\nvars:\n")
	for i := range 8 {
		fmt.Fprintf(&b, "  v%d: [", i)
		for k := range 125 {
			if i*125+k < 999 { // and the time
				fmt.Fprintf(&b, "p%d.q, ", i*125+k)
			}
		}
		b.WriteString("]\n")
	}
	if _, err := ingest.ParseMapping([]byte(b.String())); err != nil {
		t.Error(err)
	}
	_, err := ingest.ParseMapping([]byte(b.String() + "source: more\n"))
	if err == nil || !strings.Contains(err.Error(), "source: more than 1000 different paths") {
		t.Errorf("got %v", err)
	}
}

// TestBuiltinMappings compiles every built-in format, and checks its name.
func TestBuiltinMappings(t *testing.T) {
	for _, name := range ingest.Names() {
		if f := lookup(t, name); f.Name() != name {
			t.Errorf("the file of %s names it %s", name, f.Name())
		}
	}
}

// FuzzParseMapping reads mappings and maps values with those that are taken.
func FuzzParseMapping(f *testing.F) {
	seeds := []string{head + "type: a", head + "type: '{a | before x}{$.b}'\nvars: {v: [a, =b]}\nentity: [{type: $v, id: 'a[b=c].d'}]",
		head + "type: =x\nrelated: {each: a, skip: 1, type: b, id: $.c}\ntags: {x: a | join /}\ndetect: [[has a, not b > 1]]", "a: &a [*a]"}
	for _, name := range ingest.Names() {
		if text, ok := ingest.MappingText(name); ok {
			seeds = append(seeds, "name: x"+strings.SplitN(text, "\nname: "+name, 2)[1])
		}
	}
	if len(seeds) < 12 {
		f.Fatal("seeds are gone")
	}
	const value = `{` + at + `,"a":[{"b":"x","d":1},"y",2],"b":{"a":null},"c":"d"}`
	for _, s := range seeds {
		f.Add([]byte(s), []byte(value))
	}
	f.Fuzz(func(t *testing.T, text, raw []byte) {
		format, err := ingest.ParseMapping(text)
		if err != nil {
			checkMappingError(t, err)
			return
		}
		out, _, err := format.Map([]byte("before"), raw, ingest.Input{Time: "2026-03-01T10:00:00Z"})
		if err != nil {
			checkMappingError(t, err)
			return
		}
		if got, want := isJSON(out[len("before"):]), isJSON(raw); got != want {
			t.Errorf("the event is JSON: %t; its source is: %t\n%s\n%s", got, want, out, raw)
		}
		ingest.Recognizes(format, raw)
	})
}
