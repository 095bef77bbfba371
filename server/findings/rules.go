package findings

import (
	"maps"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// The names of the rules.
const (
	unreachedScreen = "unreached-screen"
	idleRight       = "idle-right"
	memberlessRole  = "memberless-role"
	twinTypes       = "twin-types"
	twinRoles       = "twin-roles"
	generousGuest   = "generous-guest"
	endedGrant      = "ended-grant"
	uncoveredRule   = "uncovered-rule"
	untestedPortal  = "untested-portal"
)

// Rule is something that is looked for.
type Rule struct {
	Name  string
	Level policy.Severity // unless levels say otherwise
	Title string          // what a finding says
	Help  string          // why it is told, and what to do
}

// Rules returns the rules in the order of their names.
func Rules() []Rule {
	return []Rule{
		{endedGrant, policy.SeverityWarning, "A grant is past its end, or its user is inactive.",
			"A grant that is no longer in force gives nothing, and comes back to life when its end, or its user, is changed. Remove it, or prolong it on purpose."},
		{generousGuest, policy.SeverityWarning, "A guest may do more than members of the same account.",
			"Guests are active users of an account whose roles are all guest roles, and members those of the account with another role or a type of employees. What anonymous visitors may do is found where some users of accounts are refused it once they log in. Take the right from the guests, or give it to the members too."},
		{idleRight, policy.SeverityNote, "A right never matters: removing it changes no decision.",
			"Neither a question about the node, what is below it and what is shown there, by any user who has the role, nor a case of the suites comes to another decision without the right. Remove it, or add the case that shows what it is for."},
		{memberlessRole, policy.SeverityWarning, "No user holds a role, and none would by default.",
			"No grant in force or to come names the role or one that inherits it, and no user type gives it to new users. Grant it, or remove it with its rights."},
		{twinRoles, policy.SeverityNote, "Roles have the same rights and inherit the same.",
			"Two bags with the same contents are changed in one place and forgotten in the other. Keep one of them, or let one inherit from the other. Roles that a policy or a setting names are not compared, nor those without any right."},
		{twinTypes, policy.SeverityWarning, "User types differ in name only.",
			"They link, allow, manage and are managed alike, and neither the policy nor a setting names them. Keep one of them."},
		{uncoveredRule, policy.SeverityWarning, "No case covers a rule with an id.",
			"The rule had no part in the answer of any case, so that nobody notices when it changes. Add a case that it decides."},
		{unreachedScreen, policy.SeverityWarning, "No active user can do anything at a screen.",
			"Every action that the policy knows is refused there to every active user and to visitors, also about what is shown there. Open it, or remove it. What is behind a feature that is off is not looked at."},
		{untestedPortal, policy.SeverityWarning, "No suite asks a portal.",
			"Nothing tells when its policy or its data let somebody in, or lock somebody out. Write decisions.yaml beside the portal."},
	}
}

// Names returns the names of the rules, sorted.
func Names() []string {
	var names []string
	for _, r := range Rules() {
		names = append(names, r.Name)
	}
	return names
}

// off is the level of a rule that is not looked at.
const off policy.Severity = "off"

// levelNames are what a level can be.
func levelNames() []string {
	return []string{string(policy.SeverityError), string(policy.SeverityWarning), string(policy.SeverityNote), string(off)}
}

// Levels say how much findings weigh, by the name of the rule. They are immutable.
type Levels struct{ of map[string]policy.Severity }

// DefaultLevels returns the rules' own levels.
func DefaultLevels() Levels {
	l := Levels{map[string]policy.Severity{}}
	for _, r := range Rules() {
		l.of[r.Name] = r.Level
	}
	return l
}

// With returns the levels with another one for a rule: error, warning, note or off.
// The error is Invalid for a rule or a level that there is not.
func (l Levels) With(rule, level string) (Levels, error) {
	if _, known := l.of[rule]; !known {
		return l, authz.Errorf(authz.Invalid, "there is no rule %s%s", yamltree.Clip(rule), yamltree.Nearest(rule, Names()))
	}
	if !slices.Contains(levelNames(), level) {
		return l, authz.Errorf(authz.Invalid, "%s is no level%s", yamltree.Clip(level), yamltree.Nearest(level, levelNames()))
	}
	of := maps.Clone(l.of)
	of[rule] = policy.Severity(level)
	return Levels{of}, nil
}

func (l Levels) wants(rule string) bool { return l.of[rule] != off }
