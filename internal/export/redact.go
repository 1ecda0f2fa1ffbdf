package export

import (
	"github.com/go-json-experiment/json/jsontext"
)

// hidden stands for a value that is not shown.
const hidden = `"[redacted]"`

// MaxRedacted bounds the paths of a [Redaction].
const MaxRedacted = 1000

// kept are the members that say which entry it is: they are always shown.
var kept = map[string]bool{
	"id": true, "time": true, "type": true, "version": true, "tenant": true, "recorded_at": true, "sequence": true, "position": true,
}

// A Redaction hides the values at paths. A nil one hides nothing. It does not change, so
// that several writers may share it.
type Redaction struct {
	hide  bool // all of the value
	pair  bool // the value is a change: both of its values
	below map[string]*Redaction
}

// ParseRedaction returns the redaction of paths, nil if there are none. A path is names
// of members joined by dots, such as actor.address or data.items.price, and a backslash
// makes the next character ordinary; an array on the way stands for each of its
// elements. The error is an [OptionError]: of a path that no entry has, one that says
// which entry it is, or more than [MaxRedacted].
func ParseRedaction(paths []string) (*Redaction, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	if len(paths) > MaxRedacted {
		return nil, refused("%d paths to redact, more than %d", len(paths), MaxRedacted)
	}
	root := new(Redaction)
	for _, text := range paths {
		p, err := parsePath(text)
		if err != nil {
			return nil, err
		}
		if kept[p.names[0]] {
			return nil, refused("%s says which entry it is, and cannot be redacted", p.names[0])
		}
		root.add(p.names)
	}
	return root, nil
}

// add hides what is at a path, too.
func (r *Redaction) add(names []string) {
	at := r
	for _, name := range names {
		if at.below == nil {
			at.below = make(map[string]*Redaction)
		}
		if at.below[name] == nil {
			at.below[name] = new(Redaction)
		}
		at = at.below[name]
	}
	at.hide = true
	at.pair = names[0] == "changes" && len(names) == 2
}

// apply appends what may be shown of a value.
func (r *Redaction) apply(dst []byte, v jsontext.Value) ([]byte, error) {
	kind := v.Kind()
	switch {
	case r == nil:
		return append(dst, v...), nil
	case r.hide && !(r.pair && kind == '['):
		return append(dst, hidden...), nil
	case kind == '{':
		return r.parts(dst, v, '}', func(name string) *Redaction { return r.below[name] })
	case kind == '[':
		element := r
		if r.hide {
			element = &Redaction{hide: true}
		}
		return r.parts(dst, v, ']', func(string) *Redaction { return element })
	}
	return append(dst, v...), nil
}

// parts appends an object or an array with what of says is to be hidden in each.
func (r *Redaction) parts(dst []byte, v jsontext.Value, end byte, of func(name string) *Redaction) (_ []byte, err error) {
	dst = append(dst, v[0])
	empty := true
	eachErr := each(v, func(name, value jsontext.Value) bool {
		if !empty {
			dst = append(dst, ',')
		}
		empty = false
		if name != nil {
			dst = append(append(dst, name...), ':')
		}
		dst, err = of(unquoted(name)).apply(dst, value)
		return err == nil
	})
	if err == nil {
		err = eachErr
	}
	return append(dst, end), err
}
