package pdp_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// Draft builds the view as if it were published, with the judge of the one that is.
func (v *views) Draft(base *pdp.View, b *authz.Bundle) (pdp.View, error) {
	s, err := engine.Build(b, policies.RBACModel, engine.PolicyFunc(tell))
	if err != nil {
		return pdp.View{}, err
	}
	return pdp.View{Snapshot: s, Changes: base.Changes}, nil
}

// someWrite draws a write to a world, which stays valid enough to be built.
func someWrite(t *rapid.T, w *authz.World) authz.EntityWrite {
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	gone := rapid.IntRange(0, 4).Draw(t, "gone") == 0
	var k authz.Key
	var e authz.Stored
	switch pick("kind", "user", "contact", "account", "role", "right", "screen") {
	case "user":
		u := authz.User{ID: pick("id", "ann", "bob", "eve", "new"), Login: pick("login", "ann", "BOB ", ""), Active: rapid.Bool().Draw(t, "active"), UserType: pick("type", "", "customer"),
			Contact: pick("contact", "", "C", "alone"), Account: pick("account", "", "A", "B")}
		k, e = u.Key(), u
	case "contact":
		c := authz.Contact{ID: pick("id", "C", "alone"), Account: pick("account", "", "A", "B"), Email: pick("email", "", "x@y.example")}
		k, e = c.Key(), c
	case "account":
		a := authz.Account{ID: pick("id", "A", "B"), Owner: pick("owner", "", "bob", "ann", "new"), Attributes: map[string]any{"positions": slices.Repeat([]any{"p"}, rapid.IntRange(0, 3).Draw(t, "positions"))}}
		k, e = a.Key(), a
	case "role":
		r := authz.Role{ID: pick("id", "clerk", "base"), Title: pick("title", "a", "b")}
		if r.ID == "clerk" {
			r.Inherits = rapid.SampledFrom([][]string{nil, {"base"}, {"other"}, {"base", "other"}}).Draw(t, "inherits")
		}
		k, e, gone = r.Key(), r, false
	case "right":
		r := authz.Right{Role: pick("role", "clerk", "other"), Node: pick("node", "Desk", "deep", "Desk.phone"), Level: authz.Level(rapid.IntRange(0, 5).Draw(t, "level"))}
		k, e, gone = r.Key(), r, gone || r.Level == authz.Revoked
	case "screen":
		n := authz.Node{ID: pick("id", "Own", "More"), Kind: authz.Screen, Flags: map[string]bool{"custom": rapid.Bool().Draw(t, "custom")}}
		k, e, gone = n.Key(), n, false
	}
	out := authz.EntityWrite{Entity: k, Old: stored(w, k), New: e}
	if gone && out.Old != nil {
		out.New = nil
	}
	return out
}

// stored returns the entity of the world, or nil.
func stored(w *authz.World, k authz.Key) authz.Stored {
	return among(k, w.Users, among(k, w.Contacts, among(k, w.Accounts, among(k, w.Roles, among(k, w.Rights, among(k, w.Screens, nil))))))
}

func among[E authz.Stored](k authz.Key, list []E, otherwise authz.Stored) authz.Stored {
	for _, e := range list {
		if e.Key() == k {
			return e
		}
	}
	return otherwise
}

// made makes the write in the world.
func made(w *authz.World, x authz.EntityWrite) {
	set(&w.Users, x)
	set(&w.Contacts, x)
	set(&w.Accounts, x)
	set(&w.Roles, x)
	set(&w.Rights, x)
	set(&w.Screens, x)
}

func set[E authz.Stored](list *[]E, x authz.EntityWrite) {
	if _, ok := x.New.(E); !ok {
		if _, ok := x.Old.(E); !ok {
			return
		}
	}
	*list = slices.DeleteFunc(slices.Clone(*list), func(e E) bool { return e.Key() == x.Entity })
	if e, ok := x.New.(E); ok {
		*list = append(*list, e)
	}
}

// TestPending: a change that is judged over pending writes is shown what it would be
// if they were stored.
func TestPending(t *testing.T) {
	reads := everyRead()
	reads.Screens = false // of portals, which are judged by a draft
	rapid.Check(t, func(rt *rapid.T) {
		now := staffed()
		next := staffed()
		known := authz.Known{Pending: &authz.Pending{}}
		for range rapid.IntRange(1, 6).Draw(rt, "writes") {
			x := someWrite(rt, &now)
			if known.Pending.Of(x.Entity) != nil {
				continue
			}
			known.Pending.Put(x)
			made(&next, x)
		}
		known.Config = &next.Bundle
		x := someWrite(rt, &now)
		if known.Pending.Of(x.Entity) != nil || x.New == nil {
			return
		}
		c := &authz.Change{Operation: authz.CreateEntity, Entity: x.Entity, New: x.New}
		if x.Old != nil {
			c.Operation, c.Old = authz.UpdateEntity, x.Old
		}
		over := judgedIn(t, now, reads, c, known)
		after := judgedIn(t, next, reads, c, authz.Known{})
		require.Equal(rt, told(&after), told(&over), "over %v", known.Pending.All())
	})
}

