package accessdiff

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// outcome is what differs in the answers to one kind of question.
type outcome struct {
	kind   *kind
	places []place
	// classes are the subjects whose answers differ in the same way, as numbers of
	// comparison.subjects.
	classes []class
	allowed [2]bool // some stored user is allowed something
}

// place is where answers differ: a node, or records that stand in the same relation to
// who asks.
type place struct {
	resource *resource // of records the first
	many     bool      // records in this relation, and not the resource alone
	relation string
	records  map[int32]bool // numbers of kind.resources
}

type class struct {
	members []int32
	deltas  []delta
}

// delta is a difference at a place.
type delta struct {
	place   int32
	answers [2]*answer // before and after
}

// answer is a decision, of which the text tells what differs.
type answer struct {
	text    string
	allowed bool
	shown   Answer
	late    bool // the policy ran into its time limit
}

// pass compares the answers to subjects of one type.
type pass struct {
	c       *comparison
	kind    *kind
	out     *outcome
	typ     string
	scopes  [2]*policy.Scope
	same    bool // both sides answer by the same rules and settings
	memo    [2]map[cell]*answer
	known   map[string]*answer // by text, so that equal answers are one
	placeAt map[string]int32

	things  []thing           // by number of kind.resources
	related map[int32][]int32 // the resources that have an id
	shapes  []shape
	shapeOf []int32 // by number of kind.resources
}

// cell is all that an answer can depend on.
type cell struct {
	user, resource, rights int32
	equal                  pattern
}

// pattern tells which ids are equal, and which are not there: for each the place of the
// first that equals it, counted from 1, and 0 for none.
type pattern [4]uint64

const maxIDs = 32 // more than policy.Scope tells

// thing is a resource as both sides' policies can tell it.
type thing struct {
	text [2]int32
	ids  [2][]int32
	// rights are what each set of roles has there.
	rights [2][]int32
}

// shape are resources that are alike but for their ids.
type shape struct{ members []int32 }

