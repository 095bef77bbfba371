package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRuleCacheAsOPAs does the same things to the two caches, as far as the
// evaluator does them: once it knows in a frame whether a rule is defined, it asks
// no more.
func TestRuleCacheAsOPAs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ours, theirs := &ruleCache{}, topdown.NewVirtualCache()
		depth := 0
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 3)
		ref := func() ast.Ref {
			r := ast.Ref{ast.DefaultRootDocument}
			for _, s := range steps.Draw(t, "ref") {
				r = append(r, ast.StringTerm(s))
			}
			return r
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"put", "put", "get", "undefined", "push", "pop"}).Draw(t, "step") {
			case "put":
				r, v := ref(), ast.IntNumberTerm(rapid.IntRange(0, 9).Draw(t, "value"))
				if _, undefined := theirs.Get(r); undefined {
					continue
				}
				ours.Put(r, v)
				theirs.Put(r.Copy(), v)
				for i := range r {
					r[i] = ast.StringTerm("changed by the evaluator")
				}
			case "undefined":
				r := ref()
				if v, _ := theirs.Get(r); v == nil {
					ours.Put(r, nil)
					theirs.Put(r, nil)
				}
			case "push":
				depth++
				ours.Push()
				theirs.Push()
			case "pop":
				if depth > 0 {
					depth--
					ours.Pop()
					theirs.Pop()
				}
			}
			r := ref()
			v, undefined := ours.Get(r)
			wantV, wantUndefined := theirs.Get(r)
			if v != wantV || undefined != wantUndefined {
				t.Fatalf("Get(%s) = %v, %t; want %v, %t", r, v, undefined, wantV, wantUndefined)
			}
			if got, want := refSet(ours.Keys()), refSet(theirs.Keys()); got.Compare(want) != 0 {
				t.Fatalf("Keys() = %s; want %s", got, want)
			}
		}
	})
}

func refSet(refs []ast.Ref) ast.Set {
	s := ast.NewSet()
	for _, r := range refs {
		s.Add(ast.NewTerm(r))
	}
	return s
}

// TestEvaluatesAsOPA evaluates policies that try what is kept between rules, with
// the caches and the store of ours and with OPA's own.
func TestEvaluatesAsOPA(t *testing.T) {
	for name, source := range map[string]string{
		"a rule twice":             "decision := [a, a]\n\na := input.context.x",
		"undefined twice":          "decision := [a | not b; not b; a := 1]\n\nb if input.context.no",
		"with input":               "decision := [a, b, a, b]\n\na := input.context.x\n\nb := y if y := a with input.context.x as 2",
		"with within with":         "decision := [c, b, a]\n\na := input.context.x\n\nb := y if y := a with input.context.x as 2\n\nc := y if y := [a, b] with input.context.x as 3",
		"with on data":             "decision := [a, b, a]\n\na := data.portal.settings.n\n\nb := y if y := a with data.portal.settings.n as 8",
		"with on all data":         "decision := [a, b, a]\n\na := data.portal.settings.n\n\nb := y if y := a with data.portal as {\"settings\": {\"n\": 9}}",
		"with on a rule":           "decision := [a, b, a]\n\na := c\n\nc := 1\n\nb := y if y := a with data.t.c as 5",
		"with on a function":       "decision := [b, f(1)]\n\nf(x) := x + 1\n\ng(_) := 7\n\nb := y if y := f(1) with f as g",
		"undefined under with":     "decision := [x | some x in [1]; not a; a with input.context.no as true; not a]\n\na if input.context.no",
		"functions":                "decision := [f(1), f(2), f(1)]\n\nf(x) := x * n\n\nn := data.portal.settings.n",
		"a partial set":            "decision := [s, s[1], 2 in s]\n\ns contains x if some x in [1, 2, 3]",
		"members of it one by one": "decision := [x | some x in [1, 4, 1]; s[x]]\n\ns contains x if some x in [1, 2, 3]",
		"a partial object":         "decision := [o.a, o, o.b]\n\no[k] := v if some k, v in {\"a\": 1, \"b\": 2}",
		"a ref head":               "decision := [p.q.r, p, p.q]\n\np.q.r := 1\n\np.q.s := input.context.x",
		"comprehensions":           "decision := [[x | some x in s], {x: y | some x in s; y := x * x}]\n\ns := {1, 2}",
		"negation and every":       "decision := x if {\n\tevery y in s { y > 0 }\n\tnot 5 in s\n\tx := count(s)\n}\n\ns := {1, 2}",
		"else":                     "decision := a\n\na := 1 if input.context.no\n\nelse := b if input.context.x\n\nb := 3",
		"a setting that is not":    "decision := [x | not data.portal.settings.m; not data.portal.no.m; not data.other; x := 1]",
		"all settings":             "decision := {k | some k, _ in data.portal}",
		"walking":                  "decision := {p | walk(data.portal.settings, [p, _])}",
		"nothing":                  "decision := 1 if input.context.no",
		"sometimes nothing":        "decision := 1 if input.context.x > 1",
		"null":                     "decision := null",
		"false":                    "decision := false",
		"a default":                "default decision := {\"a\": 1}\n\ndecision := {\"a\": input.context.x} if input.context.x > 1",
		"one value, two ways":      "decision := {\"a\": x} if x := input.context.x\n\ndecision := {\"a\": x} if x := count(numbers.range(1, input.context.x))",
		"two values":               "decision := input.context.x\n\ndecision := 2",
		"two values in one body":   "decision := x if some x in [1, 2]",
		"a set by parts":           "decision contains x if some x in [1, input.context.x]",
		"an object by keys":        "decision[k] := v if some k, v in {\"a\": 1, \"b\": input.context.x}",
		"an error":                 "decision := 1 / input.context.x",
	} {
		t.Run(name, func(t *testing.T) {
			program, err := Compile(Modules{"t.rego": "package t\n\n" + source}, []byte("{}"), time.Minute)
			require.NoError(t, err)
			portal := ast.MustInterfaceToValue(map[string]any{"settings": map[string]any{"n": 7, "deep": map[string]any{"a": []any{1, 2}}}})
			rule, err := program.rule("t")
			require.NoError(t, err)
			compiler := program.compiler.QueryCompiler()
			query, err := compiler.Compile(ast.NewBody(ast.Equality.Expr(ast.NewTerm(rule), ast.VarTerm(string(result)))))
			require.NoError(t, err)
			p := &Policy{program: program, rule: rule, query: query, probe: program.probe(rule), compiler: compiler, data: &settings{portal: portal}}
			require.Equal(t, strings.Contains(name, " by parts") || strings.Contains(name, " by keys"), p.probe == nil)
			plainly := p.copied()
			plainly.probe = nil
			for x := range 4 { // what one evaluation leaves behind must not show in the next
				input := ast.MustParseTerm(fmt.Sprintf(`{"context": {"x": %d}}`, x))
				want, wantErr := evaluateByOPA(t, p, input)
				for _, p := range []*Policy{p, plainly} {
					s := takeScratch(t.Context(), program.limit)
					got, err := p.eval(t.Context(), input, s)
					s.giveBack()
					require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err))
					if err != nil {
						continue
					}
					require.Equal(t, want == nil, got == nil)
					require.True(t, want == nil || ast.Compare(want, got) == 0, "want %s, got %s", want, got)
				}
			}
		})
	}
}

