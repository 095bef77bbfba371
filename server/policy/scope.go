package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Kind is a kind of question: those of subjects and resources of one type, about one
// action. An empty Action stands for any.
type Kind struct{ Subject, Resource, Action string }

// known returns what the kind says of its questions, by the paths below input.
func (k Kind) known() map[string]string {
	known := map[string]string{"subject.type": k.Subject, "resource.type": k.Resource, "action.name": k.Action}
	if authz.NodeKind(k.Resource).Valid() { // or there is no screen: a node of another kind is not found
		known["screen.kind"] = k.Resource
	}
	return known
}

// Scope is what a policy can read for the questions of one kind. Two questions of the
// kind whose facts come to the same [Extract] have the same answer, but for evaluations
// that run into their time limit. It is immutable, and safe for concurrent use.
//
// What is left out can make no difference: rules that cannot hold for the kind; the
// values of ids that the policy only compares with other ids, of which their being
// equal is enough; and the members of lists of roles that the policy does not ask for.
type Scope struct {
	digest  string
	actions []string
	policy  *Policy // with the needs of this scope
	ids     []string
	lists   map[string][]string // of user.roles and the like, the members that are asked for
	exists  []string
	named   bool
}

// Digest returns a hash of the rules that may take part, and of the settings that they
// read. Scopes of one kind and digest give equal facts equal answers.
func (s *Scope) Digest() string { return s.digest }

// Actions returns the actions that rules of the scope name, sorted.
func (s *Scope) Actions() []string { return s.actions }

// Extract is the part of facts that a policy can tell apart: a text, and ids of which
// only matters which are equal, empty for those that are not there. Extracts of one
// kind have as many ids.
type Extract struct {
	Text string
	IDs  []string
}

// UserKey returns a text that is the same for scopes that tell the same of subjects.
func (s *Scope) UserKey() string {
	var of []string
	for path := range s.policy.reads {
		if path == "" || strings.HasPrefix(path, "user") || strings.HasPrefix(path, "subject") {
			of = append(of, path)
		}
	}
	slices.Sort(of)
	ids, _ := s.IDs()
	return fmt.Sprint(of, ids, s.lists, s.exists)
}

// User returns what the scope can tell of a subject, who is no stored user when p is
// nil.
func (s *Scope) User(subject *authz.Entity, p *authz.Principal) Extract {
	n := &s.policy.needs
	var b strings.Builder
	if n.subject.any {
		put(&b, "subject", s.policy.claim(n.subject, keys.typ, subject.Type, subject.ID, subject.Properties))
	}
	if n.user != nil {
		put(&b, "user", n.user.derivePrincipal(p))
	}
	if p != nil {
		for _, list := range slices.Sorted(maps.Keys(s.lists)) {
			of := p.EffectiveRoles
			if list == "user.roles" {
				of = p.Roles
			}
			fmt.Fprintf(&b, "|%s %t", list, len(of) > 0)
			for _, name := range s.lists[list] {
				fmt.Fprintf(&b, " %t", slices.Contains(of, name))
			}
		}
	}
	s.existing(&b, "user", p != nil)
	return Extract{b.String(), s.identities(func(path string) (string, bool) { return subjectID(path, subject, p) })}
}

// Resource returns what the scope can tell of what is asked about, the subject and its
// rights aside.
func (s *Scope) Resource(resource *authz.Entity, f *authz.Facts) Extract {
	n := &s.policy.needs
	var b strings.Builder
	if n.resource.any {
		put(&b, "resource", s.policy.claim(n.resource, keys.typ, resource.Type, resource.ID, resource.Properties))
	}
	put(&b, "screen", n.screen.screen(f.Screen))
	put(&b, "record", n.record.record(f.Record))
	put(&b, "parent", n.parent.record(f.Parent))
	put(&b, "owner", n.owner.principal(f.Owner))
	put(&b, "contact", n.contact.contact(f.Contact))
	put(&b, "account", n.account.account(f.Account))
	put(&b, "target", n.target.target(f.Target))
	for _, x := range []struct {
		name  string
		there bool
	}{
		{"screen", f.Screen != nil}, {"record", f.Record != nil}, {"parent", f.Parent != nil}, {"owner", f.Owner != nil},
		{"contact", f.Contact != nil}, {"account", f.Account != nil}, {"target", f.Target != nil},
	} {
		s.existing(&b, x.name, x.there)
	}
	return Extract{b.String(), s.identities(func(path string) (string, bool) { return resourceID(path, resource, f) })}
}

// RightsRead says what a scope reads of the levels of roles, which no [Extract] holds:
// they are of a subject and a resource.
type RightsRead struct {
	Rights bool // those at the path of the screen
	Fields bool // those at the fields of the screen
	// Named says that it matters which role has a level. Otherwise only the levels do, in
	// the order of the names of the roles.
	Named bool
}

// Rights returns what the scope reads of the levels of roles.
func (s *Scope) Rights() RightsRead {
	n := &s.policy.needs
	return RightsRead{Rights: n.rights, Fields: n.fields, Named: s.named}
}

// IDs returns the facts whose ids the extracts of subjects and of resources hold, in
// their order, such as "user.account" and "record.account".
func (s *Scope) IDs() (subject, resource []string) {
	for _, path := range s.ids {
		if of, _, _ := strings.Cut(path, "."); of == "user" || of == "subject" {
			subject = append(subject, path)
		} else {
			resource = append(resource, path)
		}
	}
	return subject, resource
}

func put(b *strings.Builder, name string, t *ast.Term) {
	if t != nil {
		b.WriteString("|" + name + " " + t.String())
	}
}

func (s *Scope) existing(b *strings.Builder, name string, there bool) {
	if slices.Contains(s.exists, name) {
		fmt.Fprintf(b, "|%s? %t", name, there)
	}
}

// identities returns the ids of the scope for which of is responsible.
func (s *Scope) identities(of func(path string) (string, bool)) []string {
	var ids []string
	for _, path := range s.ids {
		if id, mine := of(path); mine {
			ids = append(ids, id)
		}
	}
	return ids
}

// Same reports whether the other policy is of the same program and package, for the same
// portal with the same settings.
func (p *Policy) Same(other *Policy) bool {
	return p.program == other.program && p.pkg == other.pkg && p.portal.Equal(other.portal) && p.data.portal.Compare(other.data.portal) == 0
}

// Scope returns what the policy can read for questions of the kind.
func (p *Policy) Scope(kind Kind) (*Scope, error) {
	rule, err := p.program.rule(p.pkg)
	if err != nil {
		return nil, err
	}
	x := newScoping(p.program.compiler, kind.known())
	x.ref(nil, rule)
	x.run()
	return x.scope(p), nil
}
