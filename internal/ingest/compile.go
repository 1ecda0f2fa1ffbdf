package ingest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Limits of a mapping file.
const (
	maxMappingBytes = 256 << 10
	maxAlternatives = 128   // for one member
	maxNamed        = 256   // variables, tables
	maxTableRows    = 4_096 // of one table
)

// A compiler makes a mapping of a file.
type compiler struct {
	exprParser
	tries []*node // of the scopes within
}

// compile reads a mapping file.
func compile(text []byte) (*mapping, error) {
	if len(text) > maxMappingBytes {
		return nil, &mappingError{err: fmt.Errorf("%d bytes, limit %d", len(text), maxMappingBytes)}
	}
	doc, err := readYAML(text)
	if err != nil {
		return nil, &mappingError{err: err}
	}
	m := &mapping{trie: new(node)}
	c := compiler{exprParser: exprParser{m: m, scope: &scope{trie: m.trie, known: map[string]int{}},
		vars: map[string]int{}, tables: map[string]map[string][]byte{}}}
	return m, c.file(doc)
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
	for _, trie := range append(c.tries, c.m.trie) {
		c.m.findInner(trie)
	}
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
		n := c.m.trie
		for _, s := range path {
			if n, err = n.step(s); err != nil {
				return err
			}
			n.lax = true
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
