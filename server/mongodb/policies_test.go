package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// draft is a revision all of whose files say its number.
func draft(number int64) authz.PolicyRevision {
	r := authz.PolicyRevision{Number: number, Author: "user/ann", User: "ann", Message: fmt.Sprint("draft ", number), At: day(1), Files: map[string]string{}}
	for i := range 5 {
		r.Files[fmt.Sprintf("lib/part%d.rego", i)] = fmt.Sprintf("package part%d\n# revision %d", i, number)
	}
	r.Files["decisions.yaml"] = fmt.Sprintf("# revision %d\n", number)
	return r
}

// revised is a changeset that writes the revisions on the portal as it is, and
// publishes what it is told: the portal's title is then the number in force.
func revised(ctx context.Context, s *mongodb.Store, portal string, publish *int64, revisions ...authz.PolicyRevision) (*authz.Changeset, error) {
	base, err := s.Head(ctx, portal)
	if err != nil {
		return nil, err
	}
	c := &authz.Changeset{Base: base, Publish: publish, Entry: authz.AuditEntry{Actor: "user/ann", Operation: "revise"}}
	for _, r := range revisions {
		w := authz.EntityWrite{Entity: r.Key(), New: r}
		v, err := s.Entity(ctx, portal, r.Key())
		if err != nil && authz.KindOf(err) != authz.NotFound {
			return nil, err
		}
		w.Old = v.Stored
		c.Changes = append(c.Changes, w)
	}
	if publish == nil {
		return c, nil
	}
	c.Entry.Note = fmt.Sprint("publishes ", *publish)
	b, err := s.Bundle(ctx, portal)
	if err != nil {
		return nil, err
	}
	b.Portal.Title, b.Published = c.Entry.Note, nil
	for i := range revisions {
		if revisions[i].Number == *publish {
			b.Published = &revisions[i]
		}
	}
	if *publish > 0 && b.Published == nil {
		r, err := s.Revision(ctx, portal, *publish)
		if err != nil {
			return nil, err
		}
		b.Published = &r
	}
	c.Config = b
	c.Changes = append(c.Changes, authz.EntityWrite{Entity: b.Portal.Key(), Old: b.Portal, New: b.Portal})
	return c, nil
}

func revise(t *testing.T, s *mongodb.Store, publish *int64, revisions ...authz.PolicyRevision) authz.Committed {
	t.Helper()
	c, err := revised(t.Context(), s, "p", publish, revisions...)
	require.NoError(t, err)
	return commit(t, s, c)
}

// numbers returns those of a list of revisions.
func numbers(list []authz.PolicyRevision) []int64 {
	var all []int64
	for _, r := range list {
		all = append(all, r.Number)
	}
	return all
}

func published(t *testing.T, s *mongodb.Store) int64 {
	t.Helper()
	state, err := s.PolicyState(t.Context(), "p")
	require.NoError(t, err)
	b, err := s.Bundle(t.Context(), "p")
	require.NoError(t, err)
	if b.Published == nil {
		require.Zero(t, state.Published)
		return 0
	}
	require.Equal(t, b.Published.Number, state.Published)
	require.Equal(t, draft(state.Published).Files, b.Published.Files)
	return state.Published
}

