package presets.authzen

import data.lib.calls
import data.lib.publishing

# METADATA
# title: Administration calls
# description: The scenario has nobody who administers it, so only callers without a user do.
call := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "deny", "reason": "acting_unsupported"} if input.context.actor

else := document if {
	document := publishing.refused
	administers
}

else := document if document := called

else := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "user_unknown"} if not input.user.id

else := {"outcome": "deny", "reason": "not_administrator"}

# METADATA
# description: The call is made by one who administers everything, the policy included.
administers if called

# METADATA
# title: Calls of programs and of the command line
# custom: {id: caller_call, reason: caller}
called := {"outcome": "allow", "reason": "caller"} if calls.by_caller
