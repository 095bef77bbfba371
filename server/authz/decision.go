package authz

import "time"

// Outcome is what a decision comes to.
type Outcome string

const (
	Allow     Outcome = "allow"
	Deny      Outcome = "deny"
	Challenge Outcome = "challenge" // log in and ask again
	Hide      Outcome = "hide"      // deny, and do not show that it exists
)

// Reasons that the service gives itself when no policy could. Those of a policy
// are its own.
const (
	ReasonPolicyMissing    = "policy_missing"    // the portal's policy package is not loaded
	ReasonPolicyUndefined  = "policy_undefined"  // the policy has no answer to this question
	ReasonPolicyMalformed  = "policy_malformed"  // the policy's answer is no decision document
	ReasonPolicyError      = "policy_error"      // evaluation failed
	ReasonPolicyTimeout    = "policy_timeout"    // evaluation took longer than its limit
	ReasonStoreUnavailable = "store_unavailable" // a fact could not be read
	ReasonNotReady         = "not_ready"         // the portal's data is not loaded
)

// Access is what a policy may say of one field.
type Access string

const (
	Hidden Access = "hidden"
	Read   Access = "read"
	Write  Access = "write"
)

// Decision is the answer to one Query.
type Decision struct {
	Outcome     Outcome
	Reason      string
	Level       string // name of the level that the user has there; empty when the policy names none
	Fields      map[string]Access
	Obligations []map[string]any // what the portal must do along with an allow
	Revision    int64            // revision of the portal's data that decided
	Policy      string           // digest of the policy that decided
	// PolicyRevision is the number of the PolicyRevision that decided; 0: the folder's policy.
	PolicyRevision int64
	Now            time.Time // the moment for which it was decided
	Err            error     // why the service itself refused; for logs, never for callers
}

// Allowed reports whether the outcome is Allow, the one that lets anyone do anything.
func (d *Decision) Allowed() bool { return d.Outcome == Allow }

// Refuse returns a Deny for one of the service's own reasons.
func Refuse(reason string, err error) Decision {
	return Decision{Outcome: Deny, Reason: reason, Err: err}
}
