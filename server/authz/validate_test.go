package authz_test

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

var epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// sound returns a world with one entity of each kind at least and no fault.
func sound() *authz.World {
	return &authz.World{
		Bundle: authz.Bundle{
			Portal: authz.Portal{
				ID: "storehut", Title: "Storehut", Policy: "presets.acumatica",
				Settings:        map[string]any{"n": int64(3), "f": 1.5, "l": []any{nil, true, "x"}},
				Features:        map[string]bool{"forum": true},
				Sharing:         []any{map[string]any{"rule": "a"}},
				ResourceScreens: map[string]map[string]string{"case": {"*": "cases", "create": "cases"}},
			},
			UserTypes: []authz.UserType{
				{ID: "admin", Linked: authz.LinkedContact, AllowedRoles: []authz.AllowedRole{{Role: "clerk"}}, Manages: []string{"user", "admin"}},
				{ID: "user", Linked: authz.LinkedEmployee},
			},
			Roles: []authz.Role{{ID: "clerk", Inherits: []string{"reader"}}, {ID: "reader"}},
			Screens: []authz.Node{
				{ID: "home", Kind: authz.Workspace},
				{ID: "more", Kind: authz.Workspace, Parent: "home"},
				{ID: "cases", Kind: authz.Screen, Parent: "home", AlsoIn: []string{"more"}},
				{ID: "grid", Kind: authz.Container, Parent: "cases"},
				{ID: "inner", Kind: authz.Container, Parent: "grid"},
				{ID: "save", Kind: authz.Element, Parent: "inner"},
				{ID: "print", Kind: authz.Element, Parent: "cases"},
				{ID: "lone", Kind: authz.Screen},
			},
			Rights: []authz.Right{{Role: "clerk", Node: "cases", Level: authz.Edit}, {Role: "reader", Node: "cases"}},
		},
		Accounts: []authz.Account{{ID: "acme", Parent: "group"}, {ID: "group"}},
		Contacts: []authz.Contact{{ID: "ann", Account: "acme"}, {ID: "bob"}},
		Users: []authz.User{{
			ID: "u1", Login: "ann@acme.example", UserType: "user", Account: "acme", Contact: "ann",
			Grants: []authz.Grant{{Role: "clerk", Until: epoch}, {Role: "clerk", From: epoch}, {Role: "reader"}},
		}, {ID: "u2"}},
		Records: []authz.Record{{Type: "case", ID: "1", Account: "acme", Contact: "ann"}, {Type: "article", ID: "1"}},
	}
}

func TestSoundWorldHasNoFaults(t *testing.T) {
	w := sound()
	require.Empty(t, w.Validate())
	require.Empty(t, w.Bundle.Validate())
	require.NoError(t, w.Validate().Err())
}

// nested returns a mapping with n lists and mappings within one another, itself included.
func nested(n int) map[string]any {
	var v any = "leaf"
	for range n - 1 {
		v = []any{v}
	}
	return map[string]any{"a": v}
}

