/*
Package server is the journal over HTTP: the routes of the API, how requests are read
and answered, and what keeps one of them from harming the others.

A [Server] has one table of routes, each with the permission that it asks for. One
chain goes before all of them: it names the request, finds out whose it is, refuses
what the grant does not allow, and makes of every error, and of every panic, a problem
document (RFC 9457). Handlers read bodies within limits and answer with the bytes that
the journal keeps, which nothing here encodes again.

The package knows events as the root does, credentials as package access does, and
nothing of files, settings or the command line.
*/
package server
