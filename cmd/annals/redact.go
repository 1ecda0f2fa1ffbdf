package main

import (
	"github.com/go-json-experiment/json/jsontext"
)

// hidden stands for a value that is not shown.
const hidden = `"[redacted]"`

// maxRedacted bounds how many paths are redacted.
const maxRedacted = 1000

// kept are the members that say which entry it is: they are always shown.
var kept = map[string]bool{
	"id": true, "time": true, "type": true, "version": true, "tenant": true, "recorded_at": true, "sequence": true, "position": true,
}

// A redaction hides the values at paths. A nil one hides nothing.
type redaction struct {
	hide  bool // all of the value
	pair  bool // the value is a change: both of its values
	below map[string]*redaction
}

// newRedaction returns the redaction of paths, nil if there are none.
func newRedaction(paths []string) (*redaction, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	if len(paths) > maxRedacted {
		return nil, usagef("%d paths to redact, more than %d", len(paths), maxRedacted)
	}
	root := new(redaction)
	for _, text := range paths {
		p, err := parsePath(text)
		if err != nil {
			return nil, err
		}
		if kept[p.names[0]] {
			return nil, usagef("%s says which entry it is, and cannot be redacted", p.names[0])
		}
		at := root
		for _, name := range p.names {
			if at.below == nil {
				at.below = make(map[string]*redaction)
			}
			if at.below[name] == nil {
				at.below[name] = new(redaction)
			}
			at = at.below[name]
		}
		at.hide = true
		at.pair = p.names[0] == "changes" && len(p.names) == 2
	}
	return root, nil
}

// apply appends what may be shown of a value.
func (r *redaction) apply(dst []byte, v jsontext.Value) ([]byte, error) {
	kind := v.Kind()
	switch {
	case r == nil:
		return append(dst, v...), nil
	case r.hide && !(r.pair && kind == '['):
		return append(dst, hidden...), nil
	case kind == '{':
		return r.parts(dst, v, '}', func(name string) *redaction { return r.below[name] })
	case kind == '[':
		element := r
		if r.hide {
			element = &redaction{hide: true}
		}
		return r.parts(dst, v, ']', func(string) *redaction { return element })
	}
	return append(dst, v...), nil
}

// parts appends an object or an array with what of says is to be hidden in each.
func (r *redaction) parts(dst []byte, v jsontext.Value, end byte, of func(name string) *redaction) (_ []byte, err error) {
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
