package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// ChangeCase is one change of a portal's data, and what the policy must say of it:
// whether it is admitted, or what is to be done because of it.
type ChangeCase struct {
	Head
	Kind      Kind   // KindAdmission or KindProvisioning
	Actor     string // id of the user who writes; empty: the system itself
	Operation authz.Operation
	Entity    authz.Key
	Context   map[string]any
	Known     authz.Known
	Want      ChangeWant

	set *yamltree.Node // nil: none
	at  yamltree.Pos
}

// ChangeWant is what must be said of a change. Nil members are not compared. Of a
// refusal or a task, the members given must be equal; there must be exactly as many.
type ChangeWant struct {
	Refusals []map[string]any
	Defaults map[string]any
	Tasks    []map[string]any
}

func (p *parser) admission(n *yamltree.Node, path string) {
	c := p.startChange(KindAdmission, n)
	fields := p.changed(&c)
	fields["want"] = func(n *yamltree.Node, path string) {
		p.Object(n, path, yamltree.Fields{
			"refusals": p.members(&c.Want.Refusals, "rule", "field", "reason"),
			"defaults": p.exactly(&c.Want.Defaults),
		})
		p.present(n, path, "refusals", "[] for a change that is accepted")
	}
	p.finishChange(&c, fields, n, path, "want: {refusals: []}")
}

func (p *parser) provisioning(n *yamltree.Node, path string) {
	c := p.startChange(KindProvisioning, n)
	fields := p.changed(&c)
	fields["want"] = func(n *yamltree.Node, path string) {
		p.Object(n, path, yamltree.Fields{
			"tasks": p.members(&c.Want.Tasks, "id", "kind", "entity", "set", "template", "to", "after", "once"),
		})
		p.present(n, path, "tasks", "[] for nothing to do")
	}
	p.finishChange(&c, fields, n, path, "want: {tasks: []}")
}

func (p *parser) startChange(kind Kind, n *yamltree.Node) ChangeCase {
	return ChangeCase{Head: p.start(n), Kind: kind, at: n.Pos}
}

// changed are the keys that changes of both kinds share.
func (p *parser) changed(c *ChangeCase) yamltree.Fields {
	fields := p.head(&c.Head)
	maps.Copy(fields, yamltree.Fields{
		"actor":     p.Text(&c.Actor),
		"operation": p.operation(&c.Operation),
		"entity":    p.key(c),
		"set":       p.patch(&c.set),
		"context":   p.claims(&c.Context),
		"counts":    p.counts(&c.Known.Counts),
		"latches":   p.Texts(&c.Known.Latches),
	})
	return fields
}

func (p *parser) finishChange(c *ChangeCase, fields yamltree.Fields, n *yamltree.Node, path, want string) {
	p.Object(n, path, fields)
	p.checkHead(&c.Head, n, path)
	p.present(n, path, "operation", "create, update or delete")
	p.present(n, path, "entity", "user/ray.newman")
	if n.Kind == yamltree.Map && n.Get("want") == nil {
		p.Fault(n.Pos, yamltree.Dot(path, "want"), "is missing: add %s", want)
	}
	if c.Operation == authz.DeleteEntity && c.set != nil {
		p.Fault(c.set.Pos, yamltree.Dot(path, "set"), "cannot go with delete: leave it out")
	}
	p.suite.Changes = append(p.suite.Changes, *c)
}

func (p *parser) operation(dst *authz.Operation) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		p.String((*string)(dst), n, path)
		p.oneOf(n, path, string(*dst), string(authz.CreateEntity), string(authz.UpdateEntity), string(authz.DeleteEntity))
	}
}

func (p *parser) key(c *ChangeCase) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		c.at = n.Pos
		var s string
		if p.String(&s, n, path); n.Kind != yamltree.Text {
			return
		}
		var err error
		if c.Entity, err = authz.ParseKey(s); err != nil {
			p.Fault(n.Pos, path, "%s", err)
		}
	}
}

func (p *parser) patch(dst **yamltree.Node) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		if p.Is(n, path, yamltree.Map, "{active: false}") {
			*dst = n
		}
	}
}

func (p *parser) counts(dst *map[authz.CountName]int) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		if !p.Is(n, path, yamltree.Map, "{users: 1000}") {
			return
		}
		var names []string
		for _, name := range authz.CountNames() {
			names = append(names, string(name))
		}
		*dst = make(map[authz.CountName]int, len(n.Entries))
		for _, e := range n.Entries {
			at := yamltree.Dot(path, e.Key)
			if !slices.Contains(names, e.Key) {
				p.Fault(e.At, at, "unknown count %s%s", yamltree.Clip(e.Key), yamltree.Nearest(e.Key, names))
				continue
			}
			var count int
			p.count(&count)(e.Value, at)
			(*dst)[authz.CountName(e.Key)] = count
		}
	}
}

