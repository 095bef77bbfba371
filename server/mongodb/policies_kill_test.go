package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// publishForEver draws up revisions of the policy of portal p, publishes them, and
// goes back to others.
func publishForEver(s *mongodb.Store) {
	for told := false; ; {
		err := randomPublication(s)
		must(errors.Join(err, errors.Unwrap(err)))
		if !told {
			fmt.Println("begin")
			told = true
		}
	}
}

func randomPublication(s *mongodb.Store) error {
	ctx := context.Background()
	state, err := s.PolicyState(ctx, "p")
	if authz.KindOf(err) == authz.NotFound {
		return s.Import(ctx, []authz.World{sized("p", "publishes 0", 3, 3, 5, 3, 3)}, "import", nil)
	}
	if err != nil {
		return err
	}
	var publish *int64
	var revisions []authz.PolicyRevision
	switch n := rand.N(8); {
	case state.Last == 0 || n < 2: // a draft alone
		revisions = []authz.PolicyRevision{draft(state.Last + 1)}
	case n < 4: // drawn up and published at once
		publish = new(state.Last + 1)
		r := draft(*publish)
		revisions = []authz.PolicyRevision{r.PublishedBy(authz.Publication{At: day(1), By: "cli", From: state.Published})}
	case n == 4: // the folder's
		publish = new(int64(0))
	default: // any, with what came of it
		publish = new(1 + rand.N(state.Last))
		r, err := s.Revision(ctx, "p", *publish)
		if err != nil {
			return err
		}
		revisions = []authz.PolicyRevision{r.PublishedBy(authz.Publication{At: day(2), By: "cli", From: state.Published})}
	}
	c, err := revised(ctx, s, "p", publish, revisions...)
	if err != nil {
		return err
	}
	_, err = s.Commit(ctx, "p", c)
	return err
}

// TestKilledPublicationsAreAllOrNothing kills a process that publishes at random
// moments, and holds what is in force against the chain of entries.
func TestKilledPublicationsAreAllOrNothing(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		last, seen := 0, map[int64]int{}
		killed(t, o, job{Publishes: true}, func(o mongodb.Options) {
			var number int64
			last, number = policyAgrees(t, o, last)
			seen[number]++
		})
		t.Logf("after %d kills: %d entries, %d revisions were in force, the folder's %d times", kills(t), last, len(seen), seen[0])
		require.GreaterOrEqual(t, last, kills(t), "each process has made a write")
	})
}

// policyAgrees requires that the policy in force is that of the newest entry that
// publishes one, whole, and that all revisions are there as the entries say, of which
// there were so many before.
func policyAgrees(t *testing.T, o mongodb.Options, before int) (entries int, number int64) {
	t.Helper()
	s, err := mongodb.Open(t.Context(), o)
	require.NoError(t, err, "%v", errors.Unwrap(err))
	defer func() { require.NoError(t, s.Close(context.Background())) }()
	all := chainOf(t, s, "p")
	require.GreaterOrEqual(t, len(all), before, "no entry is lost")
	require.NotEmpty(t, all)
	require.EqualValues(t, 0, count(t, o, "journal"))

	note, newest, revisions := "publishes 0", map[authz.Key]map[string]any{}, 0
	for _, e := range all {
		if e.Note != "" {
			note = e.Note
		}
		for _, c := range e.Changes {
			if c.Entity.Kind == authz.PolicyEntity && c.Before == nil {
				revisions++
			}
			newest[c.Entity] = c.After
		}
	}
	state, err := s.PolicyState(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, note, fmt.Sprint("publishes ", state.Published))
	require.Equal(t, state.Published, published(t, s))
	w := world(t, s, "p")
	require.Equal(t, note, w.Portal.Title, "with the configuration that it was published with")
	require.Equal(t, all[len(all)-1].Revision, w.Revision)

	require.EqualValues(t, revisions, state.Last)
	require.EqualValues(t, state.Last, count(t, o, "policies"))
	require.EqualValues(t, state.Last, count(t, o, "policy_files"))
	for k, want := range newest {
		v, err := s.Entity(t.Context(), "p", k)
		require.NoError(t, err)
		require.Equal(t, text(t, want), text(t, authz.Document(v.Stored)), "%s", k)
	}
	return len(all), state.Published
}
