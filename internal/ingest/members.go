package ingest

import (
	"bytes"
	"slices"
)

// A memberKind is what a member of an event takes.
type memberKind uint8

const (
	memberText   memberKind = iota // a string of at most limit bytes, or one of choices
	memberTime                     // RFC 3339
	memberNumber                   // zero or more
	memberBool
	memberObject  // members of its own
	memberObjects // up to limit objects
	memberTexts   // up to limit strings
	memberTags    // an object of up to limit strings
	memberData    // the value itself
)

// A member is a member of an event, with the limits of the journal.
type member struct {
	name    string
	kind    memberKind
	limit   int
	choices []string
	fields  []member // of an object
	needs   []string // without which an object is not written
}

// Limits of the members that hold more than one value, and of the texts in them.
const (
	maxRelated  = 32
	maxSubjects = 16
	maxTags     = 64
	maxTagText  = 4_096
	maxEntityID = 1_000
)

var (
	partyMembers = []member{{name: "type", limit: 200}, {name: "id", limit: maxEntityID}, {name: "name", limit: 1_000}}
	entityNeeds  = []string{"type", "id"}
	outcomes     = []string{"success", "failure", "pending", "unknown"}
	severities   = []string{"debug", "info", "notice", "warning", "error", "critical"}
)

// subjectMember is one of subjects.
var subjectMember = member{limit: 1_000}

// Names of members that the event begins with.
const (
	nameID   = "id"
	nameTime = "time"
	nameType = "type"
)

// members are those that a mapping can fill, in the order of an event.
var members = []member{
	{name: nameID, limit: 255},
	{name: nameTime, kind: memberTime},
	{name: nameType, limit: 200},
	{name: "version", limit: 20},
	{name: "tenant", limit: 100},
	{name: "source", limit: 255},
	{name: "category", limit: 100},
	{name: "action", limit: 100},
	{name: "outcome", limit: 100, choices: outcomes},
	{name: "severity", limit: 100, choices: severities},
	{name: "reason", limit: 1_000},
	{name: "message", limit: 4_096},
	{name: "actor", kind: memberObject, fields: slices.Concat(partyMembers, []member{
		{name: "address", limit: 255},
		{name: "user_agent", limit: 4_096},
		{name: "on_behalf_of", kind: memberObject, fields: partyMembers},
	})},
	{name: "entity", kind: memberObject, fields: partyMembers, needs: entityNeeds},
	{name: "related", kind: memberObjects, limit: maxRelated, fields: partyMembers, needs: entityNeeds},
	{name: "correlation_id", limit: 255},
	{name: "parent_id", limit: 255},
	{name: "trace_id", limit: 255},
	{name: "span_id", limit: 255},
	{name: "session_id", limit: 255},
	{name: "workspace_id", limit: 255},
	{name: "namespace", limit: 253},
	{name: "cluster", limit: 253},
	{name: "subjects", kind: memberTexts, limit: maxSubjects},
	{name: "tags", kind: memberTags, limit: maxTags},
	{name: "data", kind: memberData},
	{name: "duration_ms", kind: memberNumber},
	{name: "error", kind: memberObject, fields: []member{{name: "code", limit: 255}, {name: "message", limit: 4_096}}},
	{name: "sensitive", kind: memberBool},
}

// takes reports whether the journal takes a text in a plain member.
func (m *member) takes(text []byte) bool {
	switch m.kind {
	case memberNumber:
		return len(text) <= 40 && text[0] != '-' && isNumber(text)
	case memberBool:
		return string(text) == "true" || string(text) == "false"
	case memberTime:
		return true // the step before saw to it
	}
	if m.choices != nil {
		return slices.Contains(m.choices, string(text))
	}
	return takesText(text, m.limit)
}

// takesText reports whether the journal takes a text as a string.
func takesText(text []byte, limit int) bool {
	return len(text) <= limit && bytes.IndexByte(text, 0) < 0
}
