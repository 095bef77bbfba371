package policytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// Parse reads a suite; name stands for its file in messages. The error is a
// *[yamltree.Error] with everything that is wrong, each by line and column, or of
// kind TooLarge.
func Parse(name string, data []byte) (*Suite, error) {
	if len(data) > MaxSuite {
		return nil, authz.Errorf(authz.TooLarge, "%s: %d bytes; a suite has at most %d", name, len(data), MaxSuite)
	}
	var out yamltree.Collector
	p := &parser{Decoder: yamltree.Decoder{File: name, Out: &out}, suite: &Suite{File: name}}
	left := maxValues
	root, ok := yamltree.Parse(data, yamltree.Limits{Depth: maxDepth, Values: maxValues}, &left, func(at yamltree.Pos, msg string) {
		p.Fault(at, "", "%s", msg)
	})
	switch {
	case ok && root == nil:
		p.Fault(yamltree.Pos{Line: 1, Column: 1}, "", "is empty: want a mapping with portal, now and cases")
	case ok:
		p.read(root)
	}
	if err := out.Err(); err != nil {
		return nil, err
	}
	return p.suite, nil
}

// parser decodes one suite.
type parser struct {
	yamltree.Decoder
	suite *Suite
	given []Given // of the whole suite
}

// read decodes the suite's own settings first: every case begins from them.
func (p *parser) read(root *yamltree.Node) {
	later := func(*yamltree.Node, string) {}
	p.Object(root, "", yamltree.Fields{
		"portal": p.Text(&p.suite.Portal), "now": p.Time(&p.suite.Now), "given": p.patches(&p.given),
		"cases": later, "matrices": later, "admission": later, "provisioning": later, "pending": later,
	})
	if root.Kind != yamltree.Map {
		return
	}
	if root.Get("now") == nil {
		p.Fault(root.Pos, "now", "is missing: add the moment of the decisions, such as 2026-03-01T09:00:00Z")
	}
	p.each(root, "cases", p.oneCase)
	p.each(root, "matrices", p.matrix)
	p.each(root, "admission", p.admission)
	p.each(root, "provisioning", p.provisioning)
	p.each(root, "pending", p.pending)
}

// each decodes the items of a list that may be missing.
func (p *parser) each(root *yamltree.Node, name string, item func(*yamltree.Node, string)) {
	n := root.Get(name)
	if n == nil || !p.Is(n, name, yamltree.List, "- {id: AC-01, ...}") {
		return
	}
	for i, x := range n.Items {
		item(x, yamltree.Index(name, i))
	}
}

func (p *parser) pending(n *yamltree.Node, path string) {
	row := Pending{Line: n.Line}
	p.Object(n, path, yamltree.Fields{"id": p.Text(&row.ID), "reason": p.Text(&row.Reason)})
	p.needs(n, path, "id", "AC-14")
	p.needs(n, path, "reason", "why the row cannot be asked yet")
	p.suite.Pending = append(p.suite.Pending, row)
}

// present reports a member that a mapping lacks.
func (p *parser) present(n *yamltree.Node, path, member, example string) {
	if n.Kind == yamltree.Map && n.Get(member) == nil {
		p.Fault(n.Pos, yamltree.Dot(path, member), "is missing: add %s: %s", member, example)
	}
}

// needs reports a member that a mapping lacks or has empty.
func (p *parser) needs(n *yamltree.Node, path, member, example string) {
	p.present(n, path, member, example)
	if v := n.Get(member); v != nil && v.Kind == yamltree.Text && strings.TrimSpace(v.Text) == "" {
		p.Fault(v.Pos, yamltree.Dot(path, member), "is empty: want %s", example)
	}
}

// start returns the head of a case with the suite's settings.
func (p *parser) start(n *yamltree.Node) Head {
	return Head{Line: n.Line, Portal: p.suite.Portal, Given: p.given, Now: p.suite.Now}
}

// head are the keys that cases of all kinds share.
func (p *parser) head(h *Head) yamltree.Fields {
	return yamltree.Fields{
		"id":     p.Text(&h.ID),
		"name":   p.Text(&h.Name),
		"portal": p.Text(&h.Portal),
		"now":    p.Time(&h.Now),
		"given":  p.patches(&h.Given),
		"skip":   p.Text(&h.Skip),
		"only":   p.Bool(&h.Only),
	}
}