// members decodes a list of mappings with some of the keys. An empty list wants
// none.
func (p *parser) members(dst *[]map[string]any, keys ...string) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		*dst = []map[string]any{}
		yamltree.ListOf(&p.Decoder, dst, func(m *map[string]any, n *yamltree.Node, path string) {
			*m = map[string]any{}
			fields := yamltree.Fields{}
			for _, key := range keys {
				fields[key] = func(n *yamltree.Node, path string) { (*m)[key] = p.Free(n, path) }
			}
			p.Object(n, path, fields)
		})(n, path)
	}
}

// exactly decodes a mapping; an empty one wants nothing in it.
func (p *parser) exactly(dst *map[string]any) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		*dst = map[string]any{}
		if p.Is(n, path, yamltree.Map, "{active: true}") {
			*dst = p.Free(n, path).(map[string]any)
		}
	}
}

// change returns the case's change of the world.
func (c *ChangeCase) change(w *authz.World, file string) (*authz.Change, error) {
	old, changed, err := fixture.Change(w, file, c.Operation, c.Entity, c.set, c.at)
	if err != nil {
		return nil, err
	}
	return &authz.Change{
		Operation: c.Operation, Entity: c.Entity, Old: old, New: changed, Actor: c.Actor, Context: c.Context, Now: c.Now,
	}, nil
}

// question returns the change in one line: "kimberly.gibbs update user/ray".
func (c *ChangeCase) question() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Actor, c.Operation, c.Entity.Ref()))
}

// admissionDiffs returns what of the admission differs from what is wanted.
func (w *ChangeWant) admissionDiffs(got *authz.Admission) []Diff {
	var refusals []map[string]any
	for _, r := range got.Refusals {
		m := map[string]any{"rule": r.Rule, "reason": r.Reason}
		if r.Field != "" {
			m["field"] = r.Field
		}
		refusals = append(refusals, m)
	}
	diffs := listDiff("refusals", w.Refusals, refusals)
	if want, have := text(w.Defaults), text(orNone(got.Defaults)); w.Defaults != nil && want != have {
		diffs = append(diffs, Diff{"defaults", want, have})
	}
	return diffs
}

// provisioningDiffs returns what of the tasks differs from what is wanted.
func (w *ChangeWant) provisioningDiffs(got *authz.Provisioning) []Diff {
	var tasks []map[string]any
	for i := range got.Tasks {
		tasks = append(tasks, taskDocument(&got.Tasks[i]))
	}
	return listDiff("tasks", w.Tasks, tasks)
}

func taskDocument(t *authz.Task) map[string]any {
	m := map[string]any{"id": t.ID, "kind": string(t.Kind)}
	for name, s := range map[string]string{"entity": t.Entity.Ref(), "template": t.Template, "to": t.To} {
		if s != "" {
			m[name] = s
		}
	}
	if t.Set != nil {
		m["set"] = t.Set
	}
	if t.After != 0 {
		m["after"] = t.After.Seconds()
	}
	if t.Once {
		m["once"] = true
	}
	return m
}

// listDiff compares lists in whatever order: each that is wanted must have one of
// its own that has its members.
func listDiff(name string, want, got []map[string]any) []Diff {
	if want == nil || len(want) == len(got) && paired(want, got) {
		return nil
	}
	return []Diff{{name, text(want), text(append([]map[string]any{}, got...))}}
}

// paired reports whether each of want can have one of got to itself.
func paired(want, got []map[string]any) bool {
	taken := make([]int, len(got)) // 1 + the place in want
	var find func(i int, seen []bool) bool
	find = func(i int, seen []bool) bool {
		for j := range got {
			if seen[j] || !hasMembers(got[j], want[i]) {
				continue
			}
			seen[j] = true
			if taken[j] == 0 || find(taken[j]-1, seen) {
				taken[j] = i + 1
				return true
			}
		}
		return false
	}
	for i := range want {
		if !find(i, make([]bool, len(got))) {
			return false
		}
	}
	return true
}

// hasMembers reports whether got has all members of want; false and none are the
// same.
func hasMembers(got, want map[string]any) bool {
	for name, v := range want {
		have, ok := got[name]
		if !ok && v == false {
			continue
		}
		if !ok || text(have) != text(v) {
			return false
		}
	}
	return true
}
