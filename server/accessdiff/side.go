package accessdiff

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Side is one of the two states that are compared. Nobody may write to the world
// meanwhile.
type Side struct {
	Name    string
	World   *authz.World // nil: there is no such portal, where nobody may do anything
	Program *policy.Program
}

// side is a state ready to be asked.
type side struct {
	view    pdp.View
	policy  *policy.Policy
	world   *authz.World
	now     time.Time
	users   map[string]*engine.Principal
	records map[authz.Key]*authz.RecordFacts
	account map[string]*authz.AccountFacts
	contact map[string]*authz.ContactFacts
}

// absentReason is the reason of the answers of a portal that is not there.
const absentReason = "portal_absent"

func newSide(s Side, model string, now time.Time) (*side, error) {
	x := &side{
		world: s.World, now: now, users: map[string]*engine.Principal{}, records: map[authz.Key]*authz.RecordFacts{},
		account: map[string]*authz.AccountFacts{}, contact: map[string]*authz.ContactFacts{},
	}
	if s.World == nil {
		x.world = &authz.World{}
		return x, nil
	}
	b := s.World.Bundle
	var err error
	if x.view, err = live.Build(&b, model, s.Program); err != nil {
		return nil, err
	}
	x.policy = x.view.Snapshot.Policy().(*policy.Policy)
	x.index()
	return x, nil
}

// index makes the facts of what is stored. Contacts and accounts are records too, as
// for a decision point.
func (x *side) index() {
	w := x.world
	logins := map[string]int{}
	for i := range w.Users {
		if u := &w.Users[i]; u.Active {
			logins[authz.FoldLogin(u.Login)]++
		}
	}
	for i := range w.Users {
		u := &w.Users[i]
		x.users[u.ID] = x.view.Snapshot.Principal(u, x.now, sameLogin(logins, u))
	}
	for i := range w.Accounts {
		a := &w.Accounts[i]
		x.account[a.ID] = &authz.AccountFacts{Account: a}
		x.keep(&authz.Record{Type: string(authz.AccountEntity), ID: a.ID, Account: a.ID, Owner: a.Owner, Flags: a.Flags, Properties: a.Attributes})
	}
	for i := range w.Contacts {
		c := &w.Contacts[i]
		x.contact[c.ID] = &authz.ContactFacts{Contact: c}
		x.keep(&authz.Record{Type: string(authz.ContactEntity), ID: c.ID, Account: c.Account, Contact: c.ID, Flags: c.Flags, Properties: c.Attributes})
	}
	for i := range w.Records {
		x.keep(&w.Records[i])
	}
}

func (x *side) keep(r *authz.Record) {
	x.records[authz.Key{Kind: authz.RecordEntity, Of: r.Type, ID: r.ID}] = &authz.RecordFacts{Record: r}
}

// sameLogin returns how many other active users have the login.
func sameLogin(active map[string]int, u *authz.User) int {
	login := authz.FoldLogin(u.Login)
	switch {
	case login == "":
		return 0
	case u.Active:
		return active[login] - 1
	}
	return active[login]
}

// entities returns what a question about the resource is about, the subject aside.
func (x *side) entities(q *authz.Query) engine.Entities {
	ents := engine.Entities{Fields: x.view.Reads.Fields}
	switch {
	case q.IsCall():
		if k, ok := authz.CallKey(q.Resource); ok {
			ents.Target = &authz.Target{Key: k}
		}
	case authz.NodeKind(q.Resource.Type).Valid():
	case authz.EntityKind(q.Resource.Type) == authz.UserEntity:
		x.target(q, &ents)
	default:
		ents.Record = x.records[authz.Key{Kind: authz.RecordEntity, Of: q.Resource.Type, ID: q.Resource.ID}]
		x.around(&ents)
	}
	return ents
}

func (x *side) target(q *authz.Query, ents *engine.Entities) {
	p := x.users[q.Resource.ID]
	if p == nil {
		return
	}
	ents.Target = &authz.Target{User: p.User}
	ents.Account = x.account[p.Account]
	if x.view.Reads.Contact {
		ents.Contact = x.contact[p.Contact]
	}
}

// around states what the record refers to, as far as the policy reads it.
func (x *side) around(ents *engine.Entities) {
	r := ents.Record
	if r == nil {
		return
	}
	ents.Account = x.account[r.Account]
	if x.view.Reads.Contact {
		ents.Contact = x.contact[r.Contact]
	}
	if x.view.Reads.Owner {
		ents.Owner = x.users[r.Owner]
	}
	if up, ok := r.ParentKey(); ok && x.view.Reads.Parent {
		ents.Parent = x.records[up]
	}
}

// facts returns what the side says of the question.
func (x *side) facts(q *authz.Query, ents engine.Entities) authz.Facts {
	if x.policy == nil {
		return authz.Facts{}
	}
	return x.view.Snapshot.Facts(q, ents)
}

func (x *side) decide(ctx context.Context, q *authz.Query, ents engine.Entities) authz.Decision {
	if x.policy == nil {
		return authz.Refuse(absentReason, nil)
	}
	return x.view.Snapshot.Decide(ctx, q, ents)
}

// scope returns what the side's policy can read for the kind; nil when there is none.
func (x *side) scope(kind policy.Kind) (*policy.Scope, error) {
	if x.policy == nil {
		return nil, nil
	}
	return x.policy.Scope(kind)
}

// node returns the id of the screen node that the question leads to.
func (x *side) node(q *authz.Query) (string, bool) {
	f := x.view.Snapshot.Facts(q, engine.Entities{})
	if f.Screen == nil {
		return "", false
	}
	return f.Screen.ID, true
}

// spelled returns what is read of the levels of roles as a text that is the same for the
// same alone.
func spelled(f *authz.Facts, read policy.RightsRead) string {
	var b strings.Builder
	levels := func(name string, all []authz.RoleLevel) {
		fmt.Fprintf(&b, "%q", name)
		for _, l := range all {
			if read.Named {
				fmt.Fprintf(&b, "%q", l.Role)
			}
			b.WriteByte('0' + byte(l.Level))
		}
	}
	if read.Rights {
		for _, n := range f.Rights {
			levels(n.Node, n.Levels)
		}
	}
	if read.Fields && f.Fields != nil {
		b.WriteString("fields")
		for _, x := range f.Fields {
			levels(x.Field, x.Levels)
		}
	}
	return b.String()
}
