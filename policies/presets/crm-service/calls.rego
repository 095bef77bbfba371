package presets.crm_service

import data.lib.calls
import data.lib.fields
import data.lib.levels
import data.lib.publishing

# METADATA
# title: Administration calls
# description: |
#   Users of the CRM with the role crm-admin administer everything; the others
#   what the module is about, as far as their rights there reach, and who reads
#   contacts gives and takes portal access. A portal user writes contacts, as the portal
#   lets it, and reads what it writes.
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
	document := crm_call
}

else := document if {
	entrant
	not input.screen.features_off[0]
	document := contact_call
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
# description: They are active users of the CRM with the role. Nobody else is one by holding it.
# custom: {id: administrator_call, reason: administrator}
administered := {"outcome": "allow", "reason": "administrator"} if {
	input.user.active == true
	data.portal.user_types[input.user.user_type].linked == "employee"
	"crm-admin" in input.user.effective_roles
}

# METADATA
# title: Portal access by call
# description: To read contacts is enough. Users of the CRM are for its administrators.
# custom: {id: access_call, reason: contact_card}
crm_call := {"outcome": "allow", "reason": "contact_card"} if {
	input.target.type == "user"
	levels.node >= 1
	count(calls.states) > 0
	every user in calls.states {
		data.portal.user_types[user.user_type].linked == "contact"
	}
}

# METADATA
# title: Modules by call
# custom: {id: module_call, reason: crm_right}
crm_call := {"outcome": "allow", "reason": "crm_right"} if {
	input.target.type in {"account", "contact", "record"}
	levels.node >= {"admin:read": 1, "admin:update": 2, "admin:create": 3, "admin:delete": 5}[input.action.name]
	calls.fits
}

# METADATA
# title: The own contact by call
# custom: {id: own_contact_call, reason: granted}
contact_call := {"outcome": "allow", "reason": "granted"} if {
	input.target.type == "contact"
	input.action.name in {"admin:read", "admin:update"}
	module >= 1
	calls.own_account
	input.target.id == input.user.contact
	may_change
}

# METADATA
# title: Contacts of the own company by call
# custom: {id: company_contact_call, reason: granted}
contact_call := {"outcome": "allow", "reason": "granted"} if {
	input.target.type == "contact"
	input.action.name in {"admin:read", "admin:update"}
	input.user.flags.admin == true
	module >= 1
	calls.own_account
	edits_company
	may_change
}

# METADATA
# title: New contacts of the own company by call
# custom: {id: new_contact_call, reason: granted}
contact_call := {"outcome": "allow", "reason": "granted"} if {
	input.target.type == "contact"
	input.action.name == "admin:create"
	input.user.flags.admin == true
	module >= 1
	calls.own_account
	count(calls.changed - {"id", "name", "email", "account", "flags", "attributes"}) == 0
	not calls.alters(["flags"], {})
	not calls.alters(["attributes"], {})
}

edits_company if input.action.name == "admin:read"

edits_company if data.portal.settings.admin_edits_contacts == true

# METADATA
# description: |
#   Nothing changes but the name, and what the profile lets the user edit. What has no
#   field on the screen is nobody's to edit there, be it what a workflow goes by.
may_change if {
	every name in calls.changed - {"attributes"} {
		editable_member(name)
	}
	every name in changed_attributes {
		fields.mask[name] == "write"
	}
}

editable_member("name")

editable_member("email") if fields.mask.email == "write"

changed_attributes contains name if {
	some side in ["before", "after"]
	some name, _ in input.target[side].attributes
	calls.alters(["attributes", name], null)
}
