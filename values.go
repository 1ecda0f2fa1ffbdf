package annals

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/annals-io/annals/engine"
)

// The functions below read canonical texts, which need no checks; of other
// texts they make what they can.

// decodeTime returns a canonical time, zero if there is none.
func decodeTime(raw []byte) time.Time {
	t, err := time.Parse(engine.TimeFormat, unquote(raw))
	if err != nil {
		return time.Time{}
	}
	return t
}

func decodeEntity(raw []byte) Entity {
	var e Entity
	for w := walk(raw); w.next(); {
		switch string(w.name) {
		case "type":
			e.Type = unquote(w.value)
		case "id":
			e.ID = unquote(w.value)
		case "name":
			e.Name = unquote(w.value)
		}
	}
	return e
}

// decodeEntityKey returns the type and id of an entity.
func decodeEntityKey(raw []byte) Entity {
	var e Entity
	for w := walk(raw); w.next(); {
		switch string(w.name) {
		case "type":
			e.Type = unquote(w.value)
		case "id":
			e.ID = unquote(w.value)
		}
	}
	return e
}

func decodeActor(raw []byte) Actor {
	var a Actor
	for w := walk(raw); w.next(); {
		switch string(w.name) {
		case "type":
			a.Type = unquote(w.value)
		case "id":
			a.ID = unquote(w.value)
		case "name":
			a.Name = unquote(w.value)
		case "address":
			a.Address = unquote(w.value)
		case "user_agent":
			a.UserAgent = unquote(w.value)
		case "on_behalf_of":
			a.OnBehalfOf = decodeEntity(w.value)
		}
	}
	return a
}

func decodeProducer(raw []byte) (Producer, error) {
	var p Producer
	for w := walk(raw); w.next(); {
		switch string(w.name) {
		case "id":
			p.ID = unquote(w.value)
		case "sequence":
			n, err := strconv.ParseUint(string(w.value), 10, 64)
			if err != nil {
				return p, err
			}
			p.Sequence = n
		}
	}
	return p, nil
}

func decodeFailure(raw []byte) Failure {
	var f Failure
	for w := walk(raw); w.next(); {
		switch string(w.name) {
		case "code":
			f.Code = unquote(w.value)
		case "message":
			f.Message = unquote(w.value)
		}
	}
	return f
}

func decodeStrings(raw []byte) []string {
	var texts []string
	for el := range elements(raw) {
		texts = append(texts, unquote(el))
	}
	return texts
}

func decodeTags(raw []byte) map[string]string {
	tags := make(map[string]string)
	for w := walk(raw); w.next(); {
		tags[w.nameText()] = unquote(w.value)
	}
	return tags
}

func decodeChanges(raw []byte) map[string]Change {
	changes := make(map[string]Change)
	for w := walk(raw); w.next(); {
		var pair []json.RawMessage
		for el := range elements(w.value) {
			pair = append(pair, json.RawMessage(el))
		}
		switch len(pair) {
		case 1:
			changes[w.nameText()] = Change{New: pair[0], OldUnknown: true}
		case 2:
			changes[w.nameText()] = Change{Old: pair[0], New: pair[1]}
		}
	}
	return changes
}
