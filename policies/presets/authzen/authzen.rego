# METADATA
# title: AuthZEN certification scenario
# description: |
#   The fixture against which a decision point is certified for the OpenID AuthZEN
#   Authorization API 1.0: two users, two records, three actions. What is stored
#   decides; `README.md` beside this file says what a caller's properties change.
# related_resources:
# - description: Authorization API 1.0, certification scenario
#   ref: https://github.com/openid/authzen/blob/main/certification/authorization-api-1_0-scenario.md
package presets.authzen

# METADATA
# title: The decision
# description: |
#   The first that holds. Only `granted`, for a stored and active user, lets anyone
#   do anything; what follows it only says why not.
# entrypoint: true
# custom:
#   reasons:
#     granted: A role of the user lets it do this to the record as it is.
#     login_required: Nobody is logged in.
#     user_unknown: The portal has no such user.
#     user_inactive: The user is deactivated.
#     acting_unsupported: This portal lets nobody act as somebody else.
#     action_unknown: Nothing but records is known, nor another action than read, write and delete.
#     record_unknown: The portal has no such record.
#     archived: The record is archived.
#     soft_only: Records are deleted softly only.
#     not_granted: No role of the user lets it do this to the record.
#     caller: No user stands behind the administration call, which the operator lets the caller make.
#     not_administrator: Nobody in the scenario makes administration calls.
#     own_revision: Whoever made a revision of the policy does not approve it.
#     approver_is_no_user: Only users approve a revision of the policy, and no program does.
#     publishing_settings: The portal's settings for publishing cannot be read.
#     not_checked: The revision of the policy has not passed a check.
#     not_previewed: Nobody has looked at whose access the revision of the policy changes.
#     locks_out: Nobody would be left to administer the policy.
#     preview_incomplete: The preview left something out.
#     too_many_lose: More users lose something than the portal's settings allow.
#     too_many_gain: More users gain something than the portal's settings allow.
#     no_cases: The revision of the policy changes somebody's access, and no case holds it.
#     approvals_missing: Fewer users than the portal's settings ask for have approved the revision of the policy.
decision := document if {
	input.action.name in {"admin:read", "admin:create", "admin:update", "admin:delete", "admin:approve", "admin:publish"}
	document := call
}

else := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "deny", "reason": "acting_unsupported"} if input.context.actor

else := document if {
	input.user.active == true
	document := granted
}

else := {"outcome": "deny", "reason": "user_unknown"} if not input.user.id

else := {"outcome": "deny", "reason": "action_unknown"} if not known

else := {"outcome": "deny", "reason": "record_unknown"} if not input.record.id

else := {"outcome": "deny", "reason": "archived"} if {
	input.action.name != "read"
	archived
}

else := {"outcome": "deny", "reason": "soft_only"} if {
	input.action.name == "delete"
	not input.action.properties.soft == true
}

else := {"outcome": "deny", "reason": "not_granted"}

known if {
	input.resource.type == "record"
	input.action.name in {"read", "write", "delete"}
}

# METADATA
# title: Reading
# custom: {id: read_record, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.action.name == "read"
	"reader" in input.user.effective_roles
	input.record.type == "record"
}

# METADATA
# title: Writing what is active
# custom: {id: write_active, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.action.name == "write"
	"editor" in input.user.effective_roles
	input.record.type == "record"
	active
}

# METADATA
# title: Writing what is archived
# description: Administrators do that, and by being such they write nothing else.
# custom: {id: write_archived, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.action.name == "write"
	input.record.type == "record"
	administrator
	archived_for_administrators
}

# METADATA
# title: Soft deletion
# custom: {id: delete_softly, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.action.name == "delete"
	input.action.properties.soft == true
	"editor" in input.user.effective_roles
	input.record.type == "record"
	active
}

# METADATA
# description: The record is stored as active, and the caller does not say otherwise.
active if {
	input.record.properties.status == "active"
	object.get(input.resource.properties, "status", "active") == "active"
}

archived if input.record.properties.status == "archived"

archived if input.resource.properties.status == "archived"

# METADATA
# description: |
#   The user is stored as an administrator, and the caller does not say otherwise.
#   Whom the caller calls one is believed to be where the portal says so.
administrator if {
	input.user.attributes.role == "admin"
	object.get(input.subject.properties, "role", "admin") == "admin"
}

administrator if {
	data.portal.settings.trust_properties == true
	input.subject.properties.role == "admin"
}

# METADATA
# description: |
#   The record is stored as archived, and the caller does not say otherwise; or the
#   caller says so, and is believed.
archived_for_administrators if {
	input.record.properties.status == "archived"
	object.get(input.resource.properties, "status", "archived") == "archived"
}

archived_for_administrators if {
	data.portal.settings.trust_properties == true
	input.resource.properties.status == "archived"
}