// TestPendingRights: the levels of a right's role are as they will be, and those of
// another role do not count.
func TestPendingRights(t *testing.T) {
	at := func(role, node string, l authz.Level) authz.Right {
		return authz.Right{Role: role, Node: node, Level: l}
	}
	had := at("clerk", "Desk.phone", authz.View)
	c := create(at("clerk", "Desk", authz.Edit))
	for name, test := range map[string]struct {
		write authz.EntityWrite
		want  []authz.NodeRights
	}{
		"gone": {authz.EntityWrite{Entity: had.Key(), Old: had}, nil},
		"changed": {
			authz.EntityWrite{Entity: had.Key(), Old: had, New: at("clerk", "Desk.phone", authz.Edit)},
			[]authz.NodeRights{{Node: "Desk.phone", Levels: []authz.RoleLevel{{Role: "clerk", Level: authz.Edit}}}},
		},
		"new": {
			authz.EntityWrite{Entity: at("clerk", "deep", authz.Edit).Key(), New: at("clerk", "deep", authz.Edit)},
			[]authz.NodeRights{
				{Node: "Desk.phone", Levels: []authz.RoleLevel{{Role: "clerk", Level: authz.View}}},
				{Node: "deep", Levels: []authz.RoleLevel{{Role: "clerk", Level: authz.Edit}}},
			},
		},
		"of another": {
			authz.EntityWrite{Entity: at("other", "Desk.phone", authz.Edit).Key(), New: at("other", "Desk.phone", authz.Edit)},
			[]authz.NodeRights{{Node: "Desk.phone", Levels: []authz.RoleLevel{{Role: "clerk", Level: authz.View}}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := judgedIn(t, staffed(), everyRead(), c, authz.Known{Pending: authz.PendingOf(test.write)})
			require.Equal(t, test.want, f.Levels)
		})
	}
}

// judgedIn returns the facts that the judge is shown of the change in the world.
func judgedIn(t *testing.T, w authz.World, reads authz.ChangeReads, c *authz.Change, known authz.Known) authz.ChangeFacts {
	t.Helper()
	b := setUpWith(t, w)
	j := &judge{reads: reads}
	b.publish(pdp.View{Snapshot: b.snapshot, Changes: j})
	a, err := b.Admit(t.Context(), "", c, known)
	require.NoError(t, err)
	require.NoError(t, a.Err)
	return j.facts
}

// told is what the facts say, in words.
func told(f *authz.ChangeFacts) map[string]any {
	m := map[string]any{"counts": f.Counts, "levels": f.Levels, "roles": f.Roles, "same": f.SameLogin}
	if f.Contact != nil {
		m["contact"] = *f.Contact.Contact
	}
	if f.Account != nil {
		m["account"] = *f.Account.Account
	}
	if f.Owner != nil {
		m["owner"] = fmt.Sprint(*f.Owner.User, f.Owner.EffectiveRoles, f.Owner.SameLogin)
	}
	for name, users := range map[string][]*authz.User{"users": f.Users, "of type": f.TypeUsers} {
		for _, u := range users {
			m[name+" "+u.ID] = *u
		}
	}
	if f.Node != nil {
		m["node"] = fmt.Sprint(f.Node.ID, f.Node.Kind, f.Node.Below)
	}
	return m
}

// TestTheActorIsAsStored: nobody gains by a write that is still to be judged.
func TestTheActorIsAsStored(t *testing.T) {
	now := staffed()
	b := setUpWith(t, now)
	j := &judge{reads: everyRead()}
	b.publish(pdp.View{Snapshot: b.snapshot, Changes: j})
	bob := now.Users[1]
	raised := bob
	raised.Grants = []authz.Grant{{Role: "other"}}
	c := update(now.Users[0], now.Users[0])
	c.Actor = "bob"
	_, err := b.Admit(t.Context(), "", c, authz.Known{Pending: authz.PendingOf(authz.EntityWrite{Entity: bob.Key(), Old: bob, New: raised})})
	require.NoError(t, err)
	require.Empty(t, j.facts.Actor.Roles)
	require.Equal(t, []string{"other"}, j.facts.Owner.Roles, "who owns the account is as pending")
}