func TestFaults(t *testing.T) {
	long := strings.Repeat("x", authz.MaxID+1)
	tests := []struct {
		name  string
		spoil func(w *authz.World)
		want  []string // "path: beginning of the message"
	}{
		{"portal id", func(w *authz.World) { w.Portal.ID = "Store Hut" }, []string{`portal.id: "Store Hut" cannot be a portal's id`}},
		{"portal id too long", func(w *authz.World) { w.Portal.ID = strings.Repeat("a", 64) }, []string{`portal.id: "aaa`}},
		{"portal id begins with a dot", func(w *authz.World) { w.Portal.ID = ".." }, []string{`portal.id: ".." cannot`}},
		{"portal title", func(w *authz.World) { w.Portal.Title = "\xff" }, []string{`portal.title: "\xff" is not valid UTF-8`}},
		{"policy missing", func(w *authz.World) { w.Portal.Policy = "" }, []string{`portal.policy: is missing`}},
		{"policy", func(w *authz.World) { w.Portal.Policy = "presets.zoho-desk" }, []string{`portal.policy: "presets.zoho-desk" is no Rego package`}},
		{"policy dots", func(w *authz.World) { w.Portal.Policy = "presets..x" }, []string{`portal.policy: "presets..x" is no Rego package`}},
		{"policy digit", func(w *authz.World) { w.Portal.Policy = "presets.1x" }, []string{`portal.policy: "presets.1x" is no Rego package`}},
		{"policy too long", func(w *authz.World) { w.Portal.Policy = long }, []string{`portal.policy: "xxx`}},
		{"resource screen", func(w *authz.World) { w.Portal.ResourceScreens["case"]["create"] = "casse" },
			[]string{`portal.resource_screens.case.create: screen node "casse" does not exist; did you mean "cases"?`}},
		{"resource screen of another kind", func(w *authz.World) { w.Portal.ResourceScreens["case"]["*"] = "grid" },
			[]string{`portal.resource_screens.case.*: "grid" is a container: name a screen`}},
		{"resource type", func(w *authz.World) { w.Portal.ResourceScreens["a/b"] = nil }, []string{`portal.resource_screens["a/b"]: record type "a/b" holds a slash`}},
		{"value of another kind", func(w *authz.World) { w.Portal.Settings["n"] = 3 }, []string{`portal.settings.n: cannot hold a int`}},
		{"value not finite", func(w *authz.World) { w.Portal.Limits = map[string]any{"x y": math.Inf(1)} }, []string{`portal.limits["x y"]: +Inf is no finite number`}},
		{"value deep in a list", func(w *authz.World) { w.Portal.Sharing = []any{1.0, map[string]any{"k": []any{"\xff"}}} },
			[]string{`portal.sharing[1].k[0]: "\xff" is not valid UTF-8`}},
		{"value key", func(w *authz.World) { w.Portal.Settings["\xff"] = 1.0 }, []string{`portal.settings: key "\xff" must be valid`}},
		{"feature name", func(w *authz.World) { w.Portal.Features[""] = true }, []string{`portal.features: key "": is missing`}},
		{"values too deep", func(w *authz.World) { w.Records[0].Properties = nested(authz.MaxValueDepth + 1) },
			[]string{"records[0].properties.a" + strings.Repeat("[0]", authz.MaxValueDepth-1) + ": is nested too deep"}},

		{"type twice", func(w *authz.World) { w.UserTypes[1].ID = "admin"; w.UserTypes[0].Manages = nil; w.Users = nil },
			[]string{`user_types[1].id: user type "admin" is there twice: user_types[0] has the same id`}},
		{"linked", func(w *authz.World) { w.UserTypes[0].Linked = "person" }, []string{`user_types[0].linked: "person" is no linked entity: want contact or employee`}},
		{"allowed role", func(w *authz.World) { w.UserTypes[0].AllowedRoles[0].Role = "Clerk" },
			[]string{`user_types[0].allowed_roles[0]: role "Clerk" does not exist; did you mean "clerk"?`}},
		{"allowed role twice", func(w *authz.World) {
			w.UserTypes[0].AllowedRoles = append(w.UserTypes[0].AllowedRoles, authz.AllowedRole{Role: "clerk"})
		}, []string{`user_types[0].allowed_roles[1]: role "clerk" is listed twice: allowed_roles[0] is the same`}},
		{"managed types", func(w *authz.World) { w.UserTypes[0].Manages = []string{"zzz", "user", "user"} },
			[]string{`user_types[0].manages[0]: user type "zzz" does not exist: add it to user_types or remove`, `user_types[0].manages[2]: user type "user" is listed twice`}},
		{"cycle of types", func(w *authz.World) { w.UserTypes[1].Manages = []string{"admin"} },
			[]string{`user_types[1].manages[0]: managed user types form a cycle: admin > user > admin`}},

		{"role id", func(w *authz.World) { w.Roles[1].ID = long; w.Roles[0].Inherits, w.Rights, w.Users = nil, nil, nil }, []string{`roles[1].id: "xxx`}},
		{"role id missing", func(w *authz.World) { w.Roles = append(w.Roles, authz.Role{}) }, []string{`roles[2].id: is missing`}},
		{"role id control", func(w *authz.World) { w.Roles = append(w.Roles, authz.Role{ID: "a\nb"}) }, []string{`roles[2].id: "a\nb" holds a control character at byte 1`}},
		{"role id utf-8", func(w *authz.World) { w.Roles = append(w.Roles, authz.Role{ID: "a\xc3"}) }, []string{`roles[2].id: "a\xc3" is not valid UTF-8`}},
		{"inherits", func(w *authz.World) { w.Roles[0].Inherits = []string{"raeder", ""} },
			[]string{`roles[0].inherits[0]: role "raeder" does not exist; did you mean "reader"?`, `roles[0].inherits[1]: is missing: name a role`}},
		{"role inherits itself", func(w *authz.World) { w.Roles[1].Inherits = []string{"reader"} },
			[]string{`roles[1].inherits[0]: roles inherit in a cycle: reader > reader`}},
		{"two cycles", func(w *authz.World) {
			w.Roles[1].Inherits = []string{"x", "clerk"}
			w.Roles = append(w.Roles, authz.Role{ID: "x", Inherits: []string{"reader"}})
		}, []string{`roles[1].inherits[1]: roles inherit in a cycle: clerk > reader > clerk`, `roles[2].inherits[0]: roles inherit in a cycle: reader > x > reader`}},

		{"node twice", func(w *authz.World) { w.Screens = append(w.Screens, authz.Node{ID: "lone", Kind: authz.Workspace}) },
			[]string{`screens[8].id: screen node "lone" is there twice: screens[7]`}},
		{"node kind", func(w *authz.World) { w.Screens[6].Kind = "button" }, []string{`screens[6].kind: unknown kind "button"`}},
		{"node parent", func(w *authz.World) { w.Screens[7].Parent = "hme" }, []string{`screens[7].parent: screen node "hme" does not exist; did you mean "home"?`}},
		{"screen under screen", func(w *authz.World) { w.Screens[7].Parent = "cases" },
			[]string{`screens[7].parent: "cases" is a screen, and a screen cannot lie under it: want a workspace, or none`}},
		{"element at the root", func(w *authz.World) { w.Screens[6].Parent = "" }, []string{`screens[6].parent: is missing: an element lies under a container or a screen`}},
		{"container under workspace", func(w *authz.World) { w.Screens[3].Parent = "home" },
			[]string{`screens[3].parent: "home" is a workspace, and a container cannot lie under it: want a screen or a container`}},
		{"also in", func(w *authz.World) { w.Screens[2].AlsoIn = []string{"more", "lone", "more", "nowhere at all"} }, []string{
			`screens[2].also_in[1]: "lone" is a screen: name a workspace`,
			`screens[2].also_in[2]: workspace "more" is listed twice: also_in[0]`,
			`screens[2].also_in[3]: screen node "nowhere at all" does not exist: add it`}},
		{"cycle of nodes", func(w *authz.World) { w.Screens[0].Parent = "more" }, []string{`screens[1].parent: screen nodes are parents of one another: home > more > home`}},

		{"right", func(w *authz.World) { w.Rights[0] = authz.Right{Role: "x", Node: "y", Level: 9} },
			[]string{`rights[0].level: unknown level(9)`, `rights[0].role: role "x" does not exist`, `rights[0].node: screen node "y" does not exist`}},
		{"right twice", func(w *authz.World) { w.Rights[1].Role = "clerk" }, []string{`rights[1]: role "clerk" has two levels at node "cases": rights[0] gives the first`}},

		{"account parents", func(w *authz.World) { w.Accounts[1].Parent = "acme" }, []string{`accounts[1].parent: accounts are parents of one another: acme > group > acme`}},
		{"account parent", func(w *authz.World) { w.Accounts[0].Parent = "grop" }, []string{`accounts[0].parent: account "grop" does not exist; did you mean "group"?`}},
		{"contact account", func(w *authz.World) { w.Contacts[1].Account = "none" }, []string{`contacts[1].account: account "none" does not exist`}},

		{"user twice", func(w *authz.World) { w.Users[1].ID = "u1" }, []string{`users[1].id: user "u1" is there twice: users[0]`}},
		{"user references", func(w *authz.World) {
			w.Users[1] = authz.User{ID: "u2", UserType: "usr", Account: "acmee", Contact: "an"}
		}, []string{
			`users[1].user_type: user type "usr" does not exist; did you mean "user"?`,
			`users[1].account: account "acmee" does not exist; did you mean "acme"?`,
			`users[1].contact: contact "an" does not exist; did you mean "ann"?`}},
		{"user of another account", func(w *authz.World) { w.Users[0].Account = "group" },
			[]string{`users[0].account: is "group", but contact "ann" belongs to account "acme": make them the same`}},
		{"user of an account, contact of none", func(w *authz.World) { w.Users[0].Contact = "bob" },
			[]string{`users[0].account: is "acme", but contact "bob" belongs to no account`}},
		{"grant of nothing", func(w *authz.World) { w.Users[0].Grants[2].Role = "reeder" }, []string{`users[0].grants[2].role: role "reeder" does not exist; did you mean "reader"?`}},
		{"grant ends before it begins", func(w *authz.World) { w.Users[0].Grants[2].From, w.Users[0].Grants[2].Until = epoch, epoch },
			[]string{`users[0].grants[2].until: is 2026-03-01T09:00:00Z, not after from 2026-03-01T09:00:00Z`}},
		{"grants overlap", func(w *authz.World) { w.Users[0].Grants[0].Until = epoch.Add(time.Nanosecond) },
			[]string{`users[0].grants[1]: role "clerk" is granted twice at the same time: grants[0] overlaps`}},
		{"grants overlap within a long one", func(w *authz.World) {
			w.Users[0].Grants = []authz.Grant{{Role: "clerk", From: epoch.Add(3)}, {Role: "clerk"}, {Role: "clerk", From: epoch, Until: epoch.Add(1)}}
		}, []string{`users[0].grants[2]: role "clerk" is granted twice at the same time: grants[1]`, `users[0].grants[1]: role "clerk" is granted twice at the same time: grants[0]`}},

		{"record", func(w *authz.World) {
			w.Records[1] = authz.Record{Type: "a/b", ID: "\x00", Account: "acm", Contact: "bb"}
		}, []string{
			`records[1].type: record type "a/b" holds a slash`, `records[1].id: "\x00" holds a control character`,
			`records[1].account: account "acm" does not exist`, `records[1].contact: contact "bb" does not exist`}},
		{"record's parent", func(w *authz.World) {
			w.Records = append(w.Records, authz.Record{Type: "comment", ID: "1/a", Parent: "case/1"}, authz.Record{Type: "comment", ID: "1/b", Parent: "comment/1/c"},
				authz.Record{Type: "comment", ID: "1/c", Parent: "comment/1/b"})
		}, nil},
		{"record's parent is wrong", func(w *authz.World) {
			for _, parent := range []string{"case/11", "elsewhere/9", "1", "case/", "/1", "contact/ann", "account/acme", "comment/c9"} {
				w.Records = append(w.Records, authz.Record{Type: "comment", ID: fmt.Sprint("c", len(w.Records)), Parent: parent})
			}
		}, []string{
			`records[2].parent: record "case/11" does not exist; did you mean "case/1"?`, `records[3].parent: record "elsewhere/9" does not exist: add it`,
			`records[4].parent: "1" names no record: want its type and id`, `records[5].parent: "case/" names no record`, `records[6].parent: "/1" names no record`,
			`records[7].parent: "contact/ann" is no record: name it as the record's contact`, `records[8].parent: "account/acme" is no record`,
			`records[9].parent: is the record itself`,
		}},
		{"record twice", func(w *authz.World) { w.Records[1].Type = "case" }, []string{`records[1].id: record "1" of type "case" is there twice: records[0]`}},

		{"all at once, in order", func(w *authz.World) {
			w.Portal.ID, w.Roles[1].Inherits, w.Users[1].UserType = "", []string{"clerk"}, "x"
			w.Roles[0].Title = "\xff"
		}, []string{"portal.id:", "roles[0].title:", "roles[1].inherits[0]:", "users[1].user_type:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := sound()
			tt.spoil(w)
			faults := w.Validate()
			require.Len(t, faults, len(tt.want), "%v", faults)
			for i, want := range tt.want {
				require.True(t, strings.HasPrefix(faults[i].Path+": "+faults[i].Msg, want), "want %s\ngot  %s: %s", want, faults[i].Path, faults[i].Msg)
			}
		})
	}
}

