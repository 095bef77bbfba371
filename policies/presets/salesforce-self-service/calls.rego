package presets.salesforce_self_service

import data.lib.calls
import data.lib.logins
import data.lib.publishing
import data.lib.records

# METADATA
# title: Administration calls
# description: |
#   Staff with the profile System Administrator administer everything, staff with the
#   permission to edit Self-Service users those users, and all active staff the
#   records. A Self-Service user adds cases, comments and attachments, as the portal
#   lets it.
call := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "deny", "reason": "acting_unsupported"} if input.context.actor

else := document if {
	document := publishing.refused
	administers
}

else := document if document := called

else := document if document := administered

else := document if {
	input.user.active == true
	data.portal.user_types[input.user.user_type].linked == "employee"
	document := staff_writes
}

else := document if {
	input.user.user_type == "Self-Service User"
	input.user.contact
	logins.open
	document := submits
}

else := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "user_unknown"} if not input.user.id

else := {"outcome": "deny", "reason": "not_administrator"}

# METADATA
# description: The call is made by one who administers everything, the policy included.
administers if called

administers if administered

# METADATA
# title: Calls of programs and of the command line
# custom: {id: caller_call, reason: caller}
called := {"outcome": "allow", "reason": "caller"} if calls.by_caller

# METADATA
# title: Calls of administrators
# description: They are active staff with the profile. Nobody else is one by holding it.
# custom: {id: administrator_call, reason: administrator}
administered := {"outcome": "allow", "reason": "administrator"} if {
	input.user.active == true
	data.portal.user_types[input.user.user_type].linked == "employee"
	"System Administrator" in input.user.effective_roles
}

# METADATA
# title: Self-Service users managed by call
# description: The permission reaches no other user.
# custom: {id: user_call, reason: staff_permission}
staff_writes := {"outcome": "allow", "reason": "staff_permission"} if {
	input.target.type == "user"
	permitted
	count(calls.states) > 0
	every user in calls.states {
		user.user_type == "Self-Service User"
	}
}

# METADATA
# title: Contacts to be enabled
# custom: {id: contact_call, reason: staff_permission}
staff_writes := {"outcome": "allow", "reason": "staff_permission"} if {
	input.target.type == "contact"
	input.action.name == "admin:read"
	permitted
	calls.fits
}

# METADATA
# title: Records by call
# custom: {id: record_call, reason: staff_record}
staff_writes := {"outcome": "allow", "reason": "staff_record"} if {
	input.target.type == "record"
	calls.fits
}

# METADATA
# title: Cases submitted by call
# description: What is left open is the user's own.
# custom: {id: new_case_call, reason: granted}
submits := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "case"
	submitted_alone
	input.user.account
	object.get(input.target.after, "account", input.user.account) == input.user.account
	object.get(input.target.after, "contact", input.user.contact) == input.user.contact
	not input.target.after.parent
}

# METADATA
# title: Comments and attachments by call
# description: They belong to a case that the user sees, and that is open.
# custom: {id: new_part_call, reason: granted}
submits := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type in {"comment", "attachment"}
	submitted_alone
	input.parent.type == "case"
	not input.parent.flags.closed
	records.parent_visible
	records.parent_own_account
	parent_reached
	object.get(input.target.after, "account", input.user.account) == input.user.account
	object.get(input.target.after, "contact", input.user.contact) == input.user.contact
}

# METADATA
# description: A new record has nothing that staff say of it.
submitted_alone if {
	input.action.name == "admin:create"
	calls.fits
	input.target.after
	not input.target.after.owner
	not calls.alters(["flags"], {})
}
