package admin_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/publishing"
)

// examiner examines as the program does; what compare says, when it is not nil, counts
// as the difference.
type examiner struct {
	*publishing.Examiner
	mu      sync.Mutex
	compare func(ctx context.Context, before, after *authz.World) (*accessdiff.Report, error)
	check   func(ctx context.Context) error
}

func (x *examiner) hold(check func(context.Context) error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.check = check
}

func (x *examiner) Check(ctx context.Context, config *authz.Bundle, files map[string]string) (authz.PolicyCheck, error) {
	x.mu.Lock()
	check := x.check
	x.mu.Unlock()
	if check != nil {
		if err := check(ctx); err != nil {
			return authz.PolicyCheck{}, err
		}
	}
	return x.Examiner.Check(ctx, config, files)
}

func (x *examiner) Compare(ctx context.Context, before, after *authz.World, progress func(done, total int64)) (*accessdiff.Report, error) {
	progress(1, 2)
	if x.compare != nil {
		return x.compare(ctx, before, after)
	}
	return &accessdiff.Report{Users: len(after.Users)}, nil
}

// examined waits for the end of an examination.
func examined(t testing.TB, s *service, x admin.Examination, err error) admin.Examination {
	t.Helper()
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		x, err = s.Examination(t.Context(), byRoot(), x.ID)
		require.NoError(t, err)
		return x.State != admin.ExaminationRunning
	}, time.Minute, time.Millisecond)
	return x
}

// drafted makes a revision.
func drafted(t testing.TB, s *service, d admin.Draft) int64 {
	t.Helper()
	r, err := s.DraftPolicy(t.Context(), byRoot(), d)
	require.NoError(t, err)
	number, ok := r.Entity.Document["number"].(int64)
	require.True(t, ok)
	return number
}

// passed makes a revision that is checked and previewed.
func passed(t testing.TB, s *service, d admin.Draft) int64 {
	t.Helper()
	number := drafted(t, s, d)
	x, err := s.CheckPolicy(t.Context(), byRoot(), number)
	x = examined(t, s, x, err)
	require.NoError(t, x.Err)
	require.True(t, x.Check.OK, "%q", x.Check.Faults)
	x, err = s.PreviewPolicy(t.Context(), byRoot(), number, nil)
	x = examined(t, s, x, err)
	require.NoError(t, x.Err)
	return number
}

// commented is the policy of the test with a comment, so that it is another one.
func commented(text string) admin.Draft {
	return admin.Draft{Message: text, Files: map[string]string{"test.rego": rules + "\n# " + text + "\n"}}
}

func TestThePolicysWay(t *testing.T) {
	s := started(t, rules, world())
	v, err := s.Policy(t.Context(), byRoot())
	require.NoError(t, err)
	require.Equal(t, admin.PolicyView{Package: "test", ConfigRevision: 1}, v)

	first := passed(t, s, admin.Draft{Message: "as it was"})
	require.Equal(t, int64(1), first)
	r, err := s.Revision(t.Context(), byRoot(), first)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"test.rego": rules}, r.Files, "the first one is what decided before")
	require.Equal(t, "user/root", r.Author)
	require.Equal(t, "root", r.User)
	require.Equal(t, int64(1), r.Checked.ConfigRevision)
	require.Equal(t, authz.AccessSummary{At: r.Difference.At, ConfigRevision: 1, Complete: true, Users: 2}, *r.Difference)

	published, err := s.PublishPolicy(t.Context(), byRoot(), first, nil)
	require.NoError(t, err)
	require.NotZero(t, published.Entry)
	v, err = s.Policy(t.Context(), byRoot())
	require.NoError(t, err)
	require.Equal(t, first, v.Published.Number)
	require.Equal(t, published.Revision, v.ConfigRevision)
	require.Equal(t, []authz.Publication{{At: v.Published.Publications[0].At, By: "user/root"}}, v.Published.Publications)

	second := passed(t, s, commented("second"))
	_, err = s.PublishPolicy(t.Context(), byRoot(), second, &first)
	require.NoError(t, err)
	third := drafted(t, s, admin.Draft{Message: "of the second"})
	r, err = s.Revision(t.Context(), byRoot(), third)
	require.NoError(t, err)
	require.Equal(t, second, r.Parent)
	require.Contains(t, r.Files["test.rego"], "# second")

	_, err = s.ReturnPolicy(t.Context(), byRoot(), first, nil)
	require.NoError(t, err)
	back, err := s.ReturnPolicy(t.Context(), byRoot(), 0, &first)
	require.NoError(t, err)
	require.NotZero(t, back.Entry)
	v, err = s.Policy(t.Context(), byRoot())
	require.NoError(t, err)
	require.Nil(t, v.Published)
	require.Equal(t, third, v.Last)

	all, err := s.Revisions(t.Context(), byRoot(), 0, 2)
	require.NoError(t, err)
	require.Equal(t, []int64{3, 2}, []int64{all[0].Number, all[1].Number})
	require.Empty(t, all[0].Files)

	page, err := s.Audit(t.Context(), byRoot(), authz.AuditQuery{})
	require.NoError(t, err)
	var words []string
	for _, e := range page.Entries {
		require.NotContains(t, fmt.Sprint(e.Changes), "package test", "the audit has no texts")
		words = append(words, e.Operation)
	}
	require.Equal(t, []string{"return", "return", "draft", "publish", "preview", "check", "draft", "publish", "preview", "check", "draft", "import"}, words)
	verdict, err := s.Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, verdict.Faults)
}

