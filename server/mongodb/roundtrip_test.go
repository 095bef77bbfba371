package mongodb_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// stand is where the store has a world.
var stand = cmpopts.IgnoreFields(authz.Bundle{}, "Revision", "Generation", "Structure")

// same compares worlds but for where the store has them; nil is not empty.
func same(t *testing.T, want, got *authz.World) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, got, stand))
}

func TestWorldComesBackAsItWas(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		want := full("sweetlife")
		s := holding(t, o, want)
		got, err := s.World(t.Context(), "sweetlife")
		require.NoError(t, err)
		same(t, &want, got)

		require.NoError(t, s.Import(t.Context(), []authz.World{*got}, "again", nil))
		again, err := s.World(t.Context(), "sweetlife")
		require.NoError(t, err)
		same(t, got, again)
		require.Greater(t, again.Revision, got.Revision)
		require.NotEqual(t, got.Generation, again.Generation)
	})
}

func TestEntitiesAreReadByKey(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		w := full("sweetlife")
		s := holding(t, o, w)
		b, err := s.Bundle(t.Context(), "sweetlife")
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(&w.Bundle, b, stand))
		for _, generation := range []string{b.Generation, ""} {
			for i := range w.Users {
				got, err := s.User(t.Context(), "sweetlife", generation, w.Users[i].ID)
				require.NoError(t, err)
				require.Equal(t, &w.Users[i], got)
			}
			for i := range w.Accounts {
				got, err := s.Account(t.Context(), "sweetlife", generation, w.Accounts[i].ID)
				require.NoError(t, err)
				require.Equal(t, &w.Accounts[i], got)
			}
			for i := range w.Contacts {
				got, err := s.Contact(t.Context(), "sweetlife", generation, w.Contacts[i].ID)
				require.NoError(t, err)
				require.Equal(t, &w.Contacts[i], got)
			}
			for i := range w.Records {
				got, err := s.Record(t.Context(), "sweetlife", generation, w.Records[i].Type, w.Records[i].ID)
				require.NoError(t, err)
				require.Equal(t, &w.Records[i], got)
			}
		}
	})
}

// TestPutStoresWhatImportStores writes a world entity by entity.
func TestPutStoresWhatImportStores(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s, w := open(t, o), full("sweetlife")
		bare := w.Portal
		bare.ResourceScreens = nil
		write := func(e authz.Stored) {
			t.Helper()
			require.NoError(t, put(t.Context(), s, "sweetlife", "admin", e))
		}
		write(bare)
		for _, i := range []int{0, 1, 2, 3} { // clerk inherits from those before it
			write(w.Roles[i])
		}
		bareStaff := w.UserTypes[0]
		bareStaff.Manages = nil
		write(bareStaff)
		write(w.UserTypes[1])
		write(w.UserTypes[0])
		for _, n := range w.Screens {
			write(n)
		}
		write(w.Portal)
		for _, r := range w.Rights {
			write(r)
		}
		for _, a := range w.Accounts {
			write(a)
		}
		for _, c := range w.Contacts {
			write(c)
		}
		for _, u := range w.Users {
			write(u)
		}
		for _, r := range w.Records {
			write(r)
		}
		got, err := s.World(t.Context(), "sweetlife")
		require.NoError(t, err)
		same(t, &w, got)
	})
}

func TestReadersFindNothing(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("sweetlife"))
		long := make([]byte, 1<<20)
		for _, id := range []string{"nobody", "", "ANN@ACME", "\xff", "ann@acme\x00", "$ne", string(long)} {
			_, err := s.User(t.Context(), "sweetlife", "", id)
			kindOf(t, authz.NotFound, err)
		}
		for _, typ := range []string{"", "cas", "case/1", "\xff"} {
			_, err := s.Record(t.Context(), "sweetlife", "", typ, "2")
			kindOf(t, authz.NotFound, err)
		}
		for _, portal := range []string{"", "nowhere", "~import", "sweetlife/x", "Sweetlife"} {
			_, err := s.User(t.Context(), portal, "", "ann@acme")
			kindOf(t, authz.NotFound, err)
			_, err = s.Bundle(t.Context(), portal)
			kindOf(t, authz.NotFound, err)
			_, err = s.World(t.Context(), portal)
			kindOf(t, authz.NotFound, err)
			kindOf(t, authz.NotFound, del(t.Context(), s, portal, "x", authz.Key{Kind: authz.UserEntity, ID: "ann@acme"}))
		}
	})
}
