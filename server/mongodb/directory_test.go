package mongodb_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// directories runs a test on everything that decisions read entities from: worlds
// in memory, and every database.
func directories(t *testing.T, worlds []authz.World, test func(t *testing.T, d pdp.Directory)) {
	t.Helper()
	t.Run("worlds", func(t *testing.T) { test(t, pdp.IndexWorlds(worlds)) })
	contract(t, func(t *testing.T, o mongodb.Options) { test(t, holding(t, o, worlds...)) })
}

// peopled has users who share logins, contacts, types and accounts, and another
// portal that has the same, which must not be counted.
func peopled() []authz.World {
	of := func(id string) authz.World {
		positions := func(n int) map[string]any { return map[string]any{"positions": make([]any, n)} }
		return authz.World{
			Bundle: authz.Bundle{
				Portal:    authz.Portal{ID: id, Policy: "x"},
				UserTypes: []authz.UserType{{ID: "customer", Linked: authz.LinkedContact}, {ID: "staff", Linked: authz.LinkedEmployee}},
			},
			Accounts: []authz.Account{
				{ID: "A", Owner: "sam", Attributes: positions(3)}, {ID: "B", Owner: "sam", Attributes: positions(2)},
				{ID: "C", Owner: "tim"}, {ID: "D", Attributes: map[string]any{"positions": "many"}},
			},
			Contacts: []authz.Contact{{ID: "ann", Account: "A"}, {ID: "bob", Account: "B"}, {ID: "lone"}},
			Users: []authz.User{
				{ID: "d", Login: " Ann@Example ", Active: true, UserType: "customer", Account: "A", Contact: "ann"},
				{ID: "a", Login: "ann@example", Active: true, UserType: "customer", Account: "A", Contact: "ann"},
				{ID: "c", Login: "ann@example", UserType: "customer", Account: "A", Contact: "ann"},
				{ID: "b", Login: "ÉVA", Active: true, UserType: "staff", Account: "B", Contact: "bob"},
				{ID: "e", Login: "éva", Active: true, UserType: "staff"},
				{ID: "none", Active: true}, {ID: "blank", Login: " ", Active: true}, {ID: "void", Active: true},
			},
		}
	}
	return []authz.World{of("p"), of("p2")}
}

func TestSameLogin(t *testing.T) {
	directories(t, peopled(), func(t *testing.T, d pdp.Directory) {
		for _, tc := range []struct {
			login, except string
			want          int
		}{
			{"ann@example", "a", 1}, {" Ann@Example ", "d", 1}, {"ANN@EXAMPLE", "", 2}, {"\tann@example\n", "c", 2},
			{"ann@exampl", "", 0}, {"ann @example", "", 0}, {"Éva", "b", 1}, {"eva", "", 0}, {"ann@example", "nobody", 2},
			{"", "none", 0}, {"  ", "none", 0}, {"$ne", "", 0}, {".*", "", 0},
		} {
			got, err := d.SameLogin(t.Context(), "p", "", tc.login, tc.except)
			require.NoError(t, err)
			require.Equal(t, tc.want, got, "%q except %q", tc.login, tc.except)
		}
	})
}

// TestSameLoginFollowsWrites changes a login and an activation after the first count.
func TestSameLoginFollowsWrites(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, peopled()...)
		count := func() int {
			t.Helper()
			n, err := s.SameLogin(t.Context(), "p", "", "ann@example", "a")
			require.NoError(t, err)
			return n
		}
		require.Equal(t, 1, count())
		require.NoError(t, put(t.Context(), s, "p", "admin", authz.User{ID: "c", Login: "ANN@example", Active: true}))
		require.Equal(t, 2, count())
		require.NoError(t, put(t.Context(), s, "p", "admin", authz.User{ID: "d", Login: "dan", Active: true}))
		require.Equal(t, 1, count(), "what the login was is forgotten")
		require.NoError(t, put(t.Context(), s, "p", "admin", authz.User{ID: "c", Login: " "}))
		require.Equal(t, 0, count())
	})
}

// TestSameLoginOfForeignUsers has another program store a user.
func TestSameLoginOfForeignUsers(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, peopled()...)
		b, err := s.Bundle(t.Context(), "p")
		require.NoError(t, err)
		_, err = raw(t, o).Collection("users").InsertOne(t.Context(), bson.D{
			{Key: "_id", Value: "p/" + b.Generation + "/foreign"}, {Key: "portal", Value: "p"}, {Key: "revision", Value: int64(1)},
			{Key: "updated_at", Value: time.Now()}, {Key: "updated_by", Value: "crm"}, {Key: "login", Value: "ann@example"}, {Key: "active", Value: true},
		})
		require.NoError(t, err)
		n, err := s.SameLogin(t.Context(), "p", "", "Ann@example", "a")
		require.NoError(t, err)
		require.Equal(t, 2, n)
	})
}

