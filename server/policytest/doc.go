// Package policytest runs tables of cases against policies: what `portcullis test`
// does.
//
// A suite is a YAML file named decisions.yaml, or that ends in .decisions.yaml. It
// stands beside the folders of the portals that it asks, or in a portal's own:
//
//	portal: storehut             # asked unless a case names another
//	now: 2026-03-01T09:00:00Z    # the moment of every decision
//	given: {}                    # for all cases, before their own
//	cases:
//	  - id: AC-01                # several cases may carry one id
//	    name: the assistant sees the company profile
//	    portal: other            # portal and now: if not the suite's
//	    now: 2026-04-01T09:00:00Z
//	    subject: ray.newman      # a user; anonymous/visitor: another type
//	    action: view
//	    resource: screen/SP408030
//	    subject_properties: {}   # what the caller claims
//	    action_properties: {}
//	    properties: {}           # of the resource
//	    context: {}
//	    given:                   # a merge patch of the portal's data, by id
//	      users: {ray.newman: {active: false}}
//	    revision: {}             # of a call about policy/7: {user, checked, difference, approvals, published}
//	    want: {outcome: allow, reason: granted, level: view, fields: {}, obligations: [], rules: []}
//	    skip: why                # not run
//	    only: true               # nothing but such cases is run
//	matrices:
//	  - id: AC-25
//	    subjects: [viewer, editor]
//	    actions: [view, edit]
//	    resources: [screen/AR301000]
//	    want:                    # later lines win, and what no line names is denied
//	      - {subjects: [editor], actions: [edit], outcome: allow}
//	pending:
//	  - {id: AC-22, reason: what the row waits for}
//
// outcome must be given; what else is given must be equal, and what is not given is
// not compared. rules are the ids of the rules that decided.
//
// [Load] reads a project, [Run] runs it. [Case.Check] holds one case against
// whatever decides: a server over HTTP, the built binary.
//
// [Mutants] changes a portal in every small way. A table of which each change fails
// some row holds the portal's data; package policy has the like for policies.
package policytest
