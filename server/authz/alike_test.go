package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestAlike(t *testing.T) {
	var a authz.Alike
	find := func(hash int, want string) any {
		answer, found := a.Find(hash, func(seen any) bool { return seen == want })
		require.Equal(t, found, answer != nil)
		return answer
	}
	require.Nil(t, find(1, "x"))
	a.Keep(1, "x", 10)
	a.Keep(1, "y", 20)
	require.Equal(t, 10, find(1, "x"))
	require.Equal(t, 20, find(1, "y"), "one hash may stand for several")
	require.Nil(t, find(2, "x"))
	require.Nil(t, find(1, "z"))

	for i := range 2000 {
		a.Keep(i, "many", i)
	}
	require.Equal(t, 997, find(997, "many"))
	require.Nil(t, find(998, "many"), "it keeps a thousand")
	require.Equal(t, 10, find(1, "x"))
	require.Equal(t, 1000, a.Number())
}
