package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a [Policy].
const (
	// MaxPolicyPaths bounds the paths of a policy.
	MaxPolicyPaths = 1000

	// MaxPolicyBytes bounds the text of a policy, as given and in normal form.
	MaxPolicyBytes = 64 << 10
)

// A Policy says which values of data, changes and tags have terms: all, none, or
// those at and below some paths. Other terms an entry has under every policy. The
// zero Policy, and nil, is all. A Policy is never changed and may be shared.
type Policy struct {
	text string      // normal form; empty means all
	root *policyNode // nil means all
}

// A policyNode is a name on the way to the paths of a policy. The way down ends
// where all is set; a missing node covers nothing.
type policyNode struct {
	all  bool
	down map[string]*policyNode
}

// everything covers what it is asked for.
var everything = &policyNode{all: true}

// child returns the node below n for a member's name, which is nil when nothing
// there is covered.
func (n *policyNode) child(name []byte) *policyNode {
	if n.all {
		return n
	}
	return n.down[string(name)]
}

// ParsePolicy reads a policy: "all" or nothing, "none", or paths such as
//
//	data.region, data.user.*, tags.team
//
// with commas or spaces between them. A path covers itself and all below it; a .*
// at the end says the same. A backslash makes the next character part of a name.
func ParsePolicy(text string) (*Policy, error) {
	switch {
	case len(text) > MaxPolicyBytes:
		return nil, fmt.Errorf("index policy is longer than %d bytes", MaxPolicyBytes)
	case !utf8.ValidString(text):
		return nil, errors.New("index policy is not valid UTF-8")
	}
	words := policyWords(text)
	if len(words) == 0 || len(words) == 1 && words[0] == "all" {
		return &Policy{}, nil
	}
	root := &policyNode{}
	if len(words) == 1 && words[0] == "none" {
		return &Policy{text: "none", root: root}, nil
	}
	if len(words) > MaxPolicyPaths {
		return nil, fmt.Errorf("index policy has %d paths, more than %d", len(words), MaxPolicyPaths)
	}
	for _, word := range words {
		if err := root.add(word); err != nil {
			return nil, err
		}
	}
	return root.policy()
}

// policy returns the policy of a tree of paths.
func (n *policyNode) policy() (*Policy, error) {
	if !slices.ContainsFunc(dataMembers[:], func(name string) bool { return n.down[name] == nil || !n.down[name].all }) {
		return &Policy{}, nil
	}
	paths := n.paths(nil, nil)
	slices.Sort(paths)
	text := strings.Join(paths, ",")
	if len(text) > MaxPolicyBytes {
		return nil, fmt.Errorf("index policy written out is longer than %d bytes", MaxPolicyBytes)
	}
	return &Policy{text: text, root: n}, nil
}

// policyWords cuts text at its commas and spaces, except where a backslash stands
// before one.
func policyWords(text string) (words []string) {
	start, escaped := 0, false
	for i, r := range text {
		if !escaped && isSpaceOrComma(r) {
			if i > start {
				words = append(words, text[start:i])
			}
			start = i + utf8.RuneLen(r)
		}
		escaped = !escaped && r == '\\'
	}
	if start < len(text) {
		words = append(words, text[start:])
	}
	return words
}

// add adds one path to the tree.
func (n *policyNode) add(word string) error {
	names := splitPath(trimStar(word))
	switch {
	case !isDataMember(names[0]):
		return fmt.Errorf("index policy: %q does not begin with data, changes or tags", clip(word))
	case len(names) > MaxDepth:
		return fmt.Errorf("index policy: %q has more than %d names", clip(word), MaxDepth)
	}
	for _, name := range names {
		next := n.down[name]
		if next == nil {
			next = &policyNode{}
			if n.down == nil {
				n.down = make(map[string]*policyNode)
			}
			n.down[name] = next
		}
		n = next
	}
	n.all, n.down = true, nil
	return nil
}

// trimStar cuts .* off the end, unless its dot is part of a name.
func trimStar(word string) string {
	path, star := strings.CutSuffix(word, ".*")
	slashes := len(path) - len(strings.TrimRight(path, `\`))
	if !star || slashes%2 == 1 {
		return word
	}
	return path
}

// isSpaceOrComma reports whether r ends a path in the text of a policy.
func isSpaceOrComma(r rune) bool { return r == ',' || unicode.IsSpace(r) }

// paths appends the texts of the paths below n, which stands at path.
func (n *policyNode) paths(dst []string, path []byte) []string {
	if n.all {
		return append(dst, string(path))
	}
	for name, next := range n.down {
		dst = next.paths(dst, appendPolicyName(slices.Clip(path), name))
	}
	return dst
}

// appendPolicyName appends a name of a path, with a backslash before what would
// not be taken for part of it.
func appendPolicyName(dst []byte, name string) []byte {
	if len(dst) > 0 {
		dst = append(dst, '.')
	}
	for _, r := range name {
		if r == '.' || r == '\\' || r == '*' || isSpaceOrComma(r) {
			dst = append(dst, '\\')
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// String returns the policy's normal form, which [ParsePolicy] reads: all, none,
// or the paths that no other one covers, sorted, with commas between them.
func (p *Policy) String() string {
	if p == nil || p.text == "" {
		return "all"
	}
	return p.text
}

// Covers reports whether entries indexed under the policy have every term of the
// given field that they have under the policy all. It is true for fields that no
// policy concerns and for those of an engine's own, and false for fields that
// never have terms.
func (p *Policy) Covers(field string) bool {
	if field == "" || field[0] == '~' || termFields[field] {
		return true
	}
	names := splitPath(field)
	if !isDataMember(names[0]) {
		return false
	}
	n := p.node()
	for _, name := range names {
		if n = n.child([]byte(name)); n == nil {
			return false
		}
	}
	return n.all
}

// node returns the node above data, changes and tags.
func (p *Policy) node() *policyNode {
	if p == nil || p.root == nil {
		return everything
	}
	return p.root
}
