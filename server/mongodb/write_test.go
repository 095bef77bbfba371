package mongodb_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

func TestPutRefusesWhatWouldNotBeValid(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		before := world(t, s, "p")
		for _, tc := range []struct {
			name string
			e    authz.Stored
			kind authz.Kind
			want string
		}{
			{"another portal", authz.Portal{ID: "q", Policy: "x"}, authz.Invalid, "make them the same"},
			{"unknown user type", authz.User{ID: "new", UserType: "nobody"}, authz.Invalid, "user_type"},
			{"unknown granted role", authz.User{ID: "new", Grants: []authz.Grant{{Role: "guest"}, {Role: "x"}}}, authz.Invalid, "grants[1].role"},
			{"unknown account", authz.User{ID: "new", Account: "nobody"}, authz.Invalid, "account"},
			{"unknown contact", authz.User{ID: "new", Contact: "nobody"}, authz.Invalid, "contact"},
			{"account is not the contact's", authz.User{ID: "new", Account: "acme/east", Contact: "ann"}, authz.Invalid, "make them the same"},
			{"no id", authz.User{}, authz.Invalid, "id"},
			{"cycle of accounts", authz.Account{ID: "acme", Parent: "acme/east"}, authz.Invalid, "acme > acme/east > acme"},
			{"contact's account", authz.Contact{ID: "new", Account: "nobody"}, authz.Invalid, "account"},
			{"contact leaves its user behind", authz.Contact{ID: "ann", Account: "acme/east"}, authz.Conflict, `user "ann@acme"`},
			{"record's account", authz.Record{Type: "case", ID: "9", Account: "nobody"}, authz.Invalid, "account"},
			{"record's contact", authz.Record{Type: "case", ID: "9", Contact: "nobody"}, authz.Invalid, "contact"},
			{"record's parent", authz.Record{Type: "case", ID: "9", Parent: "case/none"}, authz.Invalid, `parent: case "9" cannot be stored: record "case/none" does not exist`},
			{"record's parent is itself", authz.Record{Type: "case", ID: "1", Parent: "case/1"}, authz.Invalid, "parent: case \"1\" cannot be stored: is the record itself"},
			{"record's parent is no record", authz.Record{Type: "case", ID: "9", Parent: "contact/ann"}, authz.Invalid, "name it as the record's contact"},
			{"record's parent without a type", authz.Record{Type: "case", ID: "9", Parent: "1"}, authz.Invalid, "want its type and id"},
			{"record's type", authz.Record{Type: "a/b", ID: "9"}, authz.Invalid, "slash"},
			{"nothing storable", authz.Record{Type: "case", ID: "9", Properties: map[string]any{"x": make(chan int)}}, authz.Invalid, "chan int"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				err := put(t.Context(), s, "p", "admin", tc.e)
				require.Contains(t, kindOf(t, tc.kind, err), tc.want)
			})
		}
		same(t, before, world(t, s, "p"))
		require.Equal(t, before.Revision, world(t, s, "p").Revision, "a refused write counts nothing")
		kindOf(t, authz.NotFound, put(t.Context(), s, "nowhere", "admin", authz.User{ID: "x"}))
	})
}

func TestDeleteNamesWhatRefers(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		w := full("p")
		s := holding(t, o, w)
		for _, tc := range []struct {
			kind authz.EntityKind
			id   string
			want string
		}{
			{authz.RoleEntity, "zebra", `role "clerk" (inherits)`},
			{authz.RoleEntity, "clerk", `user_type "customer" (allowed_roles)`},
			{authz.UserTypeEntity, "customer", `user_type "staff" (manages)`},
			{authz.NodeEntity, "C", `screen "E" (parent)`},
			{authz.NodeEntity, "A", `screen "CASES" (also_in)`},
			{authz.NodeEntity, "E", `right of role "clerk"`},
			{authz.AccountEntity, "acme", `"ann@acme" (account)`},
			{authz.ContactEntity, "ann", `user "ann@acme" (contact)`},
		} {
			err := del(t.Context(), s, "p", "admin", authz.Key{Kind: tc.kind, ID: tc.id})
			require.Contains(t, kindOf(t, authz.Conflict, err), tc.want)
		}
		err := del(t.Context(), s, "p", "admin", authz.Key{Kind: authz.RecordEntity, Of: "case", ID: "1/2"})
		require.Contains(t, kindOf(t, authz.Conflict, err), `record "invoice/1" (parent)`)
		for kind := range map[authz.EntityKind]bool{authz.RoleEntity: true, authz.UserTypeEntity: true, authz.NodeEntity: true, authz.RightEntity: true, authz.UserEntity: true, authz.RecordEntity: true} {
			kindOf(t, authz.NotFound, del(t.Context(), s, "p", "admin", authz.Key{Kind: kind, Of: "clerk", ID: "nobody"}))
		}
		same(t, &w, world(t, s, "p"))
	})
}

