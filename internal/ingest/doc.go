// Package ingest turns foreign audit logs into event JSON.
//
// It has two halves that know nothing of each other. A [Reader] splits a stream,
// compressed or not, into JSON values, and a [CSVReader] makes values of the rows of
// CSV. A [Format] turns one such value into one event in the journal's JSON form;
// rows of one event are joined into a value before, by [Join]. The usual loop reads an [Item], maps it and
// hands the result to the journal's strict parser, which puts it into canonical
// form and has the last word on every limit:
//
//	format, err := ingest.Lookup("cloudtrail")
//	...
//	r, err := ingest.NewReader(file, &ingest.Options{Containers: format.Containers()})
//	...
//	for {
//		item, err := r.Next()
//		...
//	}
//
// Most formats are mapping files, which are compiled: built-in ones under mappings,
// and a user's own through [ParseMapping]. The pass over a value collects what the
// paths of the mapping lead to, without building a tree, and the event is written
// from that. Docs/import.md has the language.
//
// The package opens no files, knows no journal, and starts no goroutines.
// Everything it reads may be hostile: memory is bounded whatever the input says,
// and what cannot be used comes back as an error that names its place.
package ingest