// TestWhatIsNotPublished: each of the conditions that are no rule of the policy.
func TestWhatIsNotPublished(t *testing.T) {
	s := started(t, rules, world())
	refused := func(kind authz.Kind, says string, err error) {
		t.Helper()
		require.Error(t, err)
		require.Equal(t, kind, authz.KindOf(err), "%v", err)
		require.Contains(t, err.Error(), says)
	}
	publish := func(number int64, expected *int64) error {
		_, err := s.PublishPolicy(t.Context(), byRoot(), number, expected)
		return err
	}
	refused(authz.NotFound, `there is no policy "7"`, publish(7, nil))
	raw := drafted(t, s, admin.Draft{Message: "raw"})
	refused(authz.Conflict, "policy 1 is not checked", publish(raw, nil))

	broken := drafted(t, s, admin.Draft{Message: "broken", Files: map[string]string{"test.rego": "package test\n\ndecision := {"}})
	x, err := s.CheckPolicy(t.Context(), byRoot(), broken)
	x = examined(t, s, x, err)
	require.False(t, x.Check.OK)
	refused(authz.Rejected, "test.rego:3:13: [syntax]", publish(broken, nil))

	x, err = s.CheckPolicy(t.Context(), byRoot(), raw)
	examined(t, s, x, err)
	refused(authz.Conflict, "whose access policy 1 changes is not known", publish(raw, nil))

	second := passed(t, s, commented("second"))
	_, err = s.Patch(t.Context(), byRoot(), key(authz.RoleEntity, "spare"), map[string]any{"title": "x"})
	require.NoError(t, err)
	refused(authz.Conflict, "checked under the configuration of revision 1", publish(second, nil))
	third := passed(t, s, commented("third"))
	fourth := passed(t, s, commented("fourth"))
	one := int64(1)
	refused(authz.Conflict, "the folder's policy is in force, and no more policy 1, over which policy 4 (third) was to come", publish(third, &one))
	require.NoError(t, publish(third, nil))
	refused(authz.Conflict, "policy 4 is in force already", publish(third, nil))
	err = publish(fourth, nil)
	refused(authz.Conflict, "checked under the configuration", err)
	x, err = s.CheckPolicy(t.Context(), byRoot(), fourth)
	examined(t, s, x, err)
	refused(authz.Conflict, "policy 4 (third), published by user/root at ", publish(fourth, nil))
	refused(authz.Conflict, "and no more the folder's policy, over which policy 5 (fourth) was to come", publish(fourth, nil))

	_, err = s.ReturnPolicy(t.Context(), byRoot(), fourth, nil)
	refused(authz.Conflict, "policy 5 was never in force", err)
	_, err = s.ReturnPolicy(t.Context(), byRoot(), third, nil)
	refused(authz.Conflict, "policy 4 is in force already", err)
	_, err = s.ReturnPolicy(t.Context(), byRoot(), 0, nil)
	require.NoError(t, err)
	_, err = s.ReturnPolicy(t.Context(), byRoot(), 0, nil)
	refused(authz.Conflict, "the folder's policy is in force already", err)
	refused(authz.Conflict, "policy 4 was in force before: return to it", publish(third, nil))
}