func TestRevisions(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"), full("q"))
		state, err := s.PolicyState(t.Context(), "p")
		require.NoError(t, err)
		require.Zero(t, state)
		before := world(t, s, "p")
		head, err := s.Head(t.Context(), "p")
		require.NoError(t, err)

		for n := int64(1); n <= 12; n++ {
			done := revise(t, s, nil, draft(n))
			require.Equal(t, head.ConfigRevision, done.At.ConfigRevision, "a draft changes nothing that decides")
		}
		require.Zero(t, published(t, s))
		found, err := s.Revision(t.Context(), "p", 7)
		require.NoError(t, err)
		require.Equal(t, draft(7), found)

		list, err := s.Revisions(t.Context(), "p", 0, 5)
		require.NoError(t, err)
		require.Equal(t, []int64{12, 11, 10, 9, 8}, numbers(list))
		bare := draft(12)
		bare.Files = nil
		require.Equal(t, bare, list[0])
		list, err = s.Revisions(t.Context(), "p", 8, 100)
		require.NoError(t, err)
		require.Equal(t, []int64{7, 6, 5, 4, 3, 2, 1}, numbers(list))
		list, err = s.Revisions(t.Context(), "q", 0, 100)
		require.NoError(t, err)
		require.Empty(t, list)

		known := draft(3)
		known.Checked = &authz.PolicyCheck{At: day(2), ConfigRevision: 1, OK: true, Cases: 9, Failed: 1, Findings: 2, Faults: []string{"x"}}
		known.Difference = &authz.AccessSummary{At: day(2), Against: 2, ConfigRevision: 1, Complete: true, Users: 3, Gained: 1, Lost: 2, LockedOut: true}
		known.Approvals = []authz.PolicyApproval{{By: "user/bob", User: "bob", At: day(3), Note: "fine"}, {By: "cli", At: day(3)}}
		revise(t, s, nil, known)
		known.Publications = []authz.Publication{{At: day(4), By: "user/ann"}, {At: day(5), By: "cli", From: 9}}
		done := revise(t, s, new(int64(3)), known)
		require.Equal(t, done.At.Revision, done.At.ConfigRevision)
		found, err = s.Revision(t.Context(), "p", 3)
		require.NoError(t, err)
		require.Equal(t, known, found)
		v, err := s.Entity(t.Context(), "p", known.Key())
		require.NoError(t, err)
		require.Equal(t, authz.Versioned{Stored: known, Revision: done.At.Revision, UpdatedAt: done.Entry.At, UpdatedBy: "user/ann"}, v)
		require.Equal(t, int64(3), published(t, s))
		w := world(t, s, "p")
		require.Equal(t, &known, w.Published)
		require.Equal(t, "publishes 3", w.Portal.Title)

		revise(t, s, new(int64(13)), draft(13))
		require.Equal(t, int64(13), published(t, s), "drawn up and published at once")
		revise(t, s, new(int64(3)))
		require.Equal(t, int64(3), published(t, s), "a step back")

		require.NoError(t, s.Import(t.Context(), []authz.World{*w}, "test", nil))
		require.Equal(t, int64(3), published(t, s), "it outlives imports")
		revise(t, s, new(int64(0)))
		require.Zero(t, published(t, s), "back to the folder")
		revise(t, s, new(int64(7)))

		commit(t, s, of(t, s, "p", gone(authz.Key{Kind: authz.PortalEntity, ID: "p"})...))
		for _, err := range []error{
			second(s.PolicyState(t.Context(), "p")), second(s.Revision(t.Context(), "p", 7)), second(s.Revisions(t.Context(), "p", 0, 1)),
		} {
			kindOf(t, authz.NotFound, err)
		}
		_, err = s.Entity(t.Context(), "p", draft(7).Key())
		require.NoError(t, err, "kept for the audit")
		require.NoError(t, s.Import(t.Context(), []authz.World{*before}, "test", nil))
		state, err = s.PolicyState(t.Context(), "p")
		require.NoError(t, err)
		require.Equal(t, authz.PolicyState{Last: 13}, state, "numbers go on")
		require.Zero(t, published(t, s))
		revise(t, s, new(int64(14)), draft(14))
		require.Equal(t, int64(14), published(t, s))
		state, err = s.PolicyState(t.Context(), "q")
		require.NoError(t, err)
		require.Zero(t, state)

		newest := map[authz.Key]map[string]any{}
		for _, e := range chainOf(t, s, "p") {
			for _, c := range e.Changes {
				newest[c.Entity] = c.After
			}
		}
		require.Len(t, newest, 14+1)
		for n := int64(1); n <= 14; n++ {
			v, err := s.Entity(t.Context(), "p", draft(n).Key())
			require.NoError(t, err)
			require.Equal(t, text(t, newest[draft(n).Key()]), text(t, authz.Document(v.Stored)))
			require.NotContains(t, text(t, newest[draft(n).Key()]), "package", "no entry holds the text")
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestRevisionsNeverChange: what is refused changes nothing.
func TestRevisionsNeverChange(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		revise(t, s, nil, draft(1))
		revise(t, s, new(int64(2)), draft(2))
		changed := func(change func(*authz.PolicyRevision)) []authz.PolicyRevision {
			r := draft(1)
			change(&r)
			return []authz.PolicyRevision{r}
		}
		for name, tc := range map[string]struct {
			revisions []authz.PolicyRevision
			publish   *int64
			change    func(*authz.Changeset)
			kind      authz.Kind
			want      string
		}{
			"parent":                     {revisions: changed(func(r *authz.PolicyRevision) { r.Number, r.Parent = 2, 1; r.Message = "draft 2" }), kind: authz.Invalid, want: "parent: "},
			"author":                     {revisions: changed(func(r *authz.PolicyRevision) { r.Author = "user/eve" }), kind: authz.Invalid, want: "author: "},
			"user":                       {revisions: changed(func(r *authz.PolicyRevision) { r.User = "eve" }), kind: authz.Invalid, want: "user: "},
			"message":                    {revisions: changed(func(r *authz.PolicyRevision) { r.Message = "" }), kind: authz.Invalid, want: "message: "},
			"at":                         {revisions: changed(func(r *authz.PolicyRevision) { r.At = day(2) }), kind: authz.Invalid, want: "at: "},
			"text":                       {revisions: changed(func(r *authz.PolicyRevision) { r.Files["decisions.yaml"] = "" }), kind: authz.Invalid, want: "files: "},
			"another file":               {revisions: changed(func(r *authz.PolicyRevision) { r.Files["x.rego"] = "package x" }), kind: authz.Invalid, want: "files: "},
			"no file":                    {revisions: changed(func(r *authz.PolicyRevision) { r.Files = nil }), kind: authz.Invalid, want: "hold no Rego module"},
			"bad file":                   {revisions: changed(func(r *authz.PolicyRevision) { r.Files["../x.rego"] = "" }), kind: authz.Invalid, want: "leads out"},
			"huge":                       {revisions: changed(func(r *authz.PolicyRevision) { r.Files["x.txt"] = strings.Repeat("x", authz.MaxPolicySize) }), kind: authz.TooLarge, want: "at most"},
			"too many":                   {revisions: changed(tooMany), kind: authz.TooLarge, want: "at most 500 files"},
			"a number left out":          {revisions: []authz.PolicyRevision{draft(4)}, kind: authz.Conflict, want: "is 3, not 4"},
			"two at once, the wrong way": {revisions: []authz.PolicyRevision{draft(4), draft(3)}, kind: authz.Conflict, want: "is 3, not 4"},
			"created twice":              {revisions: []authz.PolicyRevision{draft(1)}, change: func(c *authz.Changeset) { c.Changes[0].Old = nil }, kind: authz.Conflict, want: "already"},
			"changed and absent":         {revisions: []authz.PolicyRevision{draft(3)}, change: func(c *authz.Changeset) { c.Changes[0].Old = draft(3) }, kind: authz.NotFound, want: "there is no policy"},
			"deleted":                    {revisions: []authz.PolicyRevision{draft(1)}, change: func(c *authz.Changeset) { c.Changes[0].New = nil }, kind: authz.Invalid, want: "kept for good"},
			"of another kind":            {revisions: []authz.PolicyRevision{draft(1)}, change: func(c *authz.Changeset) { c.Changes[0].New = kindred{} }, kind: authz.Internal, want: "comes with"},
			"published and absent": {publish: new(int64(1)), change: func(c *authz.Changeset) {
				*c.Publish = 9
				c.Config.Published = &authz.PolicyRevision{Number: 9}
			}, kind: authz.NotFound, want: `no policy "9"`},
			"published without the configuration": {publish: new(int64(1)), change: func(c *authz.Changeset) { c.Config, c.Changes = nil, nil }, kind: authz.Internal, want: "without the configuration"},
			"published with another policy":       {publish: new(int64(1)), change: func(c *authz.Changeset) { c.Config.Published.Number = 2 }, kind: authz.Internal, want: "is to be in force"},
			"published with other files":          {publish: new(int64(1)), change: func(c *authz.Changeset) { c.Config.Published.Files = draft(2).Files }, kind: authz.Internal, want: "other files"},
			"configured without the policy":       {publish: new(int64(2)), change: func(c *authz.Changeset) { c.Publish, c.Config.Published = nil, nil }, kind: authz.Internal, want: "0 of the policy, and 2"},
			"published while the portal goes":     {publish: new(int64(1)), change: func(c *authz.Changeset) { c.Changes[0].New = nil }, kind: authz.Invalid, want: "deleted by itself"},
		} {
			t.Run(name, func(t *testing.T) {
				before, entries := world(t, s, "p"), len(chainOf(t, s, "p"))
				c, err := revised(t.Context(), s, "p", tc.publish, tc.revisions...)
				require.NoError(t, err)
				if tc.change != nil {
					tc.change(c)
				}
				kindOf(t, tc.kind, s.Check(t.Context(), "p", c))
				_, err = s.Commit(t.Context(), "p", c)
				require.Contains(t, kindOf(t, tc.kind, err), tc.want)
				if tc.kind == authz.Conflict && name != "created twice" {
					require.ErrorIs(t, err, authz.ErrMoved, "is to be judged anew")
				}
				require.Equal(t, before, world(t, s, "p"))
				require.Len(t, chainOf(t, s, "p"), entries)
				state, err := s.PolicyState(t.Context(), "p")
				require.NoError(t, err)
				require.Equal(t, authz.PolicyState{Published: 2, Last: 2}, state)
			})
		}
		for _, id := range []string{"0", "-1", "+1", "01", "x", "", "99999999999999999999", "1/files"} {
			_, err := s.Entity(t.Context(), "p", authz.Key{Kind: authz.PolicyEntity, ID: id})
			kindOf(t, authz.NotFound, err)
		}
		_, err := s.Revision(t.Context(), "p", 3)
		kindOf(t, authz.NotFound, err)
		for _, limit := range []int{0, -1, authz.MaxPage + 1} {
			_, err = s.Revisions(t.Context(), "p", 0, limit)
			require.Contains(t, kindOf(t, authz.Invalid, err), "want 1 to 1000")
		}
		_, err = s.Revisions(t.Context(), "p", -1, 1)
		kindOf(t, authz.Invalid, err)
	})
}

