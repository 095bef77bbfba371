package accessreport

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// Comparison is what one comparison of two states found.
type Comparison struct {
	Reports []*accessdiff.Report // of one portal each

	// Complaints say why the comparison does not pass: more users lose something than
	// may, nobody can administer any more, something was left out.
	Complaints []string
}

// Empty reports whether nobody's access differs at any portal, as far as the reports
// go.
func (c *Comparison) Empty() bool {
	return !slices.ContainsFunc(c.Reports, func(r *accessdiff.Report) bool { return !r.Empty() })
}

// Summary returns in one line what came of a portal's users.
func Summary(r *accessdiff.Report) string {
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{r.Lost, "loses access", "lose access"},
		{r.Gained, "gains access", "gain access"},
		{r.Changed, "gets other answers", "get other answers"},
	} {
		if p.n > 0 {
			parts = append(parts, number(int64(p.n))+" "+choose(p.n, p.one, p.many))
		}
	}
	switch {
	case len(parts) > 0 && visitors(r):
		return "of " + plural(r.Users, "user") + ", " + enumerate(parts) + "; visitors are affected, too"
	case visitors(r):
		return "no user's access differs, and that of visitors does"
	case len(parts) > 0:
		return "of " + plural(r.Users, "user") + ", " + enumerate(parts)
	case !r.Empty():
		return "answers differ, and nobody's access does"
	case !r.Complete():
		return "nobody's access differs, as far as it was looked at"
	}
	return "nobody's access differs"
}

// visitors reports whether what those may do differs who have not logged in.
func visitors(r *accessdiff.Report) bool {
	return slices.ContainsFunc(r.Changes, func(c accessdiff.Change) bool { return c.Anonymous })
}

// effort returns how much was looked at, and for how long.
func effort(r *accessdiff.Report) string {
	return fmt.Sprintf("%s, %s evaluated, in %s", plural(r.Questions, "question"), number(r.Evaluated), took(r.Took))
}

const lockedOut = "somebody could change the portal's policy before, and nobody can after"

// headline returns a change in one line, such as "41 users lose view, edit at
// SP408030 Company profile and 3 more screens".
func headline(c *accessdiff.Change, name func(string) string) string {
	who, n := befallen(c)
	verb := choose(n, "gets another answer to", "get another answer to")
	switch c.Kind {
	case accessdiff.Lost:
		verb = choose(n, "loses", "lose")
	case accessdiff.Gained:
		verb = choose(n, "gains", "gain")
	}
	all := spots(c.Places)
	if len(all) == 0 {
		return who + " " + verb + " something"
	}
	return fmt.Sprintf("%s %s %s at %s%s", who, verb, all[0].doing(name), all[0].target(name), others(all))
}

// befallen says whom the change befalls, with the number of the verb.
func befallen(c *accessdiff.Change) (who string, n int) {
	switch {
	case !c.Anonymous:
		return plural(c.Users, "user"), c.Users
	case c.Users == 0:
		return "visitors", 2
	}
	return plural(c.Users, "user") + " and visitors", 2
}

// others counts the places beside the first.
func others(all []spot) string {
	seen := map[string]bool{all[0].place: true}
	nodes, records, n := map[string]bool{}, false, 0
	for i := range all[1:] {
		s := &all[i+1]
		if seen[s.place] {
			continue
		}
		seen[s.place] = true
		n += max(s.Records, 1)
		if isNode(s.Type) {
			nodes[s.Type] = true
		} else {
			records = true
		}
	}
	noun := "place"
	switch {
	case n == 0:
		return ""
	case records && len(nodes) == 0:
		noun = "record"
	case !records && len(nodes) == 1:
		for t := range nodes {
			noun = t
		}
	}
	return " and " + number(int64(n)) + " more " + choose(n, noun, noun+"s")
}

// isNode reports whether resources of the type are nodes of the screen tree.
func isNode(resource string) bool {
	return slices.Contains([]string{"workspace", "screen", "container", "element"}, resource)
}

