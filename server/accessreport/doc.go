// Package accessreport writes effective access differences: as text for people on a
// terminal, as Markdown for a pull request, as JSON for programs, and as annotations
// of GitHub's checks.
//
// Text and Markdown are bounded. What does not fit is counted, never passed over in
// silence; that a difference is not whole, that nobody can administer any more, and
// why it does not pass are shown whatever the size. JSON has everything.
//
// Names that stand in portals reach a terminal or a page only with what could drive
// it made harmless.
package accessreport