// kindred is what has the key of a revision and is none.
type kindred struct{}

func (kindred) Key() authz.Key { return draft(1).Key() }

func tooMany(r *authz.PolicyRevision) {
	for i := range authz.MaxPolicyFiles {
		r.Files[fmt.Sprintf("x%d.txt", i)] = ""
	}
}

// TestTheLargestRevisionFits holds the bound of a policy against that of a write.
func TestTheLargestRevisionFits(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		r := draft(1)
		for i := range authz.MaxPolicyFiles - len(r.Files) {
			r.Files[fmt.Sprintf("x%d.txt", i)] = ""
		}
		left := authz.MaxPolicySize - r.Size()
		for i := 0; left > 0; i++ {
			n := min(left, authz.MaxPolicyFile)
			r.Files[fmt.Sprintf("x%d.txt", i)] = strings.Repeat("\"", n)
			left -= n
		}
		require.Equal(t, authz.MaxPolicySize, r.Size())
		c, err := revised(t.Context(), s, "p", new(int64(1)), r)
		require.NoError(t, err)
		commit(t, s, c)
		b, err := s.Bundle(t.Context(), "p")
		require.NoError(t, err)
		require.Equal(t, &r, b.Published)
	})
}

// TestATornRevisionIsNotInForce: what others have done to the files shows.
func TestATornRevisionIsNotInForce(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Sole = false
		s := holding(t, o, full("p"))
		revise(t, s, new(int64(1)), draft(1))
		files := raw(t, o).Collection("policy_files")
		id := bson.D{{Key: "_id", Value: "p/0000000000000001"}}
		var d bson.D
		require.NoError(t, files.FindOne(t.Context(), id).Decode(&d))
		_, err := files.UpdateOne(t.Context(), id, bson.M{"$set": bson.M{"files": bson.A{bson.M{"path": "a.rego", "text": "package a"}}}})
		require.NoError(t, err)
		require.Equal(t, int64(1), published(t, s), "who wrote them has the true ones")
		torn(t, open(t, o))
		_, err = files.DeleteOne(t.Context(), id)
		require.NoError(t, err)
		torn(t, open(t, o))
		_, err = files.InsertOne(t.Context(), d)
		require.NoError(t, err)
		require.Equal(t, int64(1), published(t, s))
		_, err = raw(t, o).Collection("policies").DeleteOne(t.Context(), id)
		require.NoError(t, err)
		_, err = s.Bundle(t.Context(), "p")
		kindOf(t, authz.Unavailable, err)
	})
}

