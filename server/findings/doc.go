// Package findings looks at what a project holds as a whole, its policies, portals
// and suites, and finds what is right in each of them and yet of no use, or not
// meant: screens that nobody reaches, rights that never matter, roles without
// members.
//
// What can be decided is found by asking the policy, as users would ask it: what a
// right is worth, no rule here knows. The questions are those that the policy knows,
// about what the portal stores, with those of the suites; a finding says that none of
// them shows a difference. What was not asked, because there was too much of it or
// the time was over, is told.
//
// [Find] finds, [Rules] says what, and [Levels] how much each weighs.
package findings
