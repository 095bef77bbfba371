package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestPending(t *testing.T) {
	var none *authz.Pending
	require.Empty(t, none.All())
	require.Nil(t, none.Of(authz.Role{ID: "a"}.Key()))
	require.Zero(t, none.Number(authz.RoleEntity))

	a, b := authz.Role{ID: "a"}, authz.Role{ID: "b"}
	again := authz.Role{ID: "a", Title: "again"}
	user := authz.User{ID: "a"}
	p := authz.PendingOf(authz.EntityWrite{Entity: a.Key(), Old: a}, authz.EntityWrite{Entity: b.Key(), New: b}, authz.EntityWrite{Entity: user.Key(), New: user})
	p.Put(authz.EntityWrite{Entity: a.Key(), New: again})
	first := authz.EntityWrite{Entity: a.Key(), Old: a, New: again}
	require.Equal(t, []authz.EntityWrite{first, {Entity: b.Key(), New: b}, {Entity: user.Key(), New: user}}, p.All(), "one of each entity, from before the first to after the last")
	require.Equal(t, &first, p.Of(a.Key()))
	require.Nil(t, p.Of(authz.Role{ID: "c"}.Key()))
	require.Equal(t, 2, p.Number(authz.RoleEntity))
	require.Zero(t, p.Number(authz.RightEntity))

	for n := range 4 {
		alone, among := authz.PendingOf(p.All()[:n]...), p.First(n)
		require.Equal(t, len(alone.All()), len(among.All()))
		for _, kind := range []authz.EntityKind{authz.RoleEntity, authz.UserEntity, authz.RightEntity} {
			require.Equal(t, alone.Number(kind), among.Number(kind), "%d %s", n, kind)
		}
		for _, w := range p.All() {
			require.Equal(t, alone.Of(w.Entity), among.Of(w.Entity), "%d %s", n, w.Entity)
		}
	}
}

func TestMemo(t *testing.T) {
	var m authz.Memo
	derived := 0
	recall := func(by string) any {
		return m.Recall(by, func() any { derived++; return "for " + by })
	}
	for _, by := range []string{"decision", "admission", "provisioning", "decision", "admission", "provisioning"} {
		require.Equal(t, "for "+by, recall(by))
	}
	require.Equal(t, 3, derived, "each is made once")
	recall("another")
	recall("admission")
	require.Equal(t, 4, derived)
	require.Equal(t, "for decision", recall("decision"))
	require.Equal(t, 5, derived, "the oldest has made room")
}
