package annals

import (
	"context"
	"fmt"
)

// Inserted returns the event of a new record: type "T.inserted" for an entity of
// type T, action insert, with record, its whole state, as the snapshot. Like
// [Updated], [Deleted] and [Ingested] it takes its actor from ctx (see
// [WithActor]) and else names the operating system's user and this program.
//
//	j.Append(ctx, annals.Inserted(ctx, annals.Entity{Type: "customer", ID: "7"}, customer))
func Inserted(ctx context.Context, entity Entity, record any) Event {
	e := changed(ctx, entity, "insert", "inserted")
	e.Snapshot = record
	return e
}

// Updated returns the event of a changed record: type "T.updated", action update,
// with the fields that changed.
func Updated(ctx context.Context, entity Entity, changes map[string]Change) Event {
	e := changed(ctx, entity, "update", "updated")
	e.Changes = changes
	return e
}

// Deleted returns the event of a removed record: type "T.deleted", action delete,
// with last, its state before, as the snapshot.
func Deleted(ctx context.Context, entity Entity, last any) Event {
	e := changed(ctx, entity, "delete", "deleted")
	e.Snapshot = last
	return e
}

// Ingested returns the event of a bulk load: type "T.ingested", action ingest,
// with the number of rows and the file or stream they came from.
func Ingested(ctx context.Context, entity Entity, rows int, from string) Event {
	e := changed(ctx, entity, "ingest", "ingested")
	e.Message = fmt.Sprintf("%d rows from %s", rows, from)
	e.Data = struct {
		Rows int    `json:"rows"`
		From string `json:"from"`
	}{rows, from}
	return e
}

func changed(ctx context.Context, entity Entity, action, verb string) Event {
	return Event{Type: entity.Type + "." + verb, Action: action, Entity: entity, Actor: actorOf(ctx)}
}
