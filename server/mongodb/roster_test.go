package mongodb_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// TestQuestionsAboutAllOverManyWrites writes users and accounts, and after each write
// holds what is counted and found against the entities in memory; others count all the
// time.
func TestQuestionsAboutAllOverManyWrites(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		worlds := peopled()
		w := &worlds[0]
		s := holding(t, o, worlds...)
		done := make(chan struct{})
		var counting sync.WaitGroup
		defer counting.Wait()
		defer close(done)
		counting.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(5 * time.Millisecond):
				}
				_, err := s.Count(t.Context(), "p", "", authz.Count{Name: authz.CountUsers})
				_, failed := s.SameLogin(t.Context(), "p", "", "ann@example", "")
				if err = errors.Join(err, failed); err != nil {
					t.Errorf("a count failed: %v", err)
				}
			}
		})
		for n := range 40 {
			commit(t, s, of(t, s, "p", somebody(w)))
			if n%4 == 0 {
				commit(t, s, of(t, s, "p", something(w)))
			}
			requireSameAnswers(t, pdp.IndexWorlds(worlds), s)
		}
		w.Users = w.Users[:3]
		require.NoError(t, s.Import(t.Context(), []authz.World{*w}, "test", nil))
		requireSameAnswers(t, pdp.IndexWorlds(worlds), s)
	})
}

func any1[E any](of ...E) E { return of[rand.IntN(len(of))] }

// somebody returns a write of a user, whom it makes in w, or changes, or takes away.
func somebody(w *authz.World) authz.EntityWrite {
	u := authz.User{
		ID: fmt.Sprint("u", rand.IntN(6)), Login: any1("", " ", "ann@example", "Ann@Example", "éva"), Active: rand.IntN(4) > 0,
		UserType: any1("", "customer", "staff"), Account: any1("", "A", "B"),
	}
	switch u.Account {
	case "A":
		u.Contact = any1("", "ann")
	case "B":
		u.Contact = any1("", "bob")
	default:
		u.Contact = any1("", "lone")
	}
	return written(&w.Users, u, rand.IntN(5) == 0)
}

// something returns a write of an account.
func something(w *authz.World) authz.EntityWrite {
	a := authz.Account{ID: fmt.Sprint("account", rand.IntN(3)), Owner: any1("", "sam", "tim")}
	if n := rand.IntN(4); n > 0 {
		a.Attributes = map[string]any{"positions": make([]any, n)}
	}
	return written(&w.Accounts, a, rand.IntN(4) == 0)
}

// written puts e into the list, or takes what has its key away.
func written[E authz.Stored](list *[]E, e E, gone bool) authz.EntityWrite {
	write := authz.EntityWrite{Entity: e.Key(), New: e}
	if i := slices.IndexFunc(*list, func(x E) bool { return x.Key() == e.Key() }); i >= 0 {
		write.Old = (*list)[i]
		*list = slices.Delete(*list, i, i+1)
		if gone {
			write.New = nil
			return write
		}
	}
	*list = append(*list, e)
	return write
}

func requireSameAnswers(t *testing.T, want, got pdp.Directory) {
	t.Helper()
	for _, c := range []authz.Count{
		{Name: authz.CountUsers}, {Name: authz.CountUsers, Except: "u1"},
		{Name: authz.CountUsersOfType, Of: "customer"}, {Name: authz.CountUsersOfType, Of: "staff", Except: "u2"},
		{Name: authz.CountUsersOfAccount, Of: "A"}, {Name: authz.CountUsersOfAccount, Of: "B", Except: "u3"},
		{Name: authz.CountAccountsOfOwner, Of: "sam"}, {Name: authz.CountAccountsOfOwner, Of: "tim", Except: "account1"},
		{Name: authz.CountPositions}, {Name: authz.CountPositions, Except: "account2"},
	} {
		w, err := want.Count(t.Context(), "p", "", c)
		require.NoError(t, err)
		g, err := got.Count(t.Context(), "p", "", c)
		require.NoError(t, err)
		require.Equal(t, w, g, "%+v", c)
	}
	for _, login := range []string{"", "ann@example", "ÉVA", "nobody"} {
		w, err := want.SameLogin(t.Context(), "p", "", login, "u1")
		require.NoError(t, err)
		g, err := got.SameLogin(t.Context(), "p", "", login, "u1")
		require.NoError(t, err)
		require.Equal(t, w, g, login)
	}
	for _, contact := range []string{"", "ann", "bob", "lone", "gone"} {
		w, err := want.UsersOfContact(t.Context(), "p", "", contact)
		require.NoError(t, err)
		g, err := got.UsersOfContact(t.Context(), "p", "", contact)
		require.NoError(t, err)
		require.ElementsMatch(t, w, g, contact)
	}
	for _, userType := range []string{"customer", "staff", "gone"} {
		w, err := want.UsersOfType(t.Context(), "p", "", userType)
		require.NoError(t, err)
		g, err := got.UsersOfType(t.Context(), "p", "", userType)
		require.NoError(t, err)
		require.ElementsMatch(t, w, g, userType)
	}
}
