package presets.salesforce_portal

import data.lib.calls
import data.lib.fields
import data.lib.publishing

# METADATA
# title: Administration calls
# description: |
#   Staff with the profile System Administrator administer everything, staff with the
#   permission to manage external users the portal users, and delegated
#   administrators those of their account whose profile is handed to them. Records
#   are written as `granted` lets them be edited and made, and no further.
call := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "deny", "reason": "actor_refused"} if "actor" in object.keys(input.context)

else := document if {
	document := publishing.refused
	administers
}

else := document if document := called

else := document if document := administered

else := document if {
	member
	document := permitted_call
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
# title: External users managed by call
# description: Staff are nobody's to manage this way, before the call or after it.
# custom: {id: external_user_call, reason: granted}
permitted_call := {"outcome": "allow", "reason": "granted"} if {
	input.target.type == "user"
	input.action.name in {"admin:read", "admin:create", "admin:update"}
	licence.linked == "employee"
	object_right >= 2
	count(calls.states) > 0
	every user in calls.states {
		data.portal.user_types[user.user_type].linked == "contact"
		manages_state(user)
	}
}

# METADATA
# title: Contacts to be enabled
# custom: {id: contact_call, reason: granted}
permitted_call := {"outcome": "allow", "reason": "granted"} if {
	input.target.type == "contact"
	input.action.name == "admin:read"
	licence.linked == "employee"
	object_right >= 2
	input.user.flags.manage_external_users == true
	calls.fits
}

# The limited permission takes access to the user as well.
manages_state(_) if input.user.flags.manage_external_users == true

manages_state(user) if {
	input.user.flags.manage_external_users_limited == true
	reaches(user)
}

reaches(user) if user.account in input.user.attributes.accounts

reaches(user) if {
	user.account == input.account.id
	input.account.owner == input.user.id
}

reaches(user) if {
	user.account == input.account.id
	data.portal.user_types[user.user_type].attributes.role_based == true
	input.account.attributes.owner_role in input.user.manages
}

# METADATA
# title: Delegated administration by call
# description: |
#   The profile is one of those handed to the administrator, before the call and
#   after it, and nobody is given a place above the administrator's own.
# custom: {id: delegated_user_call, reason: granted}
permitted_call := {"outcome": "allow", "reason": "granted"} if {
	input.target.type == "user"
	input.action.name in {"admin:read", "admin:create", "admin:update"}
	calls.own_account
	every user in calls.states {
		some grant in user.grants
		grant.role in delegated.profiles
	}
	not raised
}

raised if {
	calls.alters(["position"], null)
	input.target.after.position
	not within_rank
}

within_rank if ranks[input.target.after.position] <= rank

# METADATA
# title: Records changed by call
# description: |
#   Whom it is about and what is in it, as far as the fields are the user's to edit;
#   not whose it is, what it belongs to and who sees it.
# custom: {id: record_call, reason: granted}
permitted_call := {"outcome": "allow", "reason": "granted"} if {
	input.target.type == "record"
	input.action.name in {"admin:read", "admin:update"}
	object_right >= 2
	access >= 2
	count(calls.changed - {"contact", "properties"}) == 0
	writable
}

# METADATA
# title: Records made by call
# custom: {id: new_record_call, reason: granted}
permitted_call := {"outcome": "allow", "reason": "granted"} if {
	input.target.type == "record"
	input.action.name == "admin:create"
	calls.fits
	object_right >= 3
	creatable
	input.target.after.account == input.user.account
	object.get(input.target.after, "contact", input.user.contact) == input.user.contact
	object.get(input.target.after, "owner", input.user.id) == input.user.id
	not input.target.after.parent
	not calls.alters(["flags"], {})
	writable
}

# METADATA
# description: No property changes that is a field of the screen and not the user's to edit.
writable if {
	every name in changed_properties {
		object.get(fields.mask, name, "write") == "write"
	}
}

changed_properties contains name if {
	some side in ["before", "after"]
	some name, _ in input.target[side].properties
	calls.alters(["properties", name], null)
}
