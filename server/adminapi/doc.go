// Package adminapi is the administration of portals over HTTP, below [Prefix].
//
// It owns that wire: paths, parameters, bodies, conditions and answers, and the
// OpenAPI document, which is made from the same registrations as the routes. What
// a call does, and who may make it, is the business of the [Service] behind it. It
// guarantees that a request that is not what the document describes never reaches
// the Service, and that whatever is refused is told as a [Problem], with all that is
// wrong at once.
package adminapi
