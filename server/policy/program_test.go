package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

func compile(source string) (*policy.Program, error) {
	return policy.Compile(policy.Modules{"dir/t.rego": "package t\n\n" + source}, policies.InputSchema, time.Second)
}

// TestImpure calls what reaches out of the process, reads its surroundings, or
// answers differently each time.
func TestImpure(t *testing.T) {
	for name, call := range map[string]string{
		"http.send":              `http.send({"method": "get", "url": "http://localhost"})`,
		"bits.lsh":               `bits.lsh(1, 400000000) > 0`,
		"net.lookup_ip_addr":     `net.lookup_ip_addr("localhost")`,
		"opa.runtime":            `opa.runtime()`,
		"time.now_ns":            `time.now_ns()`,
		"rand.intn":              `rand.intn("a", 2)`,
		"uuid.rfc4122":           `uuid.rfc4122("a")`,
		"crypto.sha256":          `crypto.sha256("a")`,
		"io.jwt.decode":          `io.jwt.decode("a")`,
		"rego.parse_module":      `rego.parse_module("a", "package a")`,
		"trace":                  `trace("a")`,
		"graphql.is_valid":       `graphql.is_valid("a", "b")`,
		"providers.aws.sign_req": `providers.aws.sign_req({}, {}, 1)`,
	} {
		_, err := compile("decision := " + call)
		require.Equal(t, authz.Invalid, authz.KindOf(err), name)
		require.ErrorContains(t, err, "dir/t.rego:3:", name)
		require.ErrorContains(t, err, "undefined function "+name)
	}
	for _, b := range policy.Capabilities().Builtins {
		require.False(t, b.Nondeterministic, b.Name)
	}
	_, err := compile(`decision := [time.parse_rfc3339_ns(input.context.now), sprintf("%s", ["a"]), json.marshal({})]`)
	require.NoError(t, err, "what is a function of its arguments stays")
}

func TestCompileRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ source, want string }{
		"no Rego":          {"decision := {", "dir/t.rego:3:"},
		"member of input":  {"a := 1\n\ndecision if input.usr.id", "dir/t.rego:5:13: undefined ref: input.usr.id"},
		"member of user":   {"decision if input.user.idd", "dir/t.rego:3:13: undefined ref: input.user.idd"},
		"member of target": {"decision if input.target.type2", "undefined ref"},
		"step of a path":   {"decision if input.screen.path[0].name", "undefined ref"},
		"unused import":    {"import data.lib\n\ndecision := 1", "import data.lib unused"},
		"unused variable":  {"decision if x := 1", "assigned var x unused"},
		"unused argument":  {"f(x) := 1\n\ndecision := f(2)", "unused argument x"},
		"recursion":        {"decision if decision", "recursive"},
		"old syntax":       {"decision { true }", "`if` keyword is required"},
		"unknown function": {"decision := f(1)", "undefined function f"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := compile(tc.source)
			require.Equal(t, authz.Invalid, authz.KindOf(err))
			require.ErrorContains(t, err, "the policies do not compile:\n  dir/t.rego:")
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestCompileListsEveryFault(t *testing.T) {
	modules := policy.Modules{"b.rego": "package b\n\nx if", "a.rego": "package a\n\nx := }", "c.rego": "package c\n"}
	_, err := policy.Compile(modules, policies.InputSchema, time.Second)
	require.ErrorContains(t, err, "a.rego:3:")
	require.ErrorContains(t, err, "b.rego:3:")
	modules = policy.Modules{"a.rego": "package a\n\nx if input.q\n\ny if input.r"}
	_, err = policy.Compile(modules, policies.InputSchema, time.Second)
	require.ErrorContains(t, err, "a.rego:3:6: undefined ref: input.q")
	require.ErrorContains(t, err, "a.rego:5:6: undefined ref: input.r")
}

func TestCompileArguments(t *testing.T) {
	_, err := policy.Compile(nil, policies.InputSchema, 0)
	require.ErrorContains(t, err, "must be positive")
	_, err = policy.Compile(nil, policies.InputSchema, -time.Second)
	require.ErrorContains(t, err, "must be positive")
	_, err = policy.Compile(nil, []byte("{"), time.Second)
	require.ErrorContains(t, err, "not JSON")
	for _, none := range []policy.Modules{nil, {}, policy.Of(map[string]string{"a_test.rego": "package a", "decisions.yaml": ""})} {
		_, err = policy.Compile(none, policies.InputSchema, time.Second)
		require.ErrorContains(t, err, "there are none")
		require.Equal(t, authz.Invalid, authz.KindOf(err))
	}
}

func TestBind(t *testing.T) {
	modules := policy.Modules{
		"a.rego": "package presets.a\n\ndecision := 1", "b.rego": "package b\n\ndecision := 1 if input.context.x",
		"b2.rego": "package b\n\ndecision := 2 if input.context.y", "c.rego": "package c\n\nother := 1",
	}
	p, err := policy.Compile(modules, policies.InputSchema, time.Second)
	require.NoError(t, err)
	require.Equal(t, []string{"b", "presets.a"}, p.Packages())
	require.Equal(t, modules.Revision(), p.Revision())
	for _, name := range []string{"presets.a", "b"} {
		_, err = p.Bind(&authz.Bundle{Portal: authz.Portal{Policy: name}})
		require.NoError(t, err)
	}
	for _, name := range []string{"c", "presets", "", "a b", "presets.a.decision", `x"]`, "input"} {
		_, err = p.Bind(&authz.Bundle{Portal: authz.Portal{Policy: name}})
		require.Equal(t, authz.Invalid, authz.KindOf(err), name)
		require.ErrorContains(t, err, "there are: b, presets.a")
	}
	_, err = p.Bind(&authz.Bundle{Portal: authz.Portal{Policy: "b", Settings: map[string]any{"x": make(chan int)}}})
	require.Equal(t, authz.Invalid, authz.KindOf(err))
}

// TestCountsSameLogin gives policies that read the number of those who share a
// login in every way there is, and some that do not.
func TestCountsSameLogin(t *testing.T) {
	for source, want := range map[string]bool{
		`decision if input.user.same_login == 0`:    true,
		`decision if input.user["same_login"] == 0`: true,
		"decision := 1 if input.context.a\n\nelse := 2 if input.context.b\n\nelse := 3 if input.user.same_login > 1": true,
		"decision if not lone\n\nlone if input.user.same_login == 0":                                                 true,
		"decision := f(input.user)\n\nf(x) := x.same_login":                                                          true,
		"decision if input.actor.same_login == 0":                                                                    true,
		"decision if input.owner.same_login == 0":                                                                    true,
		"decision := 1\n\nadmission := input.actor.same_login":                                                       true,
		"decision := 1\n\nprovisioning := input.owner":                                                               true,
		`decision := input.user`:                                                                                     true,
		`decision := input`:                                                                                          true,
		`decision := [v | some v in input.user]`:                                                                     true,
		"decision if {\n\tsome name in [\"same_login\"]\n\tinput.user[name] == 0\n}":                                 true,
		`decision := object.get(input.user, "same_login", 0)`:                                                        true,
		`decision := object.get(input, ["user", "same_login"], 0)`:                                                   true,
		"decision if every x in [0] { x == input.user.same_login }":                                                  true,
		`decision if input.user.id == "same_login"`:                                                                  false,
		"decision if input.user.active\n\nother if input.user.same_login == 0":                                       false,
		`decision if input.context.same_login == 0`:                                                                  false,
		`decision := 1`: false,
	} {
		require.Equal(t, want, bind(t, time.Second, source).Reads().Logins, source)
	}
}