func TestDraftsThatAreNone(t *testing.T) {
	s := started(t, rules, world())
	minus := int64(-1)
	far := int64(9)
	for name, tc := range map[string]struct {
		draft admin.Draft
		path  string
		says  string
	}{
		"no message":    {admin.Draft{}, "message", "is missing"},
		"no files":      {admin.Draft{Message: "m", Files: map[string]string{}}, "files", "empty policy"},
		"no Rego":       {admin.Draft{Message: "m", Files: map[string]string{"users.yaml": ""}}, "files", ".rego"},
		"path":          {admin.Draft{Message: "m", Files: map[string]string{"../a.rego": ""}}, `files["../a.rego"]`, "leads out"},
		"large":         {admin.Draft{Message: "m", Files: map[string]string{"a.rego": strings.Repeat("x", authz.MaxPolicyFile+1)}}, `files["a.rego"]`, "at most"},
		"parent":        {admin.Draft{Message: "m", Parent: &minus}, "parent", "earlier"},
		"unborn parent": {admin.Draft{Message: "m", Parent: &far}, "parent", "there is no such revision"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.DraftPolicy(t.Context(), byRoot(), tc.draft)
			require.Equal(t, authz.Invalid, authz.KindOf(err), "%v", err)
			require.Contains(t, err.Error(), tc.path)
			require.Contains(t, err.Error(), tc.says)
		})
	}
	v, err := s.Policy(t.Context(), byRoot())
	require.NoError(t, err)
	require.Zero(t, v.Last, "nothing is written")
}

// TestPoliciesAreAdministered: each step is a decision, and who is not let in learns
// nothing.
func TestPoliciesAreAdministered(t *testing.T) {
	s := started(t, rules, world())
	number := passed(t, s, admin.Draft{Message: "m"})
	call := byRoot()
	call.Acting.User = "ann"
	for name, do := range map[string]func() error{
		"state":       func() error { _, err := s.Policy(t.Context(), call); return err },
		"revisions":   func() error { _, err := s.Revisions(t.Context(), call, 0, 1); return err },
		"revision":    func() error { _, err := s.Revision(t.Context(), call, number); return err },
		"no revision": func() error { _, err := s.Revision(t.Context(), call, 77); return err },
		"draft":       func() error { _, err := s.DraftPolicy(t.Context(), call, admin.Draft{Message: "m"}); return err },
		"check":       func() error { _, err := s.CheckPolicy(t.Context(), call, number); return err },
		"preview":     func() error { _, err := s.PreviewPolicy(t.Context(), call, number, nil); return err },
		"of none":     func() error { _, err := s.PreviewPolicy(t.Context(), call, 77, nil); return err },
		"approve":     func() error { _, err := s.ApprovePolicy(t.Context(), call, number); return err },
		"publish":     func() error { _, err := s.PublishPolicy(t.Context(), call, number, nil); return err },
		"of nobody":   func() error { _, err := s.PublishPolicy(t.Context(), call, 77, nil); return err },
		"return":      func() error { _, err := s.ReturnPolicy(t.Context(), call, 0, nil); return err },
		"found":       func() error { _, err := s.Examination(t.Context(), call, "x"); return err },
		"cancel":      func() error { return s.CancelExamination(t.Context(), call, "x") },
	} {
		t.Run(name, func(t *testing.T) { refusedFor(t, do(), authz.Forbidden) })
	}
}

