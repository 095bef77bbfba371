package rbac

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds on a policy file.
const (
	maxLine  = 16 << 10  // bytes of a line; three ids and a level are far less
	maxRules = 1_000_000 // lines with a rule
)

// manage is the action of a rule by which a user type manages its own kind. See
// the Casbin model for why a g2 rule cannot say so.
const manage = "manage"

// Policy is what a Casbin policy file says of one portal. Its lists are sorted
// and hold no duplicates.
type Policy struct {
	Portal   string
	Inherits []Link // role inherits role; as read, user holds role too until [Policy.TakeGrants]
	Grants   []Link // user holds role
	Manages  []Link // user type manages user type
	Rights   []authz.Right
}

// Link is an edge of a role graph, or what a user holds.
type Link struct{ From, To string }

// PolicyOf returns the role graphs and rights of b.
func PolicyOf(b *authz.Bundle) *Policy {
	p := &Policy{Portal: b.Portal.ID, Rights: slices.Clone(b.Rights)}
	for _, r := range b.Roles {
		for _, to := range r.Inherits {
			p.Inherits = append(p.Inherits, Link{r.ID, to})
		}
	}
	for _, t := range b.UserTypes {
		for _, to := range t.Manages {
			p.Manages = append(p.Manages, Link{t.ID, to})
		}
	}
	p.sort()
	return p
}

func (p *Policy) sort() {
	byLink := func(a, b Link) int { return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.To, b.To)) }
	slices.SortFunc(p.Inherits, byLink)
	slices.SortFunc(p.Grants, byLink)
	slices.SortFunc(p.Manages, byLink)
	slices.SortFunc(p.Rights, func(a, b authz.Right) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Node, b.Node), cmp.Compare(a.Level, b.Level))
	})
	p.Inherits, p.Grants = slices.Compact(p.Inherits), slices.Compact(p.Grants)
	p.Manages, p.Rights = slices.Compact(p.Manages), slices.Compact(p.Rights)
}

// WritePolicy writes the role graphs and rights of b, as [Policy.Write] does.
func WritePolicy(w io.Writer, b *authz.Bundle) error { return PolicyOf(b).Write(w) }

// Write writes a Casbin policy file for the model in policies/rbac_model.conf: p, g
// and g2 rules, one a line, in a fixed order. Any id that [authz.Bundle.Validate]
// accepts is quoted so that Casbin's own file adapter reads it back.
//
// Casbin tells rules apart by their fields joined with commas. Where commas in
// ids would make two rules one to Casbin, which would drop the second silently,
// Write writes nothing and returns an authz.Invalid error; likewise for an id with a
// line break, which would pass for a rule of its own, for a user with the id of a
// role or a type, whom Casbin would take for it, and for a user beyond whose roles
// Casbin would not follow the graph to its end. More rules than a file may have are
// authz.TooLarge.
func (p *Policy) Write(w io.Writer) error {
	rules := p.rules()
	if len(rules) > maxRules {
		return authz.Errorf(authz.TooLarge, "%d rules are more than the %d of a policy file", len(rules), maxRules)
	}
	if err := errors.Join(p.ownNames(), p.inReach(), distinct(rules)); err != nil {
		return authz.Errorf(authz.Invalid, "%s", err)
	}
	out := bufio.NewWriter(w)
	for _, r := range rules {
		out.WriteString(r.kind)
		for _, f := range r.fields {
			if f != "" {
				out.WriteString(", " + field(f))
			}
		}
		out.WriteByte('\n')
	}
	if err := out.Flush(); err != nil {
		return authz.Errorf(authz.Unavailable, "the policy file cannot be written").Because(err)
	}
	return nil
}

// distinct makes sure that Casbin sees as many rules as there are.
func distinct(rules []rule) error {
	seen := make(map[string]struct{}, len(rules))
	for _, r := range rules {
		k := strings.TrimRight(r.kind+","+strings.Join(r.fields[:], ","), ",")
		if strings.ContainsAny(k, "\r\n") {
			return authz.Errorf(authz.Invalid, "the rule %q holds a line break: rename the id", k)
		}
		if _, ok := seen[k]; ok {
			return authz.Errorf(authz.Invalid, "Casbin cannot tell the rules %q apart: rename one of the ids that hold a comma", k)
		}
		seen[k] = struct{}{}
	}
	return nil
}

// rule is a line of a policy file. A g or g2 rule has three fields.
type rule struct {
	kind   string
	fields [4]string
}

