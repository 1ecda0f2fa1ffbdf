package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

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
	return printable(where+": "+e.err.Error(), 500)
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

// readYAML returns the value of a file that is one YAML document.
func readYAML(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	switch {
	case err == io.EOF || err == nil && len(doc.Content) != 1:
		return nil, errors.New("file is empty")
	case err != nil:
		return nil, fmt.Errorf("not YAML: %.120q", err.Error())
	}
	if err := dec.Decode(&more); err != io.EOF {
		return nil, errors.New("file has more than one document")
	}
	return doc.Content[0], nil
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