// compare finds what differs in the answers to one kind of question.
func (c *comparison) compare(ctx context.Context, k *kind) (*outcome, error) {
	out := &outcome{kind: k}
	for _, typ := range []string{userSubject, anonymousSubject} {
		p := &pass{
			c: c, kind: k, out: out, typ: typ, known: map[string]*answer{}, placeAt: map[string]int32{}, related: map[int32][]int32{},
		}
		if err := p.run(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *pass) run(ctx context.Context) error {
	for i, s := range p.c.both {
		p.memo[i] = map[cell]*answer{}
		if i == 1 && p.c.samePolicy() {
			p.scopes[1] = p.scopes[0]
			continue
		}
		scope, err := s.scope(policy.Kind{Subject: p.typ, Resource: p.kind.resources[0].Type, Action: p.kind.action})
		if err != nil {
			return err
		}
		p.scopes[i] = scope
	}
	if p.same = p.scopes[0] != nil && p.scopes[1] != nil && p.scopes[0].Digest() == p.scopes[1].Digest(); p.same {
		p.memo[1] = p.memo[0]
	}
	for _, s := range p.scopes {
		if s == nil {
			continue
		}
		if user, other := s.IDs(); len(user)+len(other) > maxIDs {
			return authz.Errorf(authz.Internal, "the policy compares %d ids with one another: at most %d are told apart", len(user)+len(other), maxIDs)
		}
	}
	p.lookAt()
	for _, cl := range p.classesOf() {
		if err := p.class(ctx, &cl); err != nil {
			return err
		}
		p.c.progress(int64(len(cl.members)) * int64(len(p.kind.resources)))
		if len(cl.deltas) > 0 {
			p.out.classes = append(p.out.classes, class{cl.members, cl.deltas})
		}
	}
	return nil
}

func (p *pass) query(r *resource) authz.Query {
	q := authz.Query{Action: authz.Action{Name: p.kind.action}, Resource: r.Entity, Now: p.c.options.Now}
	q.Subject.Type = p.typ
	return q
}

// lookAt describes the resources as the policies can tell them.
func (p *pass) lookAt() {
	p.things = make([]thing, len(p.kind.resources))
	p.shapeOf = make([]int32, len(p.kind.resources))
	alike := map[string]int32{}
	for n := range p.kind.resources {
		r, t := &p.kind.resources[n], &p.things[n]
		q := p.query(r)
		for i, s := range p.c.both {
			if p.scopes[i] == nil {
				continue
			}
			f := s.facts(&q, s.entities(&q))
			x := p.scopes[i].Resource(&q.Resource, &f)
			t.text[i], t.ids[i] = p.c.texts.of("resource "+x.Text), p.c.numbers(x.IDs)
			if n > 0 && !authz.NodeKind(r.Type).Valid() {
				t.rights[i] = p.things[0].rights[i] // all are shown on one screen
				continue
			}
			t.rights[i] = p.c.rights[i].of(&q, p.scopes[i].Rights())
		}
		key := fmt.Sprint(t.text, patternOf(nil, t.ids[0]), patternOf(nil, t.ids[1]))
		if authz.NodeKind(r.Type).Valid() {
			key = r.ID // each has rights of its own
		}
		at, known := alike[key]
		if !known {
			at = int32(len(p.shapes))
			alike[key] = at
			p.shapes = append(p.shapes, shape{})
		}
		p.shapes[at].members = append(p.shapes[at].members, int32(n))
		p.shapeOf[n] = at
		p.relate(int32(n))
	}
}

// relate takes down the ids of a resource.
func (p *pass) relate(n int32) {
	for _, ids := range p.things[n].ids {
		for _, id := range ids {
			if all := p.related[id]; id != 0 && (len(all) == 0 || all[len(all)-1] != n) {
				p.related[id] = append(all, n)
			}
		}
	}
}

// asker are subjects whom neither side's policy can tell apart in questions of the kind.
type asker struct {
	members []int32
	text    [2]int32
	ids     [2][]int32
	roles   [2]int32
	deltas  []delta
}

// classesOf groups the subjects.
func (p *pass) classesOf() []asker {
	var all []asker
	at := map[string]int{}
	var key []byte
	var people [2][]told
	for i, s := range p.scopes {
		if s != nil {
			people[i] = p.c.people[i].of(s)
		}
	}
	for n, who := range p.c.subjects {
		if who.typ != p.typ {
			continue
		}
		var a asker
		key = key[:0]
		for i := range p.c.both {
			if p.scopes[i] == nil {
				continue
			}
			a.text[i], a.ids[i] = people[i][n].text, people[i][n].ids
			if read := p.scopes[i].Rights(); read.Rights || read.Fields {
				a.roles[i] = p.c.roles[i][n]
			}
			key = binary.AppendVarint(binary.AppendVarint(key, int64(a.text[i])), int64(a.roles[i]))
			own := patternOf(a.ids[i], nil)
			for k, id := range a.ids[i] {
				if len(p.related[id]) > 0 {
					key = binary.AppendVarint(key, int64(id))
				} else {
					key = binary.AppendVarint(key, -1-int64(own.at(k)))
				}
			}
		}
		x, known := at[string(key)]
		if !known {
			x = len(all)
			at[string(key)] = x
			all = append(all, a)
		}
		all[x].members = append(all[x].members, int32(n))
	}
	return all
}

// patternOf returns which of the ids are equal.
func patternOf(first, second []int32) (e pattern) {
	at := func(i int) int32 {
		if i < len(first) {
			return first[i]
		}
		return second[i-len(first)]
	}
	for i := range len(first) + len(second) {
		v := at(i)
		if v == 0 {
			continue
		}
		same := i
		for k := range i {
			if at(k) == v {
				same = k
				break
			}
		}
		e[i/8] |= uint64(same+1) << (i % 8 * 8)
	}
	return e
}

func (e pattern) at(i int) uint64 { return e[i/8] >> (i % 8 * 8) & 0xff }

// class compares the answers to the subjects of one class: at each resource with an id
// of theirs, and of the others once at each that is alike.
func (p *pass) class(ctx context.Context, a *asker) error {
	met := map[int32]bool{}
	metOf := map[int32]int{}
	for i := range p.c.both {
		for _, id := range a.ids[i] {
			for _, n := range p.related[id] {
				if !met[n] {
					met[n] = true
					metOf[p.shapeOf[n]]++
				}
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(met)) {
		if err := p.cell(ctx, a, n, func() []int32 { return []int32{n} }); err != nil {
			return err
		}
	}
	for i := range p.shapes {
		all := p.shapes[i].members
		if metOf[int32(i)] == len(all) {
			continue
		}
		first := slices.IndexFunc(all, func(n int32) bool { return !met[n] })
		others := func() []int32 {
			if metOf[int32(i)] == 0 {
				return all
			}
			return slices.DeleteFunc(slices.Clone(all), func(n int32) bool { return met[n] })
		}
		if err := p.cell(ctx, a, all[first], others); err != nil {
			return err
		}
	}
	return nil
}

// cell compares the answers at one resource, which stands for all of them.
func (p *pass) cell(ctx context.Context, a *asker, n int32, all func() []int32) error {
	t := &p.things[n]
	var cells [2]cell
	for i := range cells {
		cells[i] = cell{user: a.text[i], resource: t.text[i], equal: patternOf(a.ids[i], t.ids[i])}
		if t.rights[i] != nil {
			cells[i].rights = t.rights[i][a.roles[i]]
		}
	}
	if p.same && cells[0] == cells[1] && !p.administers() {
		return nil
	}
	var answers [2]*answer
	for i := range answers {
		known := p.memo[i][cells[i]]
		if known == nil {
			if err := ctx.Err(); err != nil {
				return err
			}
			known = p.ask(ctx, i, a.members[0], n)
			p.memo[i][cells[i]] = known
		}
		answers[i] = known
		p.out.allowed[i] = p.out.allowed[i] || known.allowed && p.typ == userSubject
	}
	if answers[0].late || answers[1].late || answers[0].text == answers[1].text {
		return nil
	}
	if p.kind.action != OtherAction || answers[0].allowed != answers[1].allowed {
		p.differ(a, all(), answers)
	}
	return nil
}

// administers reports whether the questions are about administration, of which is
// wanted whether anybody is allowed it.
func (p *pass) administers() bool { return strings.HasPrefix(p.kind.action, "admin:") }

// ask has one side decide.
func (p *pass) ask(ctx context.Context, i int, who, n int32) *answer {
	s := p.c.both[i]
	q := p.query(&p.kind.resources[n])
	q.Subject.ID = p.c.subjects[who].id
	ents := s.entities(&q)
	ents.User = p.c.principals[i][who]
	p.c.evaluated.Add(1)
	d := s.decide(ctx, &q, ents)
	if d.Reason == authz.ReasonPolicyTimeout {
		d = s.decide(ctx, &q, ents)
	}
	x := &answer{allowed: d.Allowed(), shown: Answer{d.Outcome, d.Reason, d.Level, d.Fields}, late: d.Reason == authz.ReasonPolicyTimeout}
	if x.late {
		p.c.late.Add(1)
	}
	x.text = fmt.Sprintf("%q %q %q %q %v", d.Outcome, d.Reason, d.Level, sortedFields(d.Fields), d.Obligations)
	if known := p.known[x.text]; known != nil {
		return known
	}
	p.known[x.text] = x
	return x
}

func sortedFields(fields map[string]authz.Access) []string {
	all := make([]string, 0, len(fields))
	for name, a := range fields {
		all = append(all, name+"="+string(a))
	}
	slices.Sort(all)
	return all
}

// differ takes down that the answers differ at the resources.
func (p *pass) differ(a *asker, all []int32, answers [2]*answer) {
	if r := &p.kind.resources[all[0]]; p.c.options.Each || authz.NodeKind(r.Type).Valid() || r.fresh || len(p.kind.resources) == 1 {
		for _, n := range all {
			p.note(a, p.place(fmt.Sprint(n), place{resource: &p.kind.resources[n]}), n, answers)
		}
		return
	}
	relation := p.relation(a, all[0])
	at := p.place(relation, place{resource: &p.kind.resources[all[0]], many: true, relation: relation})
	for _, n := range all {
		p.note(a, at, n, answers)
	}
}

func (p *pass) place(key string, x place) int32 {
	at, known := p.placeAt[key]
	if !known {
		at = int32(len(p.out.places))
		p.placeAt[key] = at
		x.records = map[int32]bool{}
		p.out.places = append(p.out.places, x)
	}
	return at
}

func (p *pass) note(a *asker, at, n int32, answers [2]*answer) {
	p.out.places[at].records[n] = true
	d := delta{place: at, answers: answers}
	if len(a.deltas) > 0 && a.deltas[len(a.deltas)-1] == d {
		return
	}
	a.deltas = append(a.deltas, d)
}

// relation says how the record stands to who asks, as far as the policies ask; "" for
// one that is nobody's.
func (p *pass) relation(a *asker, n int32) string {
	owned := false
	for _, i := range []int{1, 0} {
		if p.scopes[i] == nil || len(a.ids[i]) == 0 {
			continue
		}
		user, record := p.scopes[i].IDs()
		owned = owned || belongs(record, p.things[n].ids[i])
		var all []string
		for k, mine := range user {
			if name := shared(mine, a.ids[i][k], record, p.things[n].ids[i]); name != "" && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
		if len(all) > 0 {
			return strings.Join(all, ", ")
		}
	}
	if !owned {
		return ""
	}
	return "of others"
}

// belongs reports whether the record has an id of somebody else.
func belongs(record []string, ids []int32) bool {
	for k, path := range record {
		if ids[k] != 0 && !strings.HasSuffix(path, ".id") {
			return true
		}
	}
	return false
}

// relations are the words for ids that are equal.
var relations = map[string]string{
	"user.contact=record.contact": "of the own contact", "user.account=record.account": "of the own account",
	"user.id=record.owner": "owned", "subject.id=record.owner": "owned", "user.id=target.id": "themselves", "subject.id=target.id": "themselves",
	"user.account=target.account": "of the own account",
}

// shared says which of the record's ids the one of who asks is; "" for none. Of several,
// the one that there are words for.
func shared(mine string, id int32, record []string, ids []int32) string {
	name := ""
	for k, its := range record {
		if id == 0 || ids[k] != id {
			continue
		}
		if words := relations[mine+"="+its]; words != "" {
			return words
		}
		if name == "" {
			name = mine + " = " + its
		}
	}
	return name
}
