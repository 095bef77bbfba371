package live_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// kept is a policy that says its number and the portal's title.
func kept(number int64) *authz.PolicyRevision {
	return keptAs(number, fmt.Sprintf(`package x
decision := {"outcome": "allow", "reason": concat(" ", ["kept %d", data.portal.settings.title])}`, number))
}

func keptAs(number int64, text string) *authz.PolicyRevision {
	return &authz.PolicyRevision{Number: number, Files: map[string]string{"x.rego": text, "x_test.rego": "no Rego at all", "decisions.yaml": ""}}
}

// decided is what the portal's policy says, and which revision of it.
func decided(t *testing.T, v *pdp.View) string {
	t.Helper()
	require.NotNil(t, v.Snapshot, v.Refusal)
	d := v.Snapshot.Decide(t.Context(), &authz.Query{Now: time.Now()}, engine.Entities{})
	require.NoError(t, d.Err)
	return fmt.Sprintf("%d: %s", d.PolicyRevision, d.Reason)
}

func TestPoliciesThatPortalsKeep(t *testing.T) {
	inBubble(t, "come and go", func(t *testing.T) {
		s, r := newPortals("a", "b"), &rules{word: "one"}
		s.title("a", "A")
		m := follow(t, s, r.policies())
		require.Equal(t, "0: one title A", decided(t, view(t, m, "a")))
		other := view(t, m, "b")
		for _, n := range []int64{1, 2, 1} {
			s.keep("a", kept(n))
			synctest.Wait()
			require.Equal(t, fmt.Sprintf("%d: kept %d title A", n, n), decided(t, view(t, m, "a")))
			ok, detail := m.Ready()
			require.True(t, ok)
			require.Equal(t, n, part(t, detail, "portals", "a")["policy_revision"])
			require.NotContains(t, part(t, detail, "portals", "b"), "policy_revision")
		}
		require.Equal(t, 2, r.owned(), "a step back compiles nothing")
		s.keep("a", nil)
		synctest.Wait()
		require.Equal(t, "0: one title A", decided(t, view(t, m, "a")))
		require.Same(t, other, view(t, m, "b"))
	})
	inBubble(t, "are compiled once", func(t *testing.T) {
		s, r := newPortals("a", "b"), &rules{word: "one"}
		s.kept["a"], s.kept["b"] = kept(1), kept(1)
		m := follow(t, s, r.policies())
		require.Equal(t, 1, r.owned(), "the same files are one program, whosever they are")
		for i := range 2 * 8 { // so many others that the cache has forgotten it
			_, err := m.Draft(nil, &authz.Bundle{Portal: authz.Portal{ID: "c", Policy: "x", Settings: map[string]any{"title": ""}}, Published: kept(int64(i + 2))})
			require.NoError(t, err)
		}
		owned := r.owned()
		s.title("a", "new")
		s.keep("a", kept(1)) // the same, read anew
		synctest.Wait()
		require.Equal(t, "1: kept 1 title new", decided(t, view(t, m, "a")))
		require.Equal(t, owned, r.owned(), "what is in force is not compiled again")
	})
	inBubble(t, "do not mind the folder", func(t *testing.T) {
		s, r := newPortals("a", "b"), &rules{word: "one"}
		s.kept["a"] = kept(1)
		m := follow(t, s, r.policies())
		a := view(t, m, "a")
		s.seen()
		r.write("two", nil)
		synctest.Wait()
		require.Equal(t, "0: two title ", decided(t, view(t, m, "b")))
		require.Same(t, a, view(t, m, "a"), "not even built anew")
		r.write("", authz.Errorf(authz.Invalid, "broken"))
		synctest.Wait()
		s.title("a", "new")
		s.write("a", configured)
		synctest.Wait()
		require.Equal(t, "1: kept 1 title new", decided(t, view(t, m, "a")))
		s.keep("a", nil)
		synctest.Wait()
		require.Equal(t, "0: two title new", decided(t, view(t, m, "a")), "the last good ones of the folder")
		r.write("three", nil)
		synctest.Wait()
		require.Equal(t, "0: three title new", decided(t, view(t, m, "a")))
	})
	inBubble(t, "stand without the folder", func(t *testing.T) {
		s, r := newPortals("a", "b"), &rules{err: authz.Errorf(authz.Invalid, "broken")}
		s.kept["a"] = kept(1)
		m := follow(t, s, r.policies())
		require.Equal(t, "1: kept 1 title ", decided(t, view(t, m, "a")))
		require.Equal(t, authz.ReasonPolicyMissing, view(t, m, "b").Refusal)
		ok, detail := m.Ready()
		require.True(t, ok)
		require.Equal(t, "broken", part(t, detail, "policy")["error"])
		require.Equal(t, "there is no usable policy", part(t, detail, "portals", "b")["error"])
	})
	for name, bad := range map[string]*authz.PolicyRevision{
		"does not parse":     keptAs(7, "package x\ndecision :="),
		"does not compile":   keptAs(7, "package x\ndecision := lib.gone"),
		"recursion":          keptAs(7, "package x\ndecision := decision"),
		"forbidden built-in": keptAs(7, `package x`+"\n"+`decision := http.send({"url": "http://x", "method": "get"})`),
		"another package":    keptAs(7, "package y\ndecision := {}"),
		"no module":          {Number: 7, Files: map[string]string{"x_test.rego": "package x", "decisions.yaml": ""}},
		"nothing":            {Number: 7},
		"panic":              keptAs(7, "panic"),
	} {
		inBubble(t, name, func(t *testing.T) {
			s, r := newPortals("a", "b"), &rules{word: "one"}
			s.kept["a"] = bad
			m := follow(t, s, r.policies())
			v := view(t, m, "a")
			require.Nil(t, v.Snapshot, "it denies: no other policy takes its place")
			if name == "panic" {
				require.Equal(t, authz.ReasonNotReady, v.Refusal)
			} else {
				require.Equal(t, authz.ReasonPolicyMissing, v.Refusal)
			}
			ok, detail := m.Ready()
			require.True(t, ok, "the other portal decides")
			fault := part(t, detail, "portals", "a")["error"].(string)
			if name != "another package" {
				require.Contains(t, fault, "revision 7 of the policy cannot be used")
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, 1, r.owned(), "trying again does not mend it")

			s.keep("a", kept(8))
			synctest.Wait()
			require.Equal(t, "8: kept 8 title ", decided(t, view(t, m, "a")))
			s.title("a", "new")
			s.keep("a", bad)
			synctest.Wait()
			require.Equal(t, "8: kept 8 title ", decided(t, view(t, m, "a")), "the last good one stays, with its configuration")
			_, detail = m.Ready()
			require.Equal(t, fault, part(t, detail, "portals", "a")["error"])
		})
	}
	inBubble(t, "nobody compiles", func(t *testing.T) {
		s, p := newPortals("a"), (&rules{word: "one"}).policies()
		p.Own, s.kept["a"] = nil, kept(1)
		m := follow(t, s, p)
		require.Nil(t, view(t, m, "a").Snapshot)
	})
}

func TestDraftsOfPoliciesThatPortalsKeep(t *testing.T) {
	inBubble(t, "beside what is published", func(t *testing.T) {
		s, r := newPortals("a"), &rules{word: "one"}
		m := follow(t, s, r.policies())
		old := view(t, m, "a")
		b := *old.Snapshot.Bundle()
		b.Published = kept(1)
		v, err := m.Draft(old, &b)
		require.NoError(t, err)
		require.Equal(t, "1: kept 1 title ", decided(t, &v))
		require.Equal(t, "0: one title ", decided(t, view(t, m, "a")))

		bad := b
		bad.Published = keptAs(2, "package x\ndecision := lib.gone")
		_, err = m.Draft(old, &bad)
		require.ErrorContains(t, err, "revision 2 of the policy cannot be used")
		require.ErrorContains(t, err, "x.rego:2:13")
		require.Equal(t, authz.Invalid, authz.KindOf(err))
		var faults policy.Faults
		require.ErrorAs(t, err, &faults)
	})
}

// TestPublicationsOfThisProcess publishes without reading the store, and without
// compiling what has been examined.
func TestPublicationsOfThisProcess(t *testing.T) {
	inBubble(t, "at once", func(t *testing.T) {
		s, r := newPortals("a"), &rules{word: "one"}
		m := follow(t, s, r.policies())
		s.seen()
		publish := func(rev *authz.PolicyRevision) {
			old := view(t, m, "a")
			b := *old.Snapshot.Bundle()
			b.Published = rev
			from := s.stand["a"]
			to := from
			to.Revision++
			to.ConfigRevision = to.Revision
			s.stand["a"], s.kept["a"] = to, rev
			m.Applied("a", from, to, nil, &b)
			want := "0: one title "
			if rev != nil {
				want = fmt.Sprintf("%d: kept %d title ", rev.Number, rev.Number)
			}
			require.Equal(t, want, decided(t, view(t, m, "a")), "before any news")
		}
		publish(kept(1))
		publish(kept(2))
		publish(kept(1))
		require.Equal(t, 2, r.owned())
		r.write("two", nil)
		synctest.Wait()
		require.Equal(t, "1: kept 1 title ", decided(t, view(t, m, "a")))
		r.write("one", nil)
		synctest.Wait()
		publish(nil)
		r.write("two", nil)
		synctest.Wait()
		require.Equal(t, "0: two title ", decided(t, view(t, m, "a")), "the folder's counts again")
		s.announce()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, s.seen())
	})
	inBubble(t, "not while the folder's changes", func(t *testing.T) {
		s, r := newPortals("a"), &rules{word: "one"}
		s.kept["a"] = kept(1)
		m := follow(t, s, r.policies())
		old := view(t, m, "a")
		b := *old.Snapshot.Bundle()
		b.Published = keptAs(2, "package x\ndecision := lib.gone")
		to := s.stand["a"]
		to.Revision, to.ConfigRevision = 2, 2
		m.Applied("a", s.stand["a"], to, nil, &b)
		require.Same(t, old, view(t, m, "a"), "what does not compile does not come into force")
	})
}

// TestProgramsDoNotPileUp publishes many policies and counts what is left of them.
func TestProgramsDoNotPileUp(t *testing.T) {
	inBubble(t, "in memory", func(t *testing.T) {
		s, r := newPortals("a"), &rules{word: "one"}
		p := r.policies()
		var made []weak.Pointer[policy.Program]
		p.Own = func(files map[string]string) (*policy.Program, error) {
			program, err := r.own(files)
			made = append(made, weak.Make(program))
			return program, err
		}
		m := follow(t, s, p)
		const all = 30
		for n := range int64(all) {
			s.keep("a", kept(n+1))
			synctest.Wait()
		}
		require.Len(t, made, all)
		runtime.GC()
		runtime.GC()
		alive := 0
		for _, w := range made {
			if w.Value() != nil {
				alive++
			}
		}
		require.LessOrEqual(t, alive, live.MaxPrograms+1)
		require.Equal(t, "30: kept 30 title ", decided(t, view(t, m, "a")))
	})
}
