/*
Package client appends to and reads from an Annals server over HTTP, with the
methods and types of [annals.Journal]: a program that keeps a journal itself becomes
one that uses a service by changing one line.

	c, err := client.New("https://annals.example.com", &client.Options{Token: token})
	...
	receipts, err := c.Append(ctx, annals.Event{Type: "order.placed"})

# What is promised

A receipt means what it means everywhere: the event is on the server's stable
storage. Every event has an id before it is sent for the first time, so that a call
which has failed on its way is repeated, with growing pauses, and adds nothing twice.
What the server refuses is never repeated and never dropped: the caller gets the
error and still has the event. When a call ends without an answer, the error says
that the outcome is unknown ([annals.ErrUnknown]), unless nothing can have arrived.

Errors are those of the root package: [errors.Is] and [errors.AsType] find
[annals.ErrNotFound], *[annals.ConflictError] and the rest, and beside them *[Error],
which is what the server said.

# Three ways to append

[Client.Append] waits for the receipt. Calls that are made at the same time share
requests: one is under way, and the next takes all that have come meanwhile. A call
that is alone waits for nobody.

[Client.Stream] sends one event after another and receives their receipts in the same
order, over connections that are made again as needed.

[Buffer] takes events without waiting, and says what becomes of them when it is full
or the server is away: the caller waits, they go to a file, or they are counted.

# Proof

A receipt and the journal's public key, kept elsewhere, are enough to find out later that
an entry was altered or removed: [Client.VerifyReceipt].

Package slogaudit makes audit events of log records.
*/
package client
