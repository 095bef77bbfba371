package admin

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Refusal is one reason why a call is refused.
type Refusal struct {
	Place string // of the item in a batch, "items[3]"; empty in a write of one
	authz.Refusal
}

// Refused is a call that the policy does not let in, of kind authz.Forbidden, or a
// change that it or the portal's data does not accept, of kind authz.Rejected. All
// that speaks against it is there at once.
type Refused struct {
	Kind     authz.Kind
	Decision string // id of the decision
	Outcome  authz.Outcome
	Reason   string       // of the decision, when the call is not let in
	Refusals []Refusal    // by the policy
	Faults   authz.Faults // by the data; paths begin with the place of the item
}

// Error says how much speaks against the call, and the first of it.
func (r *Refused) Error() string {
	if r.Kind == authz.Forbidden {
		return fmt.Sprintf("the policy does not allow it: %s", r.Reason)
	}
	var all []string
	for _, f := range r.Faults {
		all = append(all, strings.TrimPrefix(f.Path+": "+f.Msg, ": "))
	}
	for _, x := range r.Refusals {
		all = append(all, strings.TrimPrefix(fmt.Sprintf("%s: %s (rule %s)", x.Path(), x.Reason, x.Rule), ": "))
	}
	return "refused: " + strings.Join(all, "; ")
}

// Unwrap returns the refusal as an error of its kind.
func (r *Refused) Unwrap() error { return authz.Errorf(r.Kind, "%s", r.Error()) }

// Path returns the place and the field together: "items[3].grants[0].role".
func (r *Refusal) Path() string { return join(r.Place, r.Field) }

// join puts a field behind a place.
func join(place, field string) string {
	if place == "" || field == "" || strings.HasPrefix(field, "[") {
		return place + field
	}
	return place + "." + field
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }
