package ingest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// Limits of a mapping file.
const (
	maxMappingBytes = 256 << 10
	maxAlternatives = 128   // for one member
	maxNamed        = 256   // variables, tables, groups
	maxTableRows    = 4_096 // of one table
)

// A compiler makes a mapping of a file.
type compiler struct {
	exprParser
}

// A mappingError is an error that names a line of the file, and a member.
type mappingError struct {
	line   int
	member string
	err    error
}

func (e *mappingError) Error() string {
	where := "mapping"
	if e.line > 0 {
		where += " line " + strconv.Itoa(e.line)
	}
	if e.member != "" {
		where += ": " + e.member
	}
	return where + ": " + e.err.Error()
}

func (e *mappingError) Unwrap() error { return e.err }

// at places an error, as far as it has no place already.
func at(n *yaml.Node, member string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*mappingError](err); ok {
		if e.member == "" {
			e.member = member
		}
		return err
	}
	return &mappingError{n.Line, member, err}
}

// compile reads a mapping file.
func compile(text []byte) (*mapping, error) {
	if len(text) > maxMappingBytes {
		return nil, &mappingError{err: fmt.Errorf("%d bytes, limit %d", len(text), maxMappingBytes)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, &mappingError{err: fmt.Errorf("not YAML: %.120q", err.Error())}
	}
	if len(doc.Content) != 1 {
		return nil, &mappingError{err: errors.New("file is empty")}
	}
	m := &mapping{trie: new(node)}
	c := compiler{exprParser{m: m, scope: &scope{trie: m.trie, known: map[string]int{}},
		vars: map[string]int{}, tables: map[string]map[string][]byte{}}}
	return m, c.file(doc.Content[0])
}

// headMembers are the members of a mapping file that are none of an event, in the
// order in which they are read: what others refer to comes first.
var headMembers = []string{"name", "title", "containers", "empty", "roots", "tables", "vars", "require", "detect"}

func (c *compiler) file(n *yaml.Node) error {
	known := slices.Clone(headMembers)
	for _, m := range members {
		if m.kind != memberData {
			known = append(known, m.name)
		}
	}
	values, err := object(n, "", known)
	if err != nil {
		return err
	}
	for _, name := range headMembers {
		if v := values[name]; v != nil {
			if err := at(v, name, c.head(name, v)); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"name", nameTime, nameType} {
		if values[name] == nil {
			return &mappingError{n.Line, name, errors.New("is missing")}
		}
	}
	for _, m := range members {
		if err := c.member(m, values[m.name]); err != nil {
			return err
		}
	}
	c.m.inner = make([]bool, c.m.slots+1)
	c.m.findInner(c.m.trie)
	return nil
}

// findInner notes the slots whose values other paths go through.
func (m *mapping) findInner(n *node) {
	if len(n.edges) > 0 || len(n.picks) > 0 {
		for _, slot := range n.slots {
			m.inner[slot] = true
		}
	}
	for _, edges := range n.edges {
		for _, e := range edges {
			m.findInner(e.to)
		}
	}
	for _, p := range n.picks {
		m.findInner(p.to)
	}
}

// object returns the values of a YAML mapping by name. All names must be known,
// unless known is nil.
func object(n *yaml.Node, member string, known []string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, at(n, member, fmt.Errorf("want members, not %s", nodeKind(n)))
	}
	values := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := key.Value
		full := name
		if member != "" {
			full = member + "." + name
		}
		switch {
		case key.Kind != yaml.ScalarNode || len(name) > 200:
			return nil, at(key, member, errors.New("want a short name"))
		case known != nil && !slices.Contains(known, name):
			return nil, at(key, "", fmt.Errorf("unknown member %.60q%s", full, hint(name, known)))
		case values[name] != nil:
			return nil, at(key, full, errors.New("is there twice"))
		case value.Kind == yaml.AliasNode || value.Anchor != "":
			return nil, at(value, full, errors.New("anchors and aliases are not taken"))
		}
		values[name] = value
	}
	return values, nil
}

func nodeKind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "members"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return "a text"
}

// list returns the elements of a YAML list, or a lone value as the only one.
func list(n *yaml.Node, limit int) ([]*yaml.Node, error) {
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}, nil
	}
	if len(n.Content) > limit {
		return nil, at(n, "", fmt.Errorf("%d entries, limit %d", len(n.Content), limit))
	}
	return n.Content, nil
}

// text returns the text of a scalar.
func text(n *yaml.Node) (string, error) {
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		return "", at(n, "", fmt.Errorf("want a text, not %s", nodeKind(n)))
	case n.Value == "":
		return "", at(n, "", errors.New("want a text, not an empty one"))
	case n.Anchor != "":
		return "", at(n, "", errors.New("anchors are not taken"))
	}
	return n.Value, nil
}

// texts returns the texts of a list.
func texts(n *yaml.Node, limit int) ([]string, error) {
	nodes, err := list(n, limit)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range nodes {
		s, err := text(e)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// head reads a member of the file that is none of an event.
func (c *compiler) head(name string, n *yaml.Node) (err error) {
	switch name {
	case "name":
		if c.m.name, err = text(n); err == nil && !namePattern.MatchString(c.m.name) {
			err = errors.New("want a name of a to z, 0 to 9, _ and -, of at most 40 characters")
		}
	case "title":
		c.m.title, err = text(n)
	case "containers":
		c.m.containers, err = texts(n, 16)
	case "empty":
		c.m.empty, err = texts(n, 16)
	case "roots":
		err = c.roots(n)
	case "tables":
		err = c.readTables(n)
	case "vars":
		err = c.readVars(n)
	case "require":
		err = c.readRequire(n)
	case "detect":
		err = c.readDetect(n)
	}
	return err
}

func (c *compiler) roots(n *yaml.Node) error {
	roots, err := texts(n, 8)
	if err != nil {
		return err
	}
	for _, r := range roots {
		path, err := parsePath(r)
		if err != nil {
			return err
		}
		c.scope.roots = append(c.scope.roots, path)
		at := c.m.trie
		for _, s := range path {
			if at, err = at.step(s); err != nil {
				return err
			}
			at.lax = true
		}
	}
	return nil
}

func (c *compiler) readTables(n *yaml.Node) error {
	tables, err := object(n, "tables", nil)
	if err != nil {
		return err
	}
	if len(tables) > maxNamed {
		return fmt.Errorf("%d tables, limit %d", len(tables), maxNamed)
	}
	for name, t := range tables {
		rows, err := object(t, "tables."+name, nil)
		if err != nil {
			return err
		}
		if len(rows) > maxTableRows {
			return at(t, "tables."+name, fmt.Errorf("%d rows, limit %d", len(rows), maxTableRows))
		}
		table := map[string][]byte{}
		for from, v := range rows {
			to, err := text(v)
			if err != nil {
				return err
			}
			table[from] = []byte(to)
		}
		c.tables[name] = table
	}
	return nil
}

// readVars reads the variables in their order: each may use those before.
func (c *compiler) readVars(n *yaml.Node) error {
	vars, err := object(n, "vars", nil)
	if err != nil {
		return err
	}
	if len(vars) > maxNamed {
		return fmt.Errorf("%d variables, limit %d", len(vars), maxNamed)
	}
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i].Value
		if !namePattern.MatchString(name) {
			return at(n.Content[i], "vars", fmt.Errorf("%.40q is no name of a variable", name))
		}
		exprs, err := c.exprs(n.Content[i+1], "vars."+name, memberText)
		if err != nil {
			return err
		}
		c.m.vars, c.m.varNames = append(c.m.vars, exprs), append(c.m.varNames, name)
		c.vars[name] = len(c.m.vars) - 1
	}
	return nil
}

func (c *compiler) readRequire(n *yaml.Node) error {
	paths, err := texts(n, maxAlternatives)
	if err != nil {
		return err
	}
	for _, p := range paths {
		slot, err := c.path(p)
		if err != nil {
			return err
		}
		c.m.require = append(c.m.require, required{p, slot})
	}
	return nil
}

func (c *compiler) readDetect(n *yaml.Node) error {
	nodes, err := list(n, maxAlternatives)
	if err != nil {
		return err
	}
	for _, alternative := range nodes {
		conds, err := c.conds(alternative)
		if err != nil {
			return err
		}
		c.m.detect = append(c.m.detect, conds)
	}
	return nil
}

// conds reads conditions that must all hold.
func (c *compiler) conds(n *yaml.Node) ([]cond, error) {
	all, err := texts(n, maxAlternatives)
	if err != nil {
		return nil, err
	}
	var conds []cond
	for _, s := range all {
		one, err := c.cond(s)
		if err != nil {
			return nil, at(n, "", err)
		}
		one.text = s
		conds = append(conds, one)
	}
	return conds, nil
}

// exprs reads the alternatives for a member.
func (c *compiler) exprs(n *yaml.Node, member string, kind memberKind) ([]expr, error) {
	nodes, err := list(n, maxAlternatives)
	if err != nil {
		return nil, at(n, member, err)
	}
	var exprs []expr
	for _, a := range nodes {
		e, err := c.expr(a, member)
		if err == nil {
			e.need = e.needs()
			err = e.fit(kind)
		}
		if err != nil {
			return nil, at(a, member, err)
		}
		exprs = append(exprs, e)
	}
	return exprs, nil
}

// expr reads an alternative: a text, or {when: …, then: …}.
func (c *compiler) expr(n *yaml.Node, member string) (expr, error) {
	if n.Kind != yaml.MappingNode {
		s, err := text(n)
		if err != nil {
			return expr{}, at(n, member, errors.Unwrap(err))
		}
		return c.alternative(s)
	}
	values, err := object(n, member, []string{"when", "then"})
	if err != nil {
		return expr{}, err
	}
	if values["when"] == nil || values["then"] == nil {
		return expr{}, errors.New("want both when and then")
	}
	conds, err := c.conds(values["when"])
	if err != nil {
		return expr{}, err
	}
	s, err := text(values["then"])
	if err != nil {
		return expr{}, err
	}
	e, err := c.alternative(s)
	e.when = conds
	return e, err
}

// needs returns a slot without whose value the alternative comes to nothing, as
// most do for most events: it is looked at before all else.
func (e *expr) needs() int {
	for _, c := range e.when {
		if !c.not && c.op != opDiffers && c.operand.slot != 0 {
			return c.operand.slot
		}
	}
	for _, p := range e.parts {
		if p.operand != nil && p.operand.slot != 0 {
			return p.operand.slot
		}
	}
	return 0
}

// fit checks an alternative against the kind of its member, and readies it.
func (e *expr) fit(kind memberKind) error {
	o := e.parts[0].operand
	e.bare = len(e.parts) == 1 && o != nil && o.slot != 0 && len(o.steps)+len(e.when) == 0
	var last *step
	steps := e.steps
	if o != nil && len(e.parts) == 1 && len(e.steps) == 0 {
		o.numbers = o.numbers || kind == memberNumber || kind == memberBool
		steps = o.steps
	}
	for i := range steps {
		last = &steps[i]
		if last.kind == stepTime && (kind != memberTime || i < len(steps)-1) {
			return errors.New("a step that makes a time must be the last one, of the member time")
		}
	}
	if kind == memberTime && (last == nil || last.kind != stepTime) {
		return errors.New("the last step must say how the time is written, as in | rfc3339")
	}
	return nil
}

// member reads a member of the event.
func (c *compiler) member(m member, n *yaml.Node) error {
	if n == nil && m.kind != memberData {
		return nil
	}
	switch m.name {
	case nameID, nameTime, nameType:
		exprs, err := c.exprs(n, m.name, m.kind)
		switch m.name {
		case nameID:
			c.m.id = exprs
		case nameTime:
			c.m.time = exprs
		case nameType:
			c.m.typ = exprs
		}
		return err
	}
	o, err := c.output(m, n, m.name)
	c.m.outputs = append(c.m.outputs, o)
	return err
}

