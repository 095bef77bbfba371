package presets.crm_service

import data.lib.administration
import data.lib.delegation

# METADATA
# title: Which administration writes are refused, and what a write takes by default
# description: |
#   Users of the CRM and the service itself write whatever the rules below let
#   through. A portal user writes contacts alone: its own, and with the admin flag
#   those of its company. Two active users with one address are not refused: neither
#   can log in then.
# entrypoint: true
# custom:
#   reasons:
#     no_contact: A portal user is the login of a contact.
#     contact_has_user: The contact has a portal user already.
#     not_one_profile: A portal user has one profile at most.
#     role_not_allowed: The type of the user does not allow the profile.
#     profile_inherits: Profiles do not add up, so none has the rights of another.
#     crm_only: Only active users of the CRM write this.
#     not_admin: Contacts of the company are for those with the admin flag.
#     admin_edit_off: The portal does not let its admins edit the contacts of their company.
#     other_account: The contact belongs, or would belong, to another company than the writer.
#     workflow_mark: The marks of delayed tasks are set by the service alone.
#     roles_conflict: Nobody is to hold these roles together.
admission := {"refusals": refusals, "defaults": defaults}

# METADATA
# title: Portal users are logins of contacts
# custom: {id: user_of_contact, reason: no_contact}
refusals contains {"rule": "user_of_contact", "field": "contact", "reason": "no_contact"} if {
	portal_user_written
	not input.new.contact
}

# METADATA
# title: A contact has one portal user
# custom: {id: one_user, reason: contact_has_user}
refusals contains {"rule": "one_user", "field": "contact", "reason": "contact_has_user"} if {
	portal_user_written
	administration.contact_taken
}

# METADATA
# title: A portal user has one profile
# custom: {id: one_profile, reason: not_one_profile}
refusals contains {"rule": "one_profile", "field": "grants", "reason": "not_one_profile"} if {
	portal_user_written
	count(input.new.grants) > 1
}

# METADATA
# title: Users hold only roles that their type allows
# custom: {id: role_of_type, reason: role_not_allowed}
refusals contains {"rule": "role_of_type", "field": "grants", "reason": "role_not_allowed"} if {
	administration.user_written
	count(administration.roles_not_allowed) > 0
}

# METADATA
# title: Profiles inherit nothing
# description: A role that outside users may hold is a profile.
# custom: {id: profile_alone, reason: profile_inherits}
refusals contains {"rule": "profile_alone", "field": "inherits", "reason": "profile_inherits"} if {
	input.entity.kind == "role"
	input.new.guest == true
	input.new.inherits[0]
}

# METADATA
# title: Access is managed in the CRM
# custom: {id: crm_writes, reason: crm_only}
refusals contains {"rule": "crm_writes", "reason": "crm_only"} if {
	outsider
	input.entity.kind != "contact"
}

refusals contains {"rule": "crm_writes", "reason": "crm_only"} if {
	outsider
	input.operation == "delete"
}

# METADATA
# title: Other contacts take the admin flag
# custom: {id: admin_writes, reason: not_admin}
refusals contains {"rule": "admin_writes", "reason": "not_admin"} if {
	contact_by_outsider
	not input.entity.id == input.actor.contact
	not input.actor.flags.admin == true
}

# METADATA
# title: Admins edit other contacts where the portal says so
# custom: {id: admin_edits, reason: admin_edit_off}
refusals contains {"rule": "admin_edits", "reason": "admin_edit_off"} if {
	contact_by_outsider
	input.operation == "update"
	not input.entity.id == input.actor.contact
	not data.portal.settings.admin_edits_contacts == true
}

# METADATA
# title: Contacts stay in the writer's company
# custom: {id: own_company, reason: other_account}
refusals contains {"rule": "own_company", "field": "account", "reason": "other_account"} if {
	contact_by_outsider
	not input.new.account == input.actor.account
}

refusals contains {"rule": "own_company", "field": "account", "reason": "other_account"} if {
	contact_by_outsider
	input.operation == "update"
	not input.old.account == input.actor.account
}

# METADATA
# title: Delayed tasks are nobody's to hasten
# custom: {id: mark_by_service, reason: workflow_mark}
refusals contains {"rule": "mark_by_service", "field": "attributes", "reason": "workflow_mark"} if {
	input.actor.id
	count(rechecked) > 0
}

# METADATA
# title: Duties are separate
# description: Whoever writes, the system too.
# custom: {id: separate_duties, reason: roles_conflict}
refusals contains {"rule": "separate_duties", "field": "grants", "reason": "roles_conflict"} if {
	administration.user_written
	delegation.duties_clash(input.new.grants)
}

refusals contains {"rule": "separate_duties", "field": "inherits", "reason": "roles_conflict"} if {
	input.entity.kind == "role"
	delegation.role_clashes
}

# METADATA
# description: The login of a portal user is the mail address of its contact, and empty when that is.
defaults := {"login": object.get(input.contact, "email", "")} if {
	portal_user_written
	object.get(input.contact, "email", "") != object.get(input.new, "login", "")
}

else := {}

portal_user_written if {
	administration.user_written
	not employee_written
}

employee_written if data.portal.user_types[input.new.user_type].linked == "employee"

contact_by_outsider if {
	outsider
	contact_saved
}

# METADATA
# description: Somebody writes who is no active user of the CRM.
outsider if {
	input.actor.id
	not insider
}

insider if {
	input.actor.active == true
	data.portal.user_types[input.actor.user_type].linked == "employee"
}