// evaluateByOPA evaluates without anything of ours but the compiled query.
func evaluateByOPA(t *testing.T, p *Policy, input *ast.Term) (document ast.Value, err error) {
	data, err := ast.JSON(ast.NewObject([2]*ast.Term{ast.NewTerm(portalKey), ast.NewTerm(p.data.portal)}))
	require.NoError(t, err)
	store := inmem.NewFromObject(data.(map[string]any))
	err = storage.Txn(t.Context(), store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		return topdown.NewQuery(p.query).WithCompiler(p.program.compiler).WithQueryCompiler(p.compiler).
			WithStore(store).WithTransaction(txn).WithInput(input).WithStrictBuiltinErrors(true).
			Iter(t.Context(), func(r topdown.QueryResult) error {
				document = r[result].Value
				return nil
			})
	})
	return document, err
}

// TestSettingsAreClosed asks the store for what it does not have, or does not do.
func TestSettingsAreClosed(t *testing.T) {
	s := &settings{portal: ast.MustInterfaceToValue(map[string]any{"a": []any{1}})}
	txn, err := s.NewTransaction(t.Context())
	require.NoError(t, err)
	for path, found := range map[string]bool{"/": true, "/portal": true, "/portal/a": true, "/portal/a/0": true, "/portal/a/1": false, "/portal/b": false, "/other": false, "/portal/a/b/c": false} {
		v, err := s.Read(t.Context(), txn, storage.MustParsePath(path))
		require.Equal(t, found, err == nil, "%s: %v", path, v)
		require.Equal(t, !found, storage.IsNotFound(err), path)
	}
	require.Error(t, s.Write(t.Context(), txn, storage.AddOp, storage.Path{"portal"}, 1))
	require.Error(t, s.Truncate(t.Context(), txn, storage.WriteParams, nil))
	require.NoError(t, s.Commit(t.Context(), txn))
	s.Abort(t.Context(), txn)
	for ref, found := range map[string]bool{"data": false, "data.portal": true, "data.portal.a": true, "data.portal.a[0]": true, "data.portal.b": false, "data.other": false, "input.portal": false} {
		require.Equal(t, found, s.Get(ast.MustParseRef(ref)) != nil, ref)
	}
}

// TestDeadlineForgivesPauses: an evaluation that was kept from running is not one that
// takes long, however often it is asked; one that takes long is stopped, and so is one
// whose pauses never end.
func TestDeadlineForgivesPauses(t *testing.T) {
	const limit = 80 * time.Millisecond
	// stopped returns after how long an evaluation is stopped whose steps take the times in
	// turn.
	stopped := func(ctx context.Context, steps ...time.Duration) time.Duration {
		d := &deadline{ctx: ctx, start: time.Now(), limit: limit}
		for n := range 1_000_000 {
			time.Sleep(steps[n%len(steps)])
			if d.Cancelled() {
				return time.Since(d.start)
			}
		}
		return 0
	}
	long := make([]time.Duration, 1000)
	for i := range long {
		long[i] = time.Microsecond
	}
	for name, tc := range map[string]struct {
		step        []time.Duration
		least, most time.Duration
	}{
		"steady":                 {[]time.Duration{time.Microsecond}, limit, limit + 16*time.Microsecond},
		"steps that take long":   {[]time.Duration{time.Millisecond}, limit, 2 * limit},
		"each step a limit long": {[]time.Duration{limit}, limit, 32 * limit},
		"stopped for a second":   {append([]time.Duration{time.Second}, long...), time.Second + limit/2, 2*time.Second + limit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took := stopped(t.Context(), tc.step...)
				require.GreaterOrEqual(t, took, tc.least)
				require.LessOrEqual(t, took, tc.most)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		d := &deadline{ctx: t.Context(), start: time.Now(), limit: limit}
		for range 5 {
			time.Sleep(3 * limit)
			for range 20 {
				require.False(t, d.Cancelled(), "stopped for three limits, five times, among few steps")
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		require.LessOrEqual(t, stopped(ctx, time.Millisecond), 26*time.Millisecond, "the end of the request")
	})
}