func TestBundleSeesItselfAlone(t *testing.T) {
	w := sound()
	w.Users[0].UserType, w.Roles[0].Inherits = "x", []string{"y"}
	require.Len(t, w.Bundle.Validate(), 1)
}

// chain returns n roles, each of which inherits the next.
func chain(n int) []authz.Role {
	roles := make([]authz.Role, n)
	for i := range roles {
		roles[i].ID = fmt.Sprint("r", i)
		if i+1 < n {
			roles[i].Inherits = []string{fmt.Sprint("r", i+1)}
		}
	}
	return roles
}

func bare() *authz.World {
	return &authz.World{Bundle: authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "p"}}}
}

func TestChains(t *testing.T) {
	t.Run("as long as allowed", func(t *testing.T) {
		w := bare()
		w.Roles = chain(authz.MaxChain + 1)
		require.Empty(t, w.Validate())
	})
	t.Run("a link too long", func(t *testing.T) {
		w := bare()
		w.Roles = chain(authz.MaxChain + 2)
		require.Equal(t, authz.Faults{{Path: "roles[0].inherits[0]",
			Msg: "chain of inheriting roles has more than 10 links: r0 > r1 > r2 > r3 > r4 > r5 > r6 > r7 > r8 > r9 > r10 > r11: shorten it"}}, w.Validate())
	})
	t.Run("of managed types", func(t *testing.T) {
		w := bare()
		for _, r := range chain(authz.MaxChain + 2) {
			w.UserTypes = append(w.UserTypes, authz.UserType{ID: r.ID, Linked: authz.LinkedContact, Manages: append(r.Inherits, r.ID)})
		}
		faults := w.Validate()
		require.Len(t, faults, 1)
		require.Equal(t, "user_types[0].manages[0]", faults[0].Path)
		w.UserTypes = w.UserTypes[1:]
		require.Empty(t, w.Validate())
	})
	t.Run("reported once where it is shared", func(t *testing.T) {
		w := bare()
		w.Roles = append(chain(authz.MaxChain+2), authz.Role{ID: "x", Inherits: []string{"r0"}}, authz.Role{ID: "y", Inherits: []string{"r5", "r0"}})
		require.Len(t, w.Validate(), 1)
	})
	t.Run("not above a cycle", func(t *testing.T) {
		w := bare()
		w.Roles = chain(30)
		w.Roles[29].Inherits = []string{"r20"}
		faults := w.Validate()
		require.Len(t, faults, 1)
		require.Contains(t, faults[0].Msg, "r20 > r21 > r22 > r23 > r24 > r25 > r26 > r27 > r28 > r29 > r20:")
	})
	t.Run("node depth", func(t *testing.T) {
		w := bare()
		for i := range authz.MaxNodeDepth + 3 {
			n := authz.Node{ID: fmt.Sprint("w", i), Kind: authz.Workspace}
			if i > 0 {
				n.Parent = fmt.Sprint("w", i-1)
			}
			w.Screens = append(w.Screens, n)
		}
		faults := w.Validate()
		require.Len(t, faults, 1)
		require.Equal(t, "screens[16].parent", faults[0].Path)
		w.Screens = w.Screens[:authz.MaxNodeDepth]
		require.Empty(t, w.Validate())
	})
}