// torn requires that the revision in force is not read, but by the audit.
func torn(t *testing.T, s *mongodb.Store) {
	t.Helper()
	_, err := s.Bundle(t.Context(), "p")
	require.Contains(t, kindOf(t, authz.Unavailable, err), "not stored as it was written")
	_, err = s.Revision(t.Context(), "p", 1)
	kindOf(t, authz.Unavailable, err)
	v, err := s.Entity(t.Context(), "p", draft(1).Key())
	require.NoError(t, err)
	require.NotEqual(t, text(t, authz.Document(draft(1))), text(t, authz.Document(v.Stored)))
}

// TestDraftsAtOnceHaveNumbersOfTheirOwn has writers race for the next number.
func TestDraftsAtOnceHaveNumbersOfTheirOwn(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		const writers, each = 4, 3
		var wg sync.WaitGroup
		errs := make(chan error, writers)
		for range writers {
			wg.Go(func() {
				var err error
				for i := 0; i < each && err == nil; i++ {
					err = drawUp(s)
				}
				errs <- err
			})
		}
		wg.Wait()
		for range writers {
			require.NoError(t, <-errs)
		}
		list, err := s.Revisions(t.Context(), "p", 0, 100)
		require.NoError(t, err)
		slices.Reverse(list)
		for i, n := range numbers(list) {
			require.Equal(t, int64(i+1), n)
		}
		require.Len(t, list, writers*each)
		chainOf(t, s, "p")
	})
}

