package authz

import (
	"fmt"
	"time"
)

// Operation is what a Change does to an entity.
type Operation string

const (
	CreateEntity Operation = "create"
	UpdateEntity Operation = "update"
	DeleteEntity Operation = "delete"
)

// Change is one write of an administrator, or of the system, to one entity. A
// policy admits or refuses it, and says what else is to be done because of it.
type Change struct {
	Operation Operation
	Entity    Key
	Old, New  Stored         // nil for what is not there before, or not after
	Asked     Stored         // New as the writer asked for it, before the policy added to it; nil: as New
	Actor     string         // id of the user who writes; empty: the system itself
	Context   map[string]any // what the writer says; values as in a Query
	Now       time.Time      // zero: the moment of the judgement
	Alike     *Alike         // what was answered of other changes of the same call; nil: nothing is kept
}

// Validate returns an Invalid error when the change is not of one piece: when its
// operation, its entity and what it has before and after do not fit together.
func (c *Change) Validate() error {
	var before, after bool
	switch c.Operation {
	case CreateEntity:
		after = true
	case UpdateEntity:
		before, after = true, true
	case DeleteEntity:
		before = true
	default:
		return Errorf(Invalid, "unknown operation %s: want create, update or delete", quote(string(c.Operation))).At("operation")
	}
	if err := c.side("old", c.Old, before); err != nil {
		return err
	}
	return c.side("new", c.New, after)
}

// side checks one of the two states of the entity.
func (c *Change) side(name string, s Stored, wanted bool) error {
	switch {
	case s == nil && wanted:
		return Errorf(Invalid, "is missing: a change of operation %s has it", c.Operation).At(name)
	case s != nil && !wanted:
		return Errorf(Invalid, "is there, but a change of operation %s has none: leave it out", c.Operation).At(name)
	case s == nil:
		return nil
	case !IsStored(s):
		return Errorf(Invalid, "is a %T, which is no stored entity", s).At(name)
	case s.Key() != c.Entity:
		return Errorf(Invalid, "is %s, but the change is to %s: make them the same", s.Key(), c.Entity).At(name)
	}
	return nil
}

// Refusal is why a change is refused.
type Refusal struct {
	Rule   string // id of the rule
	Field  string // of the entity that is at fault; empty when none is
	Reason string
}

// RulePolicy is the rule of the refusals that the service makes because the policy
// gave no usable answer.
const RulePolicy = "policy"

// ReasonActorUnknown refuses a change by someone who is no user of the portal.
const ReasonActorUnknown = "actor_unknown"

// Admission is what a policy says of a change before it is made.
type Admission struct {
	Refusals []Refusal // in a fixed order; none: the change is accepted
	// Defaults are what an accepted change takes besides, as a merge patch (RFC
	// 7396) of New. Numbers in it are of type json.Number.
	Defaults map[string]any
	Err      error // why the service itself refused; for logs, never for callers
}

// Admitted reports whether the change is accepted.
func (a *Admission) Admitted() bool { return len(a.Refusals) == 0 && a.Err == nil }

// RefuseChange returns an Admission that refuses for one of the service's own
// reasons.
func RefuseChange(reason string, err error) Admission {
	return Admission{Refusals: []Refusal{{Rule: RulePolicy, Reason: reason}}, Err: err}
}

// TaskKind is what a Task does.
type TaskKind string

const (
	CreateTask     TaskKind = "create"
	UpdateTask     TaskKind = "update"
	DeactivateTask TaskKind = "deactivate"
	DeleteTask     TaskKind = "delete"
	MailTask       TaskKind = "mail"
)

// Task is one thing to be done because of a change.
type Task struct {
	ID     string // unique among the tasks of the change
	Kind   TaskKind
	Entity Key            // what it is done to; zero for a mail
	Set    map[string]any // merge patch of the entity; numbers are of type json.Number
	// Template and To are of a mail: what is sent, and to whom.
	Template, To string
	After        time.Duration // to wait first
	Once         bool          // runs one time per entity for ever
}

// Provisioning is what is to be done because of a change.
type Provisioning struct {
	Tasks []Task // by id
	Err   error  // why there are none
}

// FailProvisioning returns a Provisioning without tasks, for one of the service's
// own reasons.
func FailProvisioning(reason string, err error) Provisioning {
	if err == nil {
		return Provisioning{Err: Errorf(Internal, "%s: the policy says nothing of what is to be done", reason)}
	}
	return Provisioning{Err: fmt.Errorf("%s: %w", reason, err)}
}
