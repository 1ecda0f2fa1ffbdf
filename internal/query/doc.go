// Package query is the filter language: its text, its parameters, its
// expression tree, the evaluation of a tree on one document, and what an index
// can answer of it.
//
// The package knows fields and values. It opens no file and knows no event; the
// table of [Fields] is all that it has of an entry. [Parse] and [FromParams]
// make an [Expr], [Eval] answers whether a [Document] satisfies it, and
// [JSONDocument] is a document over the canonical bytes of an entry. An
// [Extractor] reads the [Term]s of an entry, for an index, and [NewPlan] makes of
// an Expr a [Plan] that asks for them.
//
// # Filter text
//
//	filter = [ any ]                        nothing matches everything
//	any    = all { "OR" all }
//	all    = not { [ "AND" ] not }          a space is "and", and binds tighter than OR
//	not    = [ "-" | "NOT" ] term           an absent field satisfies it
//	term   = "(" any ")" | field ":" value | field ":" "(" any ")" | word | quoted
//	value  = "*" | operand [ "*" ] | compare operand
//	       | operand ".." operand | operand ".." | ".." operand
//
// A term ends at a space, a parenthesis or the end. OR, AND and NOT are upper
// case; in quotes they are text. Inside field:(...) the terms are values of that
// field, as in type:(order.* OR invoice.paid) and data.total:(>10 -50), where
// "-" still means not. A comma is a character like any other: lists are written
// with OR, since names and identifiers contain commas.
//
// Matching is exact and case-sensitive. A trailing * matches every value with
// that beginning and * alone any value at all, so that -field:* finds entries
// without the field. A * elsewhere must be quoted. :> :>= :< :<= compare and
// a..b is a range that includes both ends. An unquoted number, true, false or
// null in data, changes, tags, snapshot and metadata matches that JSON value as
// well as the string of the same text; quotes force a string. Numbers compare
// exactly by value, strings by their bytes, severity by rank, and an address that is an
// IP address by its address. A comparison with a number matches numbers alone,
// any other comparison strings alone.
//
// Quotes take the escapes of JSON strings. A backslash elsewhere is an ordinary
// character, except in a field's name, where it makes the next character part of
// the name: data.first\ name.a\.b:x is the member "a.b" of "first name". On its
// path an array stands for each of its elements.
//
// A time is RFC 3339, or a date, which stands for that whole day in UTC, or a
// distance before now such as 90s, 15m, 24h, 7d, 2w or 1d12h. time:24h alone
// means the last 24 hours.
//
// A word or quoted text without a field is free text: a substring, ignoring
// case, of any string value of the entry, except of the members named in
// [JSONDocument.FoldedText].
//
// # Terms and plans
//
// Evaluation is the truth, and an index only narrows down on what to evaluate:
// whenever Eval says that an expression holds for an entry, the expression's plan
// chooses the entry's terms, and the entry is within the plan's bounds. The
// opposite is not promised. Equality is answered by terms, for the fields that are
// listed at [Term] and for paths of data, tags and changes; so are the order of
// outcome and severity, and prefixes of type up to their last dot. Bounds come of
// time, position and tenant where these must hold for the whole expression. For
// negation, other prefixes, other comparisons, free text and all other fields a
// plan says "every entry".
//
// A [Policy] leaves paths of data, tags and changes without terms. Who asks must
// take a term that [Policy.Covers] does not cover for present. An entry with very
// many values has the term [MoreField] in their place, which plans allow for by
// themselves.
package query
