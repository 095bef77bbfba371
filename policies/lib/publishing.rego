# METADATA
# title: Publishing
# description: |
#   What keeps those who administer a portal's policy from approving a revision of it,
#   or from bringing it into force: `input.target.before` is the revision with what has
#   come of it. Whether it compiles, passes its cases and was tested under the
#   configuration in force is for the service to hold; nothing here lets anybody do
#   anything. `data.portal.settings.publishing` has
#
#   - `approvals`: how many users besides the author have to approve (0),
#   - `max_lost`, `max_gained`: how many users may lose, or gain, anything (any number),
#   - `suites: false`: a revision without a case may change somebody's access,
#   - `incomplete: true`: a preview that left something out will do.
#
#   A revision that was in force before, and the folder's policy, may be returned to at
#   once.
package lib.publishing

# METADATA
# description: The refusal of the call. None for a call that is refused for no reason of these.
refused := document if {
	input.action.name == "admin:approve"
	document := approval_refused
}

refused := document if {
	input.action.name == "admin:publish"
	not returned
	document := publication_refused
}

approval_refused := document if document := by_author

else := document if document := by_program

publication_refused := document if document := by_settings

else := document if document := by_check

else := document if document := by_preview

else := document if document := by_lock_out

else := document if document := by_gap

else := document if document := by_losses

else := document if document := by_gains

else := document if document := by_suites

else := document if document := by_approvals

# METADATA
# title: Nobody approves what they made
# custom: {id: own_revision, reason: own_revision}
by_author := {"outcome": "deny", "reason": "own_revision"} if author == input.user.id

# METADATA
# title: Programs approve nothing
# description: Who has a key for a program could have several, and approve as often.
# custom: {id: approver_is_no_user, reason: approver_is_no_user}
by_program := {"outcome": "deny", "reason": "approver_is_no_user"} if not input.user.id

# METADATA
# title: Settings that say nothing
# description: A bound that is no number would let everything pass.
# custom: {id: publishing_settings, reason: publishing_settings}
by_settings := {"outcome": "deny", "reason": "publishing_settings"} if misread

# METADATA
# title: Checked before it is published
# custom: {id: not_checked, reason: not_checked}
by_check := {"outcome": "deny", "reason": "not_checked"} if not revision.checked.ok == true

# METADATA
# title: Previewed before it is published
# custom: {id: not_previewed, reason: not_previewed}
by_preview := {"outcome": "deny", "reason": "not_previewed"} if not revision.difference

# METADATA
# title: Nobody would be left to administer the policy
# custom: {id: locks_out, reason: locks_out}
by_lock_out := {"outcome": "deny", "reason": "locks_out"} if not revision.difference.locked_out == false

# METADATA
# title: A preview that is whole
# custom: {id: preview_incomplete, reason: preview_incomplete}
by_gap := {"outcome": "deny", "reason": "preview_incomplete"} if {
	not revision.difference.complete == true
	not settings.incomplete == true
}

# METADATA
# title: More users lose something than may
# custom: {id: too_many_lose, reason: too_many_lose}
by_losses := {"outcome": "deny", "reason": "too_many_lose"} if revision.difference.lost > settings.max_lost

# METADATA
# title: More users gain something than may
# custom: {id: too_many_gain, reason: too_many_gain}
by_gains := {"outcome": "deny", "reason": "too_many_gain"} if revision.difference.gained > settings.max_gained

# METADATA
# title: Cases hold what changes somebody's access
# custom: {id: no_cases, reason: no_cases}
by_suites := {"outcome": "deny", "reason": "no_cases"} if {
	not tested
	revision.difference.gained + revision.difference.lost > 0
	not settings.suites == false
}

# METADATA
# title: Others are for it
# custom: {id: approvals_missing, reason: approvals_missing}
by_approvals := {"outcome": "deny", "reason": "approvals_missing"} if count(approvers) < settings.approvals

revision := input.target.before

tested if revision.checked.cases > 0

settings := data.portal.settings.publishing

# METADATA
# description: They are no mapping, or one of the bounds is no whole number of 0 or more.
misread if {
	some name in ["approvals", "max_lost", "max_gained"]
	bound := settings[name]
	not whole(bound)
}

misread if type_name(settings) != "object"

whole(bound) if {
	is_number(bound)
	bound >= 0
	bound == round(bound)
}

# METADATA
# description: |
#   The user who made the revision. One that a program made on its own has none, and
#   takes as many approvals as any other.
author := revision.user

# METADATA
# description: The users who are for it, each once, and its author not at all.
approvers contains approval.user if {
	some approval in revision.approvals
	not approval.user == author
}

# METADATA
# description: The revision was in force before, or it is the folder's policy.
returned if revision.publications[0]

returned if input.target.id == "0"
