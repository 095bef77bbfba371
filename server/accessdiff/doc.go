// Package accessdiff says who may do more, and who less, under one state of a portal
// than under another: the effective access difference of a change to policies, roles,
// rights, settings or users. It is computed from decisions and not from text.
//
// Every user is asked about every action at every screen and every record, in
// principle. In practice a decision is made once for each distinct set of facts that
// the policy can read for the kind of question, and not at all where both states would
// show the policy the same. What the policy can read is told by package policy.
//
// Whatever is left out, because there is too much of it or the time ran out, is said in
// the [Report]; a report that says nothing of the kind is whole.
package accessdiff