func (p *Policy) rules() []rule {
	rules := make([]rule, 0, len(p.Rights)+len(p.Inherits)+len(p.Grants)+len(p.Manages))
	for _, r := range p.Rights {
		rules = append(rules, rule{"p", [4]string{r.Role, p.Portal, r.Node, r.Level.String()}})
	}
	for _, l := range p.Manages {
		if l.From == l.To {
			rules = append(rules, rule{"p", [4]string{l.From, p.Portal, l.To, manage}})
		}
	}
	for _, l := range p.Inherits {
		rules = append(rules, rule{"g", [4]string{l.From, l.To, p.Portal}})
	}
	for _, l := range p.Grants {
		rules = append(rules, rule{"g", [4]string{l.From, l.To, p.Portal}})
	}
	for _, l := range p.Manages {
		if l.From != l.To {
			rules = append(rules, rule{"g2", [4]string{l.From, l.To, p.Portal}})
		}
	}
	return rules
}

// field returns s as one field of a line, quoted unless it is plainly safe.
func field(s string) string {
	safe := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-./@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// ReadPolicy reads what [Policy.Write] writes: a Casbin policy file with the rules
// of one portal. A g rule does not say whether it is of a role or of a user, so that
// grants are among Inherits until [Policy.TakeGrants]. Empty lines and lines that begin with "#" are passed over. A
// rule that is malformed or of a second portal is an authz.Invalid error whose
// Field is the line; a file beyond its bounds is authz.TooLarge. What the rules
// refer to is not checked: that is [authz.Bundle.Validate]'s part.
func ReadPolicy(r io.Reader) (*Policy, error) {
	var p Policy
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n, rules := 0, 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if rules++; rules > maxRules {
			return nil, authz.Errorf(authz.TooLarge, "more than %d rules", maxRules).At(at(n))
		}
		if err := p.line(text); err != nil {
			return nil, err.At(at(n))
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, authz.Errorf(authz.TooLarge, "the line is longer than %d bytes", maxLine).At(at(n + 1))
	} else if err != nil {
		return nil, authz.Errorf(authz.Unavailable, "the policy file cannot be read").Because(err)
	}
	p.sort()
	return &p, nil
}

func at(line int) string { return fmt.Sprint("line ", line) }

// split returns the fields of a line as Casbin's file adapter sees them.
func split(text string) ([]string, error) {
	if !strings.Contains(text, `"`) {
		f := strings.Split(text, ",")
		for i := range f {
			f[i] = strings.TrimLeftFunc(f[i], unicode.IsSpace)
		}
		return f, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.TrimLeadingSpace = true
	return r.Read()
}

// line takes the rule on one line.
func (p *Policy) line(text string) *authz.Error {
	f, err := split(text)
	if err != nil {
		return authz.Errorf(authz.Invalid, "not a rule of comma-separated fields; a field with a quote is written \"like \"\"this\"\"\"").Because(err)
	}
	if slices.Contains(f, "") {
		return authz.Errorf(authz.Invalid, "a field is empty: every field of a rule names something")
	}
	switch kind, f := f[0], f[1:]; {
	case kind == "p" && len(f) == 4:
		return p.right(f)
	case kind == "g" && len(f) == 3:
		p.Inherits = append(p.Inherits, Link{f[0], f[1]})
		return p.domain(f[2])
	case kind == "g2" && len(f) == 3:
		p.Manages = append(p.Manages, Link{f[0], f[1]})
		return p.domain(f[2])
	}
	return authz.Errorf(authz.Invalid, "want \"p, role, portal, node, level\", \"g, role, role, portal\" or \"g2, type, type, portal\"")
}

func (p *Policy) right(f []string) *authz.Error {
	if f[3] == manage {
		if f[0] != f[2] {
			return authz.Errorf(authz.Invalid, "a p rule with the action %q is of a user type and itself: write \"g2, %s, %s, %s\"", manage, f[0], f[2], f[1])
		}
		p.Manages = append(p.Manages, Link{f[0], f[2]})
		return p.domain(f[1])
	}
	level, err := authz.ParseLevel(f[3])
	if err != nil {
		return authz.Errorf(authz.Invalid, "%s", err)
	}
	p.Rights = append(p.Rights, authz.Right{Role: f[0], Node: f[2], Level: level})
	return p.domain(f[1])
}

// domain notes the portal of a rule, which all rules share.
func (p *Policy) domain(portal string) *authz.Error {
	if p.Portal != "" && p.Portal != portal {
		return authz.Errorf(authz.Invalid, "rule of portal %q in a file of portal %q: one file holds one portal", portal, p.Portal)
	}
	p.Portal = portal
	return nil
}
