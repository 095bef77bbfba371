// Package policytest reads decision tables and holds them against whatever
// decides: the engine in process, a server over HTTP, the built binary.
//
// A suite is a YAML file:
//
//	portal: storehut             # that is asked, unless a case names another
//	now: 2026-03-01T09:00:00Z    # the moment of every decision
//	cases:
//	  - id: AC-01                # several cases may carry one id
//	    name: the assistant sees the company profile
//	    subject: ray.newman      # a user; anonymous/visitor: another type
//	    action: view
//	    resource: screen/SP408030
//	    properties: {}           # of the resource, as the caller claims them
//	    context: {}
//	    want: {outcome: allow, reason: granted, level: view}
//	pending:
//	  - {id: AC-14, reason: administration write}
//
// outcome must be given; what else is given must be equal, and a level or
// obligations not given are not compared.
//
// [Mutants] changes a portal in every small way. A table of which
// each change fails some row holds the portal's data; package policy has the like for policies.
//
// The package knows neither how a decision comes about nor where the data is.
package policytest
