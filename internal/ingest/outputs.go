package ingest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

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
	e.bare = len(e.parts) == 1 && o != nil && o.slot != 0 && len(o.steps)+len(e.steps)+len(e.when) == 0
	var last *step
	steps := e.steps
	if o != nil && len(e.parts) == 1 && len(e.steps) == 0 {
		o.numbers = o.numbers || kind == memberNumber || kind == memberBool
		steps = o.steps
	}
	if kind == memberTime && len(steps) > 0 {
		last = &steps[len(steps)-1]
	}
	if e.timeSteps() > 1 || e.timeSteps() == 1 && (last == nil || last.kind != stepTime) {
		return errors.New("a step that makes a time must be the last one, of the member time")
	}
	if kind == memberTime && (last == nil || last.kind != stepTime) {
		return errors.New("the last step must say how the time is written, as in | rfc3339")
	}
	return nil
}

// timeSteps counts the steps that make a time.
func (e *expr) timeSteps() int {
	n := countTimes(e.steps)
	for _, p := range e.parts {
		if p.operand != nil {
			n += countTimes(p.operand.steps)
		}
	}
	for _, c := range e.when {
		n += 2 * countTimes(c.operand.steps) // never the last
	}
	return n
}

func countTimes(steps []step) (n int) {
	for _, s := range steps {
		if s.kind == stepTime {
			n++
		}
	}
	return n
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
	c.tries = append(c.tries, g.trie)
	c.scope = &scope{outer: c.scope, trie: g.trie, known: map[string]int{}}
	return nil
}

// leave goes back to the scope around.
func (c *compiler) leave(g *group) {
	g.slots = slices.Collect(maps.Values(c.scope.known))
	c.scope = c.scope.outer
}