func (p *parser) checkHead(h *Head, n *yamltree.Node, path string) {
	p.needs(n, path, "id", "AC-01")
	if n.Get("skip") != nil {
		p.needs(n, path, "skip", "the reason why the case is not run")
	}
	if h.Portal == "" && n.Kind == yamltree.Map {
		p.Fault(n.Pos, yamltree.Dot(path, "portal"), "is missing: name the portal that is asked, here or for the whole suite")
	}
}

// claimed are the keys that cases and matrices share.
func (p *parser) claimed(c *Case) yamltree.Fields {
	fields := p.head(&c.Head)
	maps.Copy(fields, yamltree.Fields{
		"subject_properties": p.claims(&c.Query.Subject.Properties),
		"action_properties":  p.claims(&c.Query.Action.Properties),
		"properties":         p.claims(&c.Query.Resource.Properties),
		"context":            p.claims(&c.Query.Context),
	})
	return fields
}

func (p *parser) oneCase(n *yamltree.Node, path string) {
	c := Case{Head: p.start(n)}
	fields := p.claimed(&c)
	maps.Copy(fields, yamltree.Fields{
		"subject":  p.entity(&c.Query.Subject, "user", "ray.newman"),
		"action":   p.Text(&c.Query.Action.Name),
		"resource": p.entity(&c.Query.Resource, "", "screen/SP408030"),
		"set":      p.patch(&c.set),
		"revision": p.revision(&c.revision),
		"want":     p.want(&c.Want),
	})
	c.at = n.Pos
	p.Object(n, path, fields)
	p.checkHead(&c.Head, n, path)
	p.checkSet(&c, path)
	p.checkRevision(&c, path)
	p.present(n, path, "subject", "ray.newman")
	p.needs(n, path, "action", "view")
	p.present(n, path, "resource", "screen/SP408030")
	if n.Kind == yamltree.Map && n.Get("want") == nil {
		p.Fault(n.Pos, yamltree.Dot(path, "want"), "is missing: add want: {outcome: allow}, or deny, challenge, hide")
	}
	p.add(c, n.Pos, path)
}

// checkSet reports a set of what writes nothing, or nothing that is stored.
func (p *parser) checkSet(c *Case, path string) {
	if c.set == nil {
		return
	}
	path = yamltree.Dot(path, "set")
	switch _, ok := authz.CallKey(c.Query.Resource); {
	case c.Query.Action.Name != authz.CreateCall && c.Query.Action.Name != authz.UpdateCall:
		p.Fault(c.set.Pos, path, "goes with the actions admin:create and admin:update alone: leave it out")
	case !ok:
		p.Fault(c.set.Pos, path, "is of no entity: name one as the resource, such as user/ray, right/Clerk/home or case/CS-1")
	}
}

// add adds a case within the bound.
func (p *parser) add(c Case, at yamltree.Pos, path string) {
	c.Query.Now = c.Now
	if len(p.suite.Cases) == MaxCases {
		p.Fault(at, path, "is one case too many: a suite has at most %d, those of its matrices included", MaxCases)
	}
	if len(p.suite.Cases) <= MaxCases {
		p.suite.Cases = append(p.suite.Cases, c)
	}
}

// entity decodes type/id, or an id alone where there is a type that goes without
// saying.
func (p *parser) entity(dst *authz.Entity, typ, example string) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		var s string
		p.String(&s, n, path)
		props := dst.Properties
		*dst = entity(s, typ)
		dst.Properties = props
		p.checkEntity(n, path, *dst, example)
	}
}

// entity splits type/id; without a slash the type is typ.
func entity(s, typ string) authz.Entity {
	if t, id, ok := strings.Cut(s, "/"); ok {
		return authz.Entity{Type: t, ID: id}
	}
	return authz.Entity{Type: typ, ID: s}
}

func (p *parser) checkEntity(n *yamltree.Node, path string, e authz.Entity, example string) {
	if n.Kind == yamltree.Text && (e.Type == "" || e.ID == "") {
		p.Fault(n.Pos, path, "is %s: want type/id, such as %s", yamltree.Clip(n.Text), example)
	}
}