// within fails the test when f takes far longer than linear time does, on a busy
// machine and under the race detector too.
func within(t *testing.T, f func()) {
	t.Helper()
	start := time.Now()
	f()
	require.Less(t, time.Since(start), 30*time.Second)
}

func TestHugeInput(t *testing.T) {
	const n = 100_000
	t.Run("chain", func(t *testing.T) {
		w := bare()
		w.Roles = chain(n)
		within(t, func() { require.Len(t, w.Validate(), 1) })
	})
	t.Run("cycle", func(t *testing.T) {
		w := bare()
		w.Roles = chain(n)
		w.Roles[n-1].Inherits = []string{"r0"}
		within(t, func() {
			faults := w.Validate()
			require.Len(t, faults, 1)
			require.Contains(t, faults[0].Msg, "r0 > r1 >")
			require.Contains(t, faults[0].Msg, "> … 99977 more … >")
			require.Contains(t, faults[0].Msg, "> r99999 > r0:")
		})
	})
	t.Run("cycles one within another", func(t *testing.T) {
		w := bare()
		w.Roles = chain(n)
		for i := 1; i < n; i++ {
			w.Roles[i].Inherits = append(w.Roles[i].Inherits, "r0")
		}
		within(t, func() { require.Len(t, w.Validate(), n-1) })
	})
	t.Run("ladder with many ways", func(t *testing.T) {
		w := bare()
		for i := range n {
			r := authz.Role{ID: fmt.Sprint("r", i)}
			if layer := i / 2 % 10; layer < 9 && i+3 < n {
				next := (i/2 + 1) * 2
				r.Inherits = []string{fmt.Sprint("r", next), fmt.Sprint("r", next+1)}
			}
			w.Roles = append(w.Roles, r)
		}
		within(t, func() { require.Empty(t, w.Validate()) })
	})
	t.Run("every reference wrong", func(t *testing.T) {
		w := bare()
		w.Roles = chain(5000)
		for i := range 5000 {
			w.Roles[i].Inherits = nil
		}
		for i := range n {
			w.Users = append(w.Users, authz.User{ID: fmt.Sprint("u", i), Grants: []authz.Grant{{Role: fmt.Sprint("q", i)}}})
		}
		within(t, func() {
			faults := w.Validate()
			require.Len(t, faults, n)
			require.Contains(t, faults[0].Msg, "did you mean")
			require.NotContains(t, faults[n-1].Msg, "did you mean", "the work spent on suggestions is bounded")
		})
	})
	t.Run("a huge id is not repeated", func(t *testing.T) {
		w := bare()
		id := strings.Repeat("é", 500_000)
		for i := range 100 {
			w.Users = append(w.Users, authz.User{ID: fmt.Sprint(i), UserType: id, Attributes: map[string]any{id: 1}})
		}
		faults := w.Validate()
		require.Len(t, faults, 200)
		require.Less(t, len(faults.Error()), 100_000)
	})
	t.Run("grants", func(t *testing.T) {
		w := bare()
		w.Roles = chain(1)
		u := authz.User{ID: "u"}
		for i := range n {
			u.Grants = append(u.Grants, authz.Grant{Role: "r0", From: epoch.Add(time.Duration(i)), Until: epoch.Add(time.Duration(i + 1))})
		}
		w.Users = []authz.User{u}
		within(t, func() { require.Empty(t, w.Validate()) })
	})
	t.Run("values that hold one another", func(t *testing.T) {
		var v any = "leaf"
		for range authz.MaxValueDepth - 1 {
			v = []any{v, v, v, v, v, v, v, v, v, v}
		}
		w := bare()
		w.Portal.Settings = map[string]any{"a": v}
		within(t, func() {
			faults := w.Validate()
			require.Len(t, faults, 1)
			require.Contains(t, faults[0].Msg, "at most 10000")
		})
	})
	t.Run("a value that holds itself", func(t *testing.T) {
		m := map[string]any{}
		m["m"] = m
		w := bare()
		w.Portal.Settings = m
		require.Len(t, w.Validate(), 1)
	})
}