func drawUp(s *mongodb.Store) error {
	for {
		state, err := s.PolicyState(context.Background(), "p")
		if err != nil {
			return err
		}
		c, err := revised(context.Background(), s, "p", nil, draft(state.Last+1))
		if err == nil {
			if c.Changes[0].Old != nil { // another writer's by now, and no new one
				continue
			}
			_, err = s.Commit(context.Background(), "p", c)
		}
		if !errors.Is(err, authz.ErrMoved) && !(authz.KindOf(err) == authz.Conflict && strings.Contains(err.Error(), "all the time")) {
			return err
		}
	}
}

// TestBundlesAreOfOnePublication reads while publications go on: the policy is always
// that of the configuration beside it.
func TestBundlesAreOfOnePublication(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		revise(t, s, new(int64(1)), draft(1))
		revise(t, s, new(int64(2)), draft(2))
		reader := s
		if !o.Embedded {
			reader = open(t, o)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		read := make(chan error, 1)
		seen := map[int64]int{}
		go func() {
			for ctx.Err() == nil {
				b, err := reader.Bundle(context.Background(), "p")
				if err == nil && b.Portal.Title != fmt.Sprint("publishes ", b.Published.Number) {
					err = fmt.Errorf("%s, with revision %d", b.Portal.Title, b.Published.Number)
				}
				if err != nil {
					read <- err
					return
				}
				seen[b.Published.Number]++
			}
			read <- nil
		}()
		for i := range 40 {
			revise(t, s, new(int64(i%2+1)))
		}
		stop()
		require.NoError(t, <-read)
		require.Len(t, seen, 2)
	})
}