func TestApprovalsAndTheirRepetition(t *testing.T) {
	s := started(t, rules, world())
	call := byRoot()
	call.IdempotencyKey = "k"
	r, err := s.DraftPolicy(t.Context(), call, admin.Draft{Message: "m"})
	require.NoError(t, err)
	again, err := s.DraftPolicy(t.Context(), call, admin.Draft{Message: "m"})
	require.NoError(t, err)
	require.True(t, again.Replayed)
	require.Equal(t, r.Entry, again.Entry)
	_, err = s.DraftPolicy(t.Context(), call, admin.Draft{Message: "other"})
	require.Equal(t, authz.Rejected, authz.KindOf(err))

	call = byRoot()
	call.Note, call.DryRun = "looked at it", true
	r, err = s.ApprovePolicy(t.Context(), call, 1)
	require.NoError(t, err)
	require.Zero(t, r.Entry)
	call.DryRun = false
	r, err = s.ApprovePolicy(t.Context(), call, 1)
	require.NoError(t, err)
	require.NotZero(t, r.Entry)
	r, err = s.ApprovePolicy(t.Context(), call, 1)
	require.NoError(t, err)
	require.Zero(t, r.Entry, "it is said already")
	got, err := s.Revision(t.Context(), byRoot(), 1)
	require.NoError(t, err)
	require.Equal(t, []authz.PolicyApproval{{By: "user/root", User: "root", At: got.Approvals[0].At, Note: "looked at it"}}, got.Approvals)

	call.DryRun = true
	r, err = s.DraftPolicy(t.Context(), call, admin.Draft{Message: "tried"})
	require.NoError(t, err)
	require.Zero(t, r.Entry)
	v, err := s.Policy(t.Context(), byRoot())
	require.NoError(t, err)
	require.Equal(t, int64(1), v.Last)
}