// spot is a place with all actions that differ there in the same way.
type spot struct {
	accessdiff.Place
	place   string // equal for the same place
	actions []string
}

// spots gathers the actions by place and answers, in the order of the places.
func spots(places []accessdiff.Place) []spot {
	var all []spot
	at := map[string]int{}
	for i := range places {
		p := &places[i]
		place := strings.Join(append([]string{p.Type, p.ID, p.Title, strconv.Itoa(p.Records)}, p.Sample...), "\x00")
		key := place + "\x00" + answers(p)
		j, known := at[key]
		if !known {
			j = len(all)
			at[key] = j
			all = append(all, spot{Place: *p, place: place})
		}
		all[j].actions = append(all[j].actions, p.Action)
	}
	return all
}

// doing names the actions; name makes what stands in portals and policies fit to be
// shown.
func (s *spot) doing(name func(string) string) string {
	actions := slices.Clone(s.actions)
	for i, a := range actions {
		if a == accessdiff.OtherAction {
			actions[i] = "any other action"
		}
	}
	return name(strings.Join(actions, ", "))
}

// target names the place.
func (s *spot) target(name func(string) string) string {
	switch {
	case s.ID == "" && s.Records > 0:
		what := "record of type " + s.Type
		if s.Records > 1 {
			what = number(int64(s.Records)) + " records of type " + s.Type
		}
		if s.Title != "" {
			what += ", " + s.Title
		}
		return name(what) + " (" + sample(s.Sample, s.Records, name) + ")"
	case s.ID == "":
		return name(strings.TrimSpace(s.Title + " " + s.Type))
	case s.ID == authz.AnyResource:
		return name("any " + s.Type)
	case !isNode(s.Type):
		return name(s.Type + " " + s.ID)
	case s.Title == "":
		return name(s.ID)
	}
	return name(s.ID + " " + s.Title)
}

// sample lists some of n names.
func sample(some []string, n int, name func(string) string) string {
	names := make([]string, 0, len(some)+1)
	for _, s := range some {
		names = append(names, name(s))
	}
	if n > len(some) {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}

// answers tells both answers, without names.
func answers(p *accessdiff.Place) string {
	before, after := sides(p)
	return before + "\x00" + after
}

// sides returns the answers in short: outcome, reason, level, and the fields that
// differ.
func sides(p *accessdiff.Place) (before, after string) {
	return answer(&p.Before, &p.After), answer(&p.After, &p.Before)
}

func answer(a, other *accessdiff.Answer) string {
	if a.Outcome == "" {
		return "nothing"
	}
	s := string(a.Outcome)
	if a.Reason != "" {
		s += ": " + a.Reason
	}
	var more []string
	if a.Level != "" {
		more = append(more, a.Level)
	}
	for _, f := range differing(a, other) {
		access := string(a.Fields[f])
		if access == "" {
			access = "(absent)"
		}
		more = append(more, f+" "+access)
	}
	if len(more) > 0 {
		s += " (" + strings.Join(more, ", ") + ")"
	}
	return s
}

// shownFields bounds the fields of one answer.
const shownFields = 4

// differing returns the first fields to which the answers give another access.
func differing(a, b *accessdiff.Answer) (fields []string) {
	for f, access := range a.Fields {
		if b.Fields[f] != access {
			fields = append(fields, f)
		}
	}
	for f := range b.Fields {
		if _, both := a.Fields[f]; !both {
			fields = append(fields, f)
		}
	}
	slices.Sort(fields)
	return fields[:min(len(fields), shownFields)]
}

// usersIn returns how many users the groups hold.
func usersIn(groups []accessdiff.Group) (n int) {
	for i := range groups {
		n += groups[i].Users
	}
	return n
}

// enumerate joins parts as a sentence does.
func enumerate(parts []string) string {
	last := len(parts) - 1
	if last < 1 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

func choose(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func plural[N int | int64](n N, noun string) string {
	return number(int64(n)) + " " + choose(int(n), noun, noun+"s")
}

// number writes n with commas between thousands.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func took(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.0f ms", math.Ceil(d.Seconds()*1000))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