func TestValuesUpToTheBounds(t *testing.T) {
	w := bare()
	w.Portal.Settings = nested(authz.MaxValueDepth)
	list := make([]any, authz.MaxValues-2) // less the mapping and the list
	w.Portal.Limits = map[string]any{"l": list}
	require.Empty(t, w.Validate())
	w.Portal.Limits["l"] = append(list, nil)
	require.Len(t, w.Validate(), 1)
}

func TestNearest(t *testing.T) {
	known := map[string]bool{"view": true, "edit": true, "insert": true, "Customer User": true, "Customer Admin": true, "a": true, "": true}
	for name, want := range map[string]string{
		"veiw": "view", "VIEW": "view", "Custmer User": "Customer User", "customer admn": "Customer Admin",
		"inserted": "insert", "b": "a", "delete": "", "": "a", strings.Repeat("x", 300): "", "edits please": "",
	} {
		require.Equal(t, want, authz.Nearest(name, maps.Keys(known)), "%q", name)
	}
}

func BenchmarkValidate(b *testing.B) {
	w := bare()
	for i := range 5000 {
		r := authz.Role{ID: fmt.Sprint("role ", i)}
		if i%4 != 3 {
			r.Inherits = []string{fmt.Sprint("role ", i+1)}
		}
		w.Roles = append(w.Roles, r)
	}
	for i := range 200 {
		w.Screens = append(w.Screens, authz.Node{ID: fmt.Sprint("screen ", i), Kind: authz.Screen})
	}
	for i := range 20_000 {
		w.Rights = append(w.Rights, authz.Right{Role: w.Roles[i%5000].ID, Node: w.Screens[i/5000*50+i%50].ID, Level: authz.View})
	}
	for i := range 1000 {
		w.Accounts = append(w.Accounts, authz.Account{ID: fmt.Sprint("account ", i)})
	}
	for i := range 50_000 {
		id := fmt.Sprint("user ", i)
		w.Contacts = append(w.Contacts, authz.Contact{ID: id, Account: w.Accounts[i%1000].ID})
		w.Users = append(w.Users, authz.User{ID: id, Login: id, Account: w.Accounts[i%1000].ID, Contact: id, Flags: map[string]bool{"admin": true},
			Grants: []authz.Grant{{Role: w.Roles[i%5000].ID}, {Role: w.Roles[(i+7)%5000].ID, Until: epoch}}})
	}
	for i := range 10_000 {
		w.Records = append(w.Records, authz.Record{Type: "case", ID: fmt.Sprint(i), Properties: map[string]any{"a": "b", "c": int64(1), "d": []any{"e"}}})
	}
	b.ReportAllocs()
	for b.Loop() {
		if f := w.Validate(); len(f) > 0 {
			b.Fatal(f)
		}
	}
}
