/*
Package access says who may do what with a journal that is open to others.

An [Authenticator] makes a [Grant] of a request's credential: an identity, which
entries carry as recorded_by, tenants, and permissions. The permissions are apart:
who may append may not therefore read. The package knows requests only as carriers
of credentials, and nothing of routes; what a route asks for is the server's to say.
*/
package access