// output reads a member; path is its name with those of its owners.
func (c *compiler) output(m member, n *yaml.Node, path string) (o output, err error) {
	o.member = m
	switch m.kind {
	case memberData:
	case memberObject, memberObjects:
		o.groups, err = c.groups(m, n, path)
	case memberTags:
		o.fields, err = c.tags(n)
	default:
		o.exprs, err = c.exprs(n, path, m.kind)
		if err == nil {
			err = at(n, path, o.checkConstants())
		}
	}
	return o, err
}

// checkConstants refuses constants that the member never takes.
func (o *output) checkConstants() error {
	for _, e := range o.exprs {
		if len(e.parts) == 1 && e.parts[0].operand == nil && o.kind != memberTexts && !o.takes(e.parts[0].literal) {
			if o.choices != nil {
				return fmt.Errorf("%.40q is none of %q", e.parts[0].literal, o.choices)
			}
			return fmt.Errorf("the constant %.40q does not fit", e.parts[0].literal)
		}
	}
	return nil
}

func (c *compiler) tags(n *yaml.Node) ([]output, error) {
	values, err := object(n, "tags", nil)
	if err != nil {
		return nil, err
	}
	if len(values) > maxTags {
		return nil, at(n, "tags", fmt.Errorf("%d tags, limit %d", len(values), maxTags))
	}
	var fields []output
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i].Value
		quoted, err := jsontext.AppendQuote(nil, name)
		if err != nil || name == "" {
			return nil, at(n.Content[i], "tags", fmt.Errorf("%.40q is no name", name))
		}
		m := member{name: string(quoted[1 : len(quoted)-1]), limit: maxTagText}
		o, err := c.output(m, n.Content[i+1], "tags."+name)
		if err != nil {
			return nil, err
		}
		fields = append(fields, o)
	}
	return fields, nil
}

// groups reads one object or a list of them.
func (c *compiler) groups(m member, n *yaml.Node, path string) ([]group, error) {
	nodes, err := list(n, maxAlternatives)
	if err != nil {
		return nil, at(n, path, err)
	}
	var groups []group
	for _, e := range nodes {
		g, err := c.group(m, e, path)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

func (c *compiler) group(m member, n *yaml.Node, path string) (g group, err error) {
	known := []string{"when"}
	if m.kind == memberObjects {
		known = append(known, "each", "skip")
	}
	for _, f := range m.fields {
		known = append(known, f.name)
	}
	values, err := object(n, path, known)
	if err != nil {
		return g, err
	}
	for _, name := range m.needs {
		if values[name] == nil {
			return g, at(n, path, fmt.Errorf("lacks %s", name))
		}
	}
	if w := values["when"]; w != nil {
		if g.when, err = c.conds(w); err != nil {
			return g, at(w, path+".when", err)
		}
	}
	if e := values["each"]; e != nil {
		if err := c.enter(&g, e); err != nil {
			return g, at(e, path+".each", err)
		}
		defer c.leave(&g)
	}
	if n := values["skip"]; n != nil {
		if g.skip, err = strconv.Atoi(n.Value); err != nil || g.skip < 0 || g.each == 0 {
			return g, at(n, path+".skip", errors.New("want the number of elements of each to leave out"))
		}
	}
	for _, f := range m.fields {
		if v := values[f.name]; v != nil {
			o, err := c.output(f, v, path+"."+f.name)
			if err != nil {
				return g, err
			}
			g.fields = append(g.fields, o)
		}
	}
	return g, nil
}

// enter makes the elements of an array the scope of paths.
func (c *compiler) enter(g *group, n *yaml.Node) error {
	var err error
	if g.path, err = text(n); err != nil {
		return err
	}
	if g.each, err = c.path(g.path); err != nil {
		return err
	}
	g.trie = new(node)
	c.scope = &scope{outer: c.scope, trie: g.trie, known: map[string]int{}}
	return nil
}

// leave goes back to the scope around.
func (c *compiler) leave(g *group) {
	g.slots = slices.Collect(maps.Values(c.scope.known))
	c.scope = c.scope.outer
}
