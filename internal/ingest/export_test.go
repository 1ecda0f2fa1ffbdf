package ingest

import (
	"fmt"
	"strings"
)

// A MemberSource says where a member of an event comes from.
type MemberSource struct {
	Member string
	From   string // Markdown
}

// DescribeMapping returns a built-in mapping's title and the sources of its
// members; false for a format that is code.
func DescribeMapping(name string) (title string, sources []MemberSource, ok bool) {
	m, ok := builtin[name]().(*mapping)
	if !ok {
		return "", nil, false
	}
	return m.title, describeAll(m), true
}

func describeAll(m *mapping) []MemberSource {
	out := []MemberSource{}
	if len(m.require) > 0 {
		var paths []string
		for _, q := range m.require {
			paths = append(paths, code(q.path))
		}
		out = append(out, MemberSource{"(required)", strings.Join(paths, ", ")})
	}
	for i, exprs := range m.vars {
		out = append(out, MemberSource{"`$" + m.varNames[i] + "`", describeExprs(exprs)})
	}
	out = append(out, MemberSource{"`id`", describeExprs(m.id)}, MemberSource{"`time`", describeExprs(m.time)},
		MemberSource{"`type`", describeExprs(m.typ)})
	for i := range m.outputs {
		out = append(out, describeOutput(&m.outputs[i], m.outputs[i].name)...)
	}
	return out
}

func describeOutput(o *output, path string) (out []MemberSource) {
	switch o.kind {
	case memberData:
		return nil
	case memberObject, memberObjects:
		for i := range o.groups {
			out = append(out, describeGroup(o, &o.groups[i], path, i)...)
		}
		return out
	case memberTags:
		for i := range o.fields {
			out = append(out, describeOutput(&o.fields[i], path+"."+o.fields[i].name)...)
		}
		return out
	}
	return []MemberSource{{code(path), describeExprs(o.exprs)}}
}

func describeGroup(o *output, g *group, path string, i int) (out []MemberSource) {
	suffix := ""
	if len(o.groups) > 1 {
		suffix = fmt.Sprintf(" %d", i+1)
	}
	for k := range g.fields {
		for _, s := range describeOutput(&g.fields[k], path+"."+g.fields[k].name) {
			if len(g.when) > 0 {
				s.From += " (all if " + describeConds(g.when) + ")"
			}
			if g.each != 0 {
				s.From += " of each of " + code(g.path)
			}
			s.Member += suffix
			out = append(out, s)
		}
	}
	return out
}

func describeExprs(exprs []expr) string {
	var alternatives []string
	for _, e := range exprs {
		text := code(strings.TrimPrefix(e.text, "="))
		if strings.HasPrefix(e.text, "=") {
			text = "“" + strings.TrimPrefix(e.text, "=") + "”"
		}
		if len(e.when) > 0 {
			text += " if " + describeConds(e.when)
		}
		alternatives = append(alternatives, text)
	}
	return strings.Join(alternatives, "; ")
}

func describeConds(conds []cond) string {
	var texts []string
	for _, c := range conds {
		texts = append(texts, code(c.text))
	}
	return strings.Join(texts, " and ")
}

// code marks a text as code in a table of Markdown.
func code(text string) string {
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

// MemberNames returns the names of all members that a mapping can fill, those of
// objects with their owners'.
func MemberNames() []string { return memberNames(members, "") }

func memberNames(list []member, before string) (names []string) {
	for _, m := range list {
		names = append(names, before+m.name)
		names = append(names, memberNames(m.fields, before+m.name+".")...)
		if m.kind == memberTags {
			names = append(names, before+m.name+".host")
		}
	}
	return names
}

// MappingText returns the file of a built-in mapping; false for a format that is
// code.
func MappingText(name string) (string, bool) {
	text, err := mappingFiles.ReadFile("mappings/" + name + ".yaml")
	return string(text), err == nil
}

// Recognizes reports whether a value looks like a mapping's format.
func Recognizes(f Format, raw []byte) bool { return f.(recognizer).recognizes(raw) }
