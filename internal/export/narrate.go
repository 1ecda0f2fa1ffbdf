package export

import (
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what is told of an entry, in bytes.
const (
	maxStory = 2000
	maxValue = 200 // of a change
)

// tell returns the sentence about an entry. It holds whatever the entry does: the caller
// makes it safe for where it goes.
func (t *Templates) tell(r *record) string {
	if own, ok := t.of(r.text("type")); ok {
		return clip(own.fill(r), maxStory)
	}
	return clip(r.story(), maxStory)
}

// of returns the template of a type.
func (t *Templates) of(typ string) (found template, ok bool) {
	if t == nil || t.templates == nil {
		return nil, false
	}
	found, ok = t.templates[typ]
	for i := len(typ); !ok && i >= 0; i-- {
		found, ok = t.templates[typ[:i]+"*"]
	}
	return found, ok
}

// story is the sentence of a type without a template: actor, action, entity and
// changes. Where nobody did anything it is the producer's own.
func (r *record) story() string {
	actor, action := r.tell("actor"), r.text("action")
	if message := r.text("message"); message != "" && (actor == "" || action == "") {
		return message
	}
	var parts []string
	for _, part := range []string{actor, firstOf(action, r.text("type")), r.tell("entity")} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	text := strings.Join(parts, " ")
	if changes := r.tell("changes"); changes != "" {
		text += ": " + changes
	}
	return text
}

// tell returns the text of what is at a path: of people and things their names, of
// changes what changed, and of several values all.
func (r *record) tell(names ...string) string {
	var parts []string
	size := 0
	r.values(names, func(v jsontext.Value) bool {
		part := tellMember(names, v)
		parts = append(parts, part)
		size += len(part)
		return size <= maxStory
	})
	return strings.Join(parts, ", ")
}

// tellMember returns the text of the value at a path.
func tellMember(names []string, v jsontext.Value) string {
	switch member := names[0]; {
	case member == "changes" && len(names) == 1:
		return clip(strings.Join(changeTexts(v, maxStory), "; "), maxStory)
	case member == "changes" && len(names) == 2:
		return changeText(v)
	case v.Kind() == '[' && member == "related":
		return tellEach(names, v)
	case v.Kind() != '{':
	case member == "actor" || member == "recorded_by":
		return firstOf(memberText(v, "name"), memberText(v, "id"), memberText(v, "type"))
	case member == "entity" || member == "related":
		return memberText(v, "type") + "/" + memberText(v, "id")
	case member == "error":
		return strings.Trim(memberText(v, "code")+": "+memberText(v, "message"), ": ")
	}
	return plainText(v)
}

// tellEach returns the texts of an array's elements.
func tellEach(names []string, v jsontext.Value) string {
	var parts []string
	_ = each(v, func(_, value jsontext.Value) bool {
		parts = append(parts, tellMember(names, value))
		return true
	})
	return strings.Join(parts, ", ")
}

// memberText returns the text of a member of an object.
func memberText(v jsontext.Value, name string) (text string) {
	find(v, []string{name}, func(v jsontext.Value) bool {
		text = plainText(v)
		return false
	})
	return text
}

// Changes returns what an entry's member changes says, for people: a text for each field,
// with the old and the new value, until the texts take more than most bytes. It is not
// safe for a terminal. Without changes there is none.
func Changes(changes []byte, most int) []string {
	return changeTexts(changes, most)
}

// changeTexts is [Changes] for what a redaction may have left of them.
func changeTexts(changes jsontext.Value, most int) (texts []string) {
	if changes.Kind() == '"' {
		return []string{unquoted(changes)} // hidden
	}
	size := 0
	_ = each(changes, func(name, value jsontext.Value) bool {
		text := clip(unquoted(name), maxValue) + ": " + changeText(value)
		texts = append(texts, text)
		size += len(text)
		return size <= most
	})
	return texts
}

// changeText returns the old and the new value of a change, or the new one alone
// if the old one is not known.
func changeText(v jsontext.Value) string {
	if v.Kind() != '[' {
		return plainText(v)
	}
	var parts []string
	_ = each(v, func(_, value jsontext.Value) bool {
		text := clip(plainText(value), maxValue)
		if text == "" {
			text = string(value)
		}
		parts = append(parts, text)
		return true
	})
	if len(parts) == 1 {
		return "→ " + parts[0]
	}
	return strings.Join(parts, " → ")
}

// clip cuts a text that takes more than most bytes.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// firstOf returns the first text that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
