package httpapi

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// question is one question as it was sent: a body, or an item of a batch. A
// member that is missing, or null, has its flag unset.
type question struct {
	subject  authz.Entity
	action   authz.Action
	resource authz.Entity
	context  map[string]any

	hasSubject, hasAction, hasResource, hasContext bool

	fault *authz.Error // why it cannot be asked, or nil
}

// semantics says when a batch ends.
type semantics uint8

const (
	executeAll semantics = iota
	denyOnFirstDeny
	permitOnFirstPermit
)

// ends reports whether an answer ends the batch.
func (m semantics) ends(allowed bool) bool {
	return m == denyOnFirstDeny && !allowed || m == permitOnFirstPermit && allowed
}

// stop is ends as a Decider asks for it; nil when every item is answered.
func (m semantics) stop() func(*authz.Decision) bool {
	if m == executeAll {
		return nil
	}
	return func(d *authz.Decision) bool { return m.ends(d.Allowed()) }
}

// envelope is the body of an evaluations request.
type envelope struct {
	question            // the defaults, or the only question when there are no items
	items    []question // in order
	order    semantics
	reasons  bool // answers carry their context
}

// one reads the body of an evaluation request.
func (r *reader) one(now time.Time) (authz.Query, error) {
	var q question
	err := r.document(func(name string) error { return r.member(&q, name) })
	if err != nil {
		return authz.Query{}, err
	}
	return q.alone(now)
}

// many reads the body of an evaluations request. An item that cannot be asked
// carries its fault. A fault outside of the items is an error, with one
// exception: a default that lacks a member is at fault only in items that use it.
func (r *reader) many() (*envelope, error) {
	e := new(envelope)
	err := r.document(func(name string) error {
		switch name {
		case "evaluations":
			return r.items(e)
		case "options":
			return r.options(e)
		default:
			return r.member(&e.question, name)
		}
	})
	return e, err
}

// document reads a whole body: one object, each member by the function given,
// and nothing after it.
func (r *reader) document(member func(name string) error) error {
	if kind := r.dec.PeekKind(); kind != '{' {
		if err := r.skip(); err != nil {
			return err
		}
		return authz.Errorf(authz.Invalid, "the body must be a JSON object, got %s", kindName(kind))
	}
	if err := r.members(member); err != nil {
		return err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return authz.Errorf(authz.Invalid, "the body has data after the JSON object: send one object alone")
	}
	if f := r.takeFault(); f != nil {
		return f
	}
	return nil
}

// members reads an object, each member by the function given. The name is "" for
// every member that this API does not know.
func (r *reader) members(member func(name string) error) error {
	if err := r.begin(); err != nil {
		return err
	}
	for {
		b, ok, err := r.name()
		if !ok || err != nil {
			return err
		}
		if err := member(known(b)); err != nil {
			return err
		}
	}
}

// known returns the name without an allocation when the API knows it, else "".
func known(name []byte) string {
	switch string(name) {
	case "subject":
		return "subject"
	case "action":
		return "action"
	case "resource":
		return "resource"
	case "context":
		return "context"
	case "type":
		return "type"
	case "id":
		return "id"
	case "name":
		return "name"
	case "properties":
		return "properties"
	case "evaluations":
		return "evaluations"
	case "options":
		return "options"
	case "evaluations_semantic":
		return "evaluations_semantic"
	case "reasons":
		return "reasons"
	default:
		return ""
	}
}

// member reads a member of a question.
func (r *reader) member(q *question, name string) (err error) {
	switch name {
	case "subject":
		q.hasSubject, err = r.entity(&q.subject)
	case "action":
		q.hasAction, err = r.action(&q.action)
	case "resource":
		q.hasResource, err = r.entity(&q.resource)
	case "context":
		q.context, q.hasContext, err = r.properties()
	default:
		err = r.skip()
	}
	return err
}

// entity reads a subject or a resource, and reports whether there is one.
func (r *reader) entity(e *authz.Entity) (bool, error) {
	ok, err := r.want('{')
	if !ok {
		return false, err
	}
	return true, r.members(func(name string) (err error) {
		switch name {
		case "type":
			e.Type, err = r.text()
		case "id":
			e.ID, err = r.text()
		case "properties":
			e.Properties, _, err = r.properties()
		default:
			err = r.skip()
		}
		return err
	})
}

// action reads an action, and reports whether there is one.
func (r *reader) action(a *authz.Action) (bool, error) {
	ok, err := r.want('{')
	if !ok {
		return false, err
	}
	return true, r.members(func(name string) (err error) {
		switch name {
		case "name":
			a.Name, err = r.text()
		case "properties":
			a.Properties, _, err = r.properties()
		default:
			err = r.skip()
		}
		return err
	})
}