func (p *parser) want(dst *Want) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		p.Object(n, path, yamltree.Fields{
			"outcome":     p.outcome(&dst.Outcome),
			"reason":      p.Text(&dst.Reason),
			"level":       p.level(&dst.Level),
			"fields":      p.access(&dst.Fields),
			"obligations": p.obligations(&dst.Obligations),
			"rules":       p.rules(&dst.Rules),
		})
		p.needs(n, path, "outcome", "allow, deny, challenge or hide")
	}
}

// oneOf reports text that is none of the words, and returns whether it is one.
func (p *parser) oneOf(n *yamltree.Node, path, got string, words ...string) bool {
	if n.Kind != yamltree.Text || slices.Contains(words, got) {
		return n.Kind == yamltree.Text
	}
	p.Fault(n.Pos, path, "is %s%s", yamltree.Clip(got), yamltree.Nearest(got, words))
	return false
}

func (p *parser) outcome(dst *authz.Outcome) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		p.String((*string)(dst), n, path)
		if *dst != "" {
			p.oneOf(n, path, string(*dst), string(authz.Allow), string(authz.Deny), string(authz.Challenge), string(authz.Hide))
		}
	}
}

func (p *parser) level(dst *string) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		p.String(dst, n, path)
		var names []string
		for l := authz.Revoked; l <= authz.Delete; l++ {
			names = append(names, l.String())
		}
		p.oneOf(n, path, *dst, names...)
	}
}

// access decodes {phone: write}. An empty mapping wants no fields.
func (p *parser) access(dst *map[string]authz.Access) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		if !p.Is(n, path, yamltree.Map, "{phone: write}") {
			return
		}
		*dst = map[string]authz.Access{}
		for _, e := range n.Entries {
			var s string
			at := yamltree.Dot(path, e.Key)
			p.String(&s, e.Value, at)
			p.oneOf(e.Value, at, s, string(authz.Hidden), string(authz.Read), string(authz.Write))
			(*dst)[e.Key] = authz.Access(s)
		}
	}
}

// obligations decodes a list of mappings. An empty list wants none.
func (p *parser) obligations(dst *[]map[string]any) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		*dst = []map[string]any{}
		yamltree.ListOf(&p.Decoder, dst, func(o *map[string]any, n *yamltree.Node, path string) {
			if p.Is(n, path, yamltree.Map, "{id: x}") {
				*o = p.Free(n, path).(map[string]any)
			}
		})(n, path)
	}
}

func (p *parser) rules(dst *[]string) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		*dst = []string{}
		p.Texts(dst)(n, path)
	}
}

// claims decodes a mapping into the values of a Query, which are what JSON
// decodes to.
func (p *parser) claims(dst *map[string]any) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		var free map[string]any
		p.Values(&free)(n, path)
		if len(free) == 0 {
			return
		}
		text, err := json.Marshal(free)
		if err == nil {
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.UseNumber()
			err = dec.Decode(dst)
		}
		if err != nil {
			p.Fault(n.Pos, path, "cannot be put as JSON: %v", err)
		}
	}
}

// patches decodes a patch, which comes after those that hold for all cases.
// Whether it fits the portal's data is for the data to tell.
func (p *parser) patches(dst *[]Given) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		if !p.Is(n, path, yamltree.Map, "{users: {ray.newman: {active: false}}}") || n.Blank() {
			return
		}
		var b strings.Builder
		canonical(&b, n)
		*dst = append(slices.Clone(*dst), Given{Text: b.String(), node: n})
	}
}

// canonical writes a tree so that equal trees are written alike, whatever the
// order of their keys.
func canonical(b *strings.Builder, n *yamltree.Node) {
	switch n.Kind {
	case yamltree.List:
		b.WriteByte('[')
		for _, x := range n.Items {
			canonical(b, x)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case yamltree.Map:
		entries := slices.SortedFunc(slices.Values(n.Entries), func(x, y yamltree.Entry) int { return strings.Compare(x.Key, y.Key) })
		b.WriteByte('{')
		for _, e := range entries {
			fmt.Fprintf(b, "%q:", e.Key)
			canonical(b, e.Value)
			b.WriteByte(',')
		}
		b.WriteByte('}')
	default:
		fmt.Fprintf(b, "%d%q", n.Kind, n.Text)
	}
}