// TestDeleteTakesAWorldApart deletes every entity, referring ones first.
func TestDeleteTakesAWorldApart(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		without := func(k authz.Key) {
			t.Helper()
			require.NoError(t, del(t.Context(), s, "p", "admin", k))
		}
		// A user whose grant alone holds the role back.
		require.NoError(t, put(t.Context(), s, "p", "admin", authz.User{ID: "last", Grants: []authz.Grant{{Role: "with/slash.and$"}}}))
		err := del(t.Context(), s, "p", "admin", authz.Role{ID: "with/slash.and$"}.Key())
		require.Contains(t, kindOf(t, authz.Conflict, err), `user "last" (grants.role)`)
		for _, r := range slices.Backward(world(t, s, "p").Records) { // children first
			without(r.Key())
		}
		for _, u := range world(t, s, "p").Users {
			without(u.Key())
		}
		without(authz.Key{Kind: authz.ContactEntity, ID: "ann"})
		without(authz.Key{Kind: authz.ContactEntity, ID: "bob"})
		without(authz.Key{Kind: authz.AccountEntity, ID: "acme/east"})
		without(authz.Key{Kind: authz.AccountEntity, ID: "acme"})
		without(authz.Right{Role: "clerk", Node: "E"}.Key())
		without(authz.Role{ID: "with/slash.and$"}.Key()) // with its right at C
		portal := full("p").Portal
		portal.ResourceScreens = nil
		require.NoError(t, put(t.Context(), s, "p", "admin", portal))
		without(authz.Right{Role: "clerk", Node: "CASES"}.Key())
		for _, id := range []string{"E", "C", "CASES", "A"} {
			without(authz.Node{ID: id}.Key())
		}
		for _, id := range []string{"staff", "customer"} {
			without(authz.UserType{ID: id}.Key())
		}
		for _, id := range []string{"clerk", "guest", "zebra"} {
			without(authz.Role{ID: id}.Key())
		}
		without(authz.Node{ID: "W"}.Key()) // guest's right went with guest
		got := world(t, s, "p")
		require.Empty(t, got.Rights)
		require.Empty(t, got.Roles)
		revision := got.Revision

		without(authz.Key{Kind: authz.PortalEntity, ID: "p"})
		_, err = s.Bundle(t.Context(), "p")
		kindOf(t, authz.NotFound, err)
		state, err := s.Portals(t.Context())
		require.NoError(t, err)
		require.Empty(t, state)
		require.NoError(t, s.Import(t.Context(), []authz.World{full("p")}, "test", nil))
		require.Greater(t, world(t, s, "p").Revision, revision+1, "the count goes on")
	})
}

func TestEveryChangeCountsOnce(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"), full("q"))
		now := func() (revision, config int64) {
			t.Helper()
			state, err := s.Portals(t.Context())
			require.NoError(t, err)
			require.Len(t, state, 2)
			require.Equal(t, [2]int64{1, 1}, [2]int64{state[1].Revision, state[1].ConfigRevision}, "the other portal")
			return state[0].Revision, state[0].ConfigRevision
		}
		require.NoError(t, put(t.Context(), s, "p", "admin", authz.User{ID: "x"}))
		revision, config := now()
		require.Equal(t, [2]int64{2, 1}, [2]int64{revision, config})
		require.NoError(t, put(t.Context(), s, "p", "admin", authz.Role{ID: "x"}))
		revision, config = now()
		require.Equal(t, [2]int64{3, 3}, [2]int64{revision, config})
		b, err := s.Bundle(t.Context(), "p")
		require.NoError(t, err)
		require.EqualValues(t, 3, b.Revision)
		require.NoError(t, del(t.Context(), s, "p", "admin", authz.Role{ID: "x"}.Key()))
		revision, config = now()
		require.Equal(t, [2]int64{4, 4}, [2]int64{revision, config})
	})
}

// TestWritesAtOnceLeaveTheGraphSound lets two writers close a cycle of roles
// from both ends: one of them has to lose.
func TestWritesAtOnceLeaveTheGraphSound(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		w := full("p")
		w.Roles = append(w.Roles, authz.Role{ID: "a"}, authz.Role{ID: "b"})
		s := holding(t, o, w)
		for range 3 {
			var wg sync.WaitGroup
			errs := make(chan error, 12)
			write := func(e authz.Stored) { wg.Go(func() { errs <- put(context.Background(), s, "p", "admin", e) }) }
			write(authz.Role{ID: "a", Inherits: []string{"b"}})
			write(authz.Role{ID: "b", Inherits: []string{"a"}})
			for i := range 4 {
				write(authz.User{ID: fmt.Sprint("user-", i)})
			}
			wg.Wait()
			close(errs)
			failed := 0
			for err := range errs {
				if err != nil {
					require.Contains(t, kindOf(t, authz.Invalid, err), "cycle")
					failed++
				}
			}
			require.Equal(t, 1, failed)
			require.Empty(t, world(t, s, "p").Validate())
			require.NoError(t, put(t.Context(), s, "p", "admin", authz.Role{ID: "a"}))
			require.NoError(t, put(t.Context(), s, "p", "admin", authz.Role{ID: "b"}))
		}
	})
}