// items reads the items of a batch. Those over the limit are counted, for the
// message, and not kept.
func (r *reader) items(e *envelope) error {
	ok, err := r.want('[')
	if !ok {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	outer := r.takeFault()
	for n := 0; ; n++ {
		ok, err := r.more(']')
		if err != nil {
			return err
		}
		if !ok {
			r.fault = outer
			return r.checkBatch(n)
		}
		if err := r.item(e, n); err != nil {
			return err
		}
	}
}

func (r *reader) checkBatch(n int) error {
	if n <= r.batch {
		return nil
	}
	return authz.Errorf(authz.Invalid, "has %d items: at most %d in one request, send them in several", n, r.batch).At("evaluations")
}

// item reads the n-th item.
func (r *reader) item(e *envelope, n int) error {
	if n >= r.batch {
		return r.skip()
	}
	var q question
	ok, err := r.want('{')
	switch {
	case err != nil:
		return err
	case ok:
		err = r.members(func(name string) error { return r.member(&q, name) })
	case r.fault == nil: // it was null
		r.blame("must be an object, got null")
	}
	q.fault = r.takeFault()
	e.items = append(e.items, q)
	return err
}

func (r *reader) options(e *envelope) error {
	ok, err := r.want('{')
	if !ok {
		return err
	}
	return r.members(func(name string) (err error) {
		switch name {
		case "evaluations_semantic":
			e.order, err = r.semantics()
		case "reasons":
			e.reasons, err = r.flag()
		default:
			err = r.skip()
		}
		return err
	})
}

func (r *reader) semantics() (semantics, error) {
	ok, err := r.want('"')
	if !ok {
		return executeAll, err
	}
	b, err := r.bytes()
	if err != nil {
		return executeAll, err
	}
	switch string(b) {
	case "execute_all":
		return executeAll, nil
	case "deny_on_first_deny":
		return denyOnFirstDeny, nil
	case "permit_on_first_permit":
		return permitOnFirstPermit, nil
	}
	r.blame("is unknown: want execute_all, deny_on_first_deny or permit_on_first_permit")
	return executeAll, nil
}

// alone returns the query that q asks without items and defaults.
func (q *question) alone(now time.Time) (authz.Query, error) {
	if lacks := q.lacks(); lacks != "" {
		return authz.Query{}, authz.Errorf(authz.Invalid, "is missing").At(lacks)
	}
	return q.query(now), nil
}

// resolve returns the query that the i-th item asks, with the defaults in place
// of the members that it lacks. A member of its own replaces the default whole.
func (e *envelope) resolve(i int, now time.Time) (authz.Query, *authz.Error) {
	own := &e.items[i]
	if own.fault != nil {
		return authz.Query{}, own.fault
	}
	q := *own
	q.inherit(&e.question)
	lacks := q.lacks()
	if lacks == "" {
		return q.query(now), nil
	}
	item := "evaluations[" + strconv.Itoa(i) + "]"
	member, _, deep := strings.Cut(lacks, ".")
	switch {
	case !deep:
		return authz.Query{}, authz.Errorf(authz.Invalid, "is missing, and the request has no default for it").At(item + "." + lacks)
	case own.has(member):
		return authz.Query{}, authz.Errorf(authz.Invalid, "is missing: %s here replaces the default whole", member).At(item + "." + lacks)
	default:
		return authz.Query{}, authz.Errorf(authz.Invalid, "is missing in the default that %s uses", item).At(lacks)
	}
}

// lacks returns the path of the first required member that q has not, or "".
func (q *question) lacks() string {
	switch {
	case !q.hasSubject:
		return "subject"
	case q.subject.Type == "":
		return "subject.type"
	case q.subject.ID == "":
		return "subject.id"
	case !q.hasAction:
		return "action"
	case q.action.Name == "":
		return "action.name"
	case !q.hasResource:
		return "resource"
	case q.resource.Type == "":
		return "resource.type"
	case q.resource.ID == "":
		return "resource.id"
	default:
		return ""
	}
}

// has reports whether q has the required member itself.
func (q *question) has(member string) bool {
	return member == "subject" && q.hasSubject || member == "action" && q.hasAction || member == "resource" && q.hasResource
}

func (q *question) inherit(d *question) {
	if !q.hasSubject {
		q.subject, q.hasSubject = d.subject, d.hasSubject
	}
	if !q.hasAction {
		q.action, q.hasAction = d.action, d.hasAction
	}
	if !q.hasResource {
		q.resource, q.hasResource = d.resource, d.hasResource
	}
	if !q.hasContext {
		q.context, q.hasContext = d.context, d.hasContext
	}
}

func (q *question) query(now time.Time) authz.Query {
	return authz.Query{Subject: q.subject, Action: q.action, Resource: q.resource, Context: q.context, Now: now}
}