func TestUsersOfContact(t *testing.T) {
	directories(t, peopled(), func(t *testing.T, d pdp.Directory) {
		for contact, want := range map[string][]string{"ann": {"a", "c", "d"}, "bob": {"b"}, "lone": nil, "gone": nil, "": nil} {
			found, err := d.UsersOfContact(t.Context(), "p", "", contact)
			require.NoError(t, err)
			var ids []string
			for _, u := range found {
				ids = append(ids, u.ID)
			}
			require.Equal(t, want, ids, contact)
		}
		found, err := d.UsersOfContact(t.Context(), "p", "", "ann")
		require.NoError(t, err)
		require.Equal(t, &peopled()[0].Users[0], found[2])
	})
}

func TestUsersOfContactAreBounded(t *testing.T) {
	worlds := peopled()[:1]
	for i := range authz.MaxUsersOfContact + 1 {
		worlds[0].Users = append(worlds[0].Users, authz.User{ID: fmt.Sprint("many-", i), Contact: "lone"})
	}
	directories(t, worlds, func(t *testing.T, d pdp.Directory) {
		_, err := d.UsersOfContact(t.Context(), "p", "", "lone")
		kindOf(t, authz.TooLarge, err)
	})
}

func TestUsersOfType(t *testing.T) {
	directories(t, peopled(), func(t *testing.T, d pdp.Directory) {
		for userType, want := range map[string]int{"customer": 2, "gone": 0} {
			found, err := d.UsersOfType(t.Context(), "p", "", userType)
			require.NoError(t, err)
			require.NotNil(t, found)
			require.GreaterOrEqual(t, len(found), want)
			require.True(t, slices.IsSortedFunc(found, func(a, b *authz.User) int { return strings.Compare(a.ID, b.ID) }))
			for _, u := range found {
				require.Equal(t, userType, u.UserType)
			}
		}
	})
}

func TestUsersOfTypeAreBounded(t *testing.T) {
	worlds := peopled()[:1]
	for i := range authz.MaxUsersOfType + 1 {
		worlds[0].Users = append(worlds[0].Users, authz.User{ID: fmt.Sprint("many-", i), UserType: "customer"})
	}
	directories(t, worlds, func(t *testing.T, d pdp.Directory) {
		_, err := d.UsersOfType(t.Context(), "p", "", "customer")
		kindOf(t, authz.TooLarge, err)
	})
}

func TestCounts(t *testing.T) {
	directories(t, peopled(), func(t *testing.T, d pdp.Directory) {
		for _, tc := range []struct {
			count authz.Count
			want  int
		}{
			{authz.Count{Name: authz.CountUsers}, 7}, {authz.Count{Name: authz.CountUsers, Except: "a"}, 6},
			{authz.Count{Name: authz.CountUsers, Except: "c"}, 7}, {authz.Count{Name: authz.CountUsers, Except: "gone"}, 7},
			{authz.Count{Name: authz.CountUsersOfType, Of: "customer"}, 2}, {authz.Count{Name: authz.CountUsersOfType, Of: "customer", Except: "d"}, 1},
			{authz.Count{Name: authz.CountUsersOfType, Of: "gone"}, 0}, {authz.Count{Name: authz.CountUsersOfType, Of: "staff", Except: "a"}, 2},
			{authz.Count{Name: authz.CountUsersOfAccount, Of: "A"}, 2}, {authz.Count{Name: authz.CountUsersOfAccount, Of: "B", Except: "b"}, 0},
			{authz.Count{Name: authz.CountAccountsOfOwner, Of: "sam"}, 2}, {authz.Count{Name: authz.CountAccountsOfOwner, Of: "sam", Except: "A"}, 1},
			{authz.Count{Name: authz.CountPositions}, 5}, {authz.Count{Name: authz.CountPositions, Except: "A"}, 2},
		} {
			got, err := d.Count(t.Context(), "p", "", tc.count)
			require.NoError(t, err)
			require.Equal(t, tc.want, got, "%+v", tc.count)
		}
		_, err := d.Count(t.Context(), "p", "", authz.Count{Name: "stars"})
		kindOf(t, authz.Invalid, err)
		_, err = d.Count(t.Context(), "nowhere", "", authz.Count{Name: authz.CountUsers})
		kindOf(t, authz.NotFound, err)
	})
}

// TestCountsOfAGenerationThatIsGone must not answer with too low a number.
func TestCountsOfAGenerationThatIsGone(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, peopled()...)
		const gone = "00000000-0000-7000-8000-000000000000"
		_, err := s.Count(context.Background(), "p", gone, authz.Count{Name: authz.CountUsers})
		kindOf(t, authz.Unavailable, err)
		_, err = s.UsersOfContact(context.Background(), "p", gone, "ann")
		kindOf(t, authz.Unavailable, err)
		_, err = s.UsersOfType(context.Background(), "p", gone, "customer")
		kindOf(t, authz.Unavailable, err)
	})
}
