// Package scaffold makes the files of a new portal: a policy of its own that builds
// on a preset, its tests, a little data, a suite of decisions, schemas for editors
// and a workflow that runs all of it.
//
// What differs between presets is data alone: templates/<preset> holds a portal's
// files and the cases that show the preset at work, templates/common what every
// portal gets, templates/shared the data that all of them have. Every preset has the users ann and bob at the accounts of two
// companies and eve, who is deactivated, and the record notice/N-1 of ann's company,
// which the rule that comes with the policy grants.
//
// The package writes nothing itself and judges nothing.
package scaffold