// TestPublicationsRace: of many at once one wins, and the others are told which.
func TestPublicationsRace(t *testing.T) {
	s := started(t, rules, world())
	var numbers []int64
	for i := range 4 {
		numbers = append(numbers, passed(t, s, commented(fmt.Sprint("n", i))))
	}
	var wg sync.WaitGroup
	errs := make([]error, len(numbers))
	for i, n := range numbers {
		wg.Go(func() { _, errs[i] = s.PublishPolicy(t.Context(), byRoot(), n, new(int64)) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.Equal(t, authz.Conflict, authz.KindOf(err), "%v", err)
		require.Contains(t, err.Error(), "published by user/root at")
		require.Contains(t, err.Error(), "and no more the folder's policy, over which policy")
	}
	require.Equal(t, 1, won)
}

// TestPreviewOfChanges: what is supposed to be written is judged, compared, and not
// written.
func TestPreviewOfChanges(t *testing.T) {
	s := started(t, rules, world())
	var before, after *authz.World
	s.policies.compare = func(_ context.Context, b, a *authz.World) (*accessdiff.Report, error) {
		before, after = b, a
		return &accessdiff.Report{Lost: 1}, nil
	}
	items := []admin.Item{
		{Operation: admin.PatchItem, Key: authz.Key{Kind: authz.RightEntity, Of: "clerk", ID: "desk"}, Document: map[string]any{"level": "edit"}},
		{Operation: admin.CreateItem, Key: user("new"), Document: map[string]any{"login": "new"}},
		{Operation: admin.DeleteItem, Key: user("ann")},
		{Operation: admin.PatchItem, Key: key(authz.AccountEntity, "A"), Document: map[string]any{"name": "Other"}},
	}
	x, err := s.PreviewPolicy(t.Context(), byRoot(), 0, items)
	x = examined(t, s, x, err)
	require.NoError(t, x.Err)
	require.Equal(t, "the folder's policy", x.Report.Before)
	require.Equal(t, "the folder's policy with 4 changes", x.Report.After)
	require.Equal(t, []int64{1, 2}, []int64{x.Done, x.Total})
	require.Equal(t, []string{"ann", "root"}, ids(before.Users))
	require.Equal(t, []string{"root", "new"}, ids(after.Users))
	require.Equal(t, authz.Edit, after.Rights[0].Level)
	require.Equal(t, authz.View, before.Rights[0].Level)
	require.Equal(t, "Other", after.Accounts[0].Name)
	require.Nil(t, after.Published)
	_, err = s.Read(t.Context(), byRoot(), user("ann"))
	require.NoError(t, err, "nothing is written")

	number := drafted(t, s, admin.Draft{Message: "m"})
	x, err = s.PreviewPolicy(t.Context(), byRoot(), number, items[:1])
	x = examined(t, s, x, err)
	require.NoError(t, x.Err)
	require.Equal(t, number, after.Published.Number)
	r, err := s.Revision(t.Context(), byRoot(), number)
	require.NoError(t, err)
	require.Nil(t, r.Difference, "it is not the revision's alone")

	_, err = s.PreviewPolicy(t.Context(), byRoot(), number, []admin.Item{{Operation: admin.CreateItem, Key: user("y"), Document: map[string]any{"user_type": "none"}}})
	refusedFor(t, err, authz.Rejected)
	_, err = s.PreviewPolicy(t.Context(), byRoot(), number, []admin.Item{{Operation: admin.DeleteItem, Key: authz.Key{Kind: authz.PolicyEntity, ID: "1"}}})
	require.Equal(t, authz.Invalid, authz.KindOf(err))
}

func ids(users []authz.User) []string {
	var all []string
	for i := range users {
		all = append(all, users[i].ID)
	}
	return all
}

// TestExaminationsAreBounded: one of a portal and two in all, cancelled, overdue, and
// stopped with the service.
func TestExaminationsAreBounded(t *testing.T) {
	other, third := world(), world()
	other.Portal.ID, third.Portal.ID = "q", "r"
	s := started(t, rules, world(), other, third)
	in := func(portal string) admin.Call { c := byRoot(); c.Portal = portal; return c }
	for _, portal := range []string{"p", "q", "r"} {
		_, err := s.DraftPolicy(t.Context(), in(portal), admin.Draft{Message: "m"})
		require.NoError(t, err)
	}
	s.policies.hold(func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
	first, err := s.CheckPolicy(t.Context(), in("p"), 1)
	require.NoError(t, err)
	require.Equal(t, admin.ExaminationRunning, first.State)
	_, err = s.PreviewPolicy(t.Context(), in("p"), 1, nil)
	require.Equal(t, authz.Conflict, authz.KindOf(err))
	require.Contains(t, err.Error(), "a check of policy 1 is under way, begun by user/root: wait for it, or cancel examination "+first.ID)
	_, err = s.CheckPolicy(t.Context(), in("q"), 1)
	require.NoError(t, err)
	_, err = s.CheckPolicy(t.Context(), in("r"), 1)
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
	_, err = s.Examination(t.Context(), in("q"), first.ID)
	require.Equal(t, authz.NotFound, authz.KindOf(err), "it is of another portal")

	require.NoError(t, s.CancelExamination(t.Context(), in("p"), first.ID))
	x := examined(t, s, first, nil)
	require.Equal(t, admin.ExaminationCancelled, x.State)
	require.Nil(t, x.Check)
	r, err := s.Revision(t.Context(), in("p"), 1)
	require.NoError(t, err)
	require.Nil(t, r.Checked, "nothing is known of it")

	s.policies.hold(func(context.Context) error { panic("x") })
	x, err = s.CheckPolicy(t.Context(), in("p"), 1)
	x = examined(t, s, x, err)
	require.Equal(t, admin.ExaminationFailed, x.State)
	require.Equal(t, authz.Internal, authz.KindOf(x.Err))

	s.Close()
	_, err = s.CheckPolicy(t.Context(), in("p"), 1)
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
}

// crowded is a store whose portal has users without end.
type crowded struct {
	admin.Store
	listed int
}

func (s *crowded) List(ctx context.Context, portal string, q authz.ListQuery) (authz.Listed, error) {
	if q.Kind != authz.UserEntity {
		return s.Store.List(ctx, portal, q)
	}
	var page authz.Listed
	for range q.Limit {
		s.listed++
		page.Items = append(page.Items, authz.Versioned{Stored: authz.User{ID: fmt.Sprint(s.listed)}})
	}
	page.Next = "more"
	return page, nil
}

// TestPreviewsAreBounded: of more users than a preview takes in the rest is left out, and
// told, so that it does not count as complete.
func TestPreviewsAreBounded(t *testing.T) {
	s := started(t, rules, world())
	endless := &crowded{Store: s.store}
	s.Service = admin.New(endless, s.manager, s.decider, admin.Options{Policies: s.policies})
	t.Cleanup(s.Close)
	number := drafted(t, s, admin.Draft{Message: "m"})
	x, err := s.PreviewPolicy(t.Context(), byRoot(), number, nil)
	x = examined(t, s, x, err)
	require.Equal(t, admin.ExaminationDone, x.State, "%v", x.Err)
	require.Equal(t, 100_000, endless.listed)
	require.Equal(t, 100_000, x.Report.Users)
	require.Equal(t, []string{"users beyond the first 100000 were not looked at"}, x.Report.Missing)
	r, err := s.Revision(t.Context(), byRoot(), number)
	require.NoError(t, err)
	require.False(t, r.Difference.Complete)
}
