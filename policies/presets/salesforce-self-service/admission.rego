package presets.salesforce_self_service

import data.lib.administration
import data.lib.delegation

# METADATA
# title: Which administration writes are refused, and what a write takes by default
# description: |
#   The system writes whatever the rules below let through. Staff write it too, but
#   of users only Self-Service users, and those only with the permission. Everyone
#   else adds cases, comments and attachments, of which `decision` says first to
#   what: what a comment belongs to is no fact of a change.
# entrypoint: true
# custom:
#   reasons:
#     no_account: A contact without an account gets no Self-Service user.
#     only_deactivated: A Self-Service user is deactivated, never deleted.
#     portal_not_offered: The portal is not offered to organizations created after Spring '12.
#     edition: The edition of the organization has no Self-Service.
#     permission_missing: Staff need the permission to edit Self-Service users, and it reaches nobody else.
#     staff_only: Only active staff write this.
#     other_account: A user is of its contact's account, and a case of the account of the user who submits it.
#     other_contact: A new case is of the writer's own contact.
#     flags_by_staff: Only staff say what is shown in the portal.
#     no_email: No login is named, and the contact has no mail address to take for one.
#     login_taken: Another active user has this login.
#     contact_has_user: The contact has a user already.
#     comment_too_long: A comment is text of at most 4,000 bytes.
#     roles_conflict: Nobody is to hold these roles together.
admission := {"refusals": refusals, "defaults": defaults}

# METADATA
# title: A Self-Service user is of a contact with an account
# custom: {id: contact_with_account, reason: no_account}
refusals contains {"rule": "contact_with_account", "field": "contact", "reason": "no_account"} if {
	self_service_written
	not input.contact.account
	not leaves
}

# METADATA
# title: A user belongs to the account of its contact
# custom: {id: account_of_contact, reason: other_account}
refusals contains {"rule": "account_of_contact", "field": "account", "reason": "other_account"} if {
	self_service_written
	input.new.account != input.contact.account
}

# METADATA
# title: Users are deactivated, not deleted
# custom: {id: deactivate_only, reason: only_deactivated}
refusals contains {"rule": "deactivate_only", "field": "id", "reason": "only_deactivated"} if {
	administration.user_deleted
	input.old.user_type == "Self-Service User"
}

# METADATA
# title: Only old organizations switch the portal on
# description: One that has it switched on keeps it.
# custom: {id: old_organization, reason: portal_not_offered}
refusals contains {"rule": "old_organization", "field": "settings.login_enabled", "reason": "portal_not_offered"} if {
	switched_on
	not created_in_time
}

# METADATA
# title: The edition has Self-Service
# description: It is asked when the portal is switched on, and when a user is enabled.
# custom: {id: edition_with_portal, reason: edition}
refusals contains {"rule": "edition_with_portal", "field": "settings.login_enabled", "reason": "edition"} if {
	switched_on
	not switched_on_in_edition
}

# METADATA
# title: The edition lets contacts be enabled
# custom: {id: edition_with_users, reason: edition}
refusals contains {"rule": "edition_with_users", "field": "active", "reason": "edition"} if {
	enabled
	not edition_offers
}

# METADATA
# title: Staff write users with the permission
# custom: {id: user_permission, reason: permission_missing}
refusals contains {"rule": "user_permission", "field": "actor", "reason": "permission_missing"} if {
	staff
	input.entity.kind == "user"
	not writer_permitted
}

# METADATA
# title: What only staff write
# custom: {id: outside_writer, reason: staff_only}
refusals contains {"rule": "outside_writer", "field": "actor", "reason": "staff_only"} if {
	outside
	not submitted
}

# METADATA
# title: A case submitted by a user is the user's own
# custom: {id: own_case_account, reason: other_account}
refusals contains {"rule": "own_case_account", "field": "account", "reason": "other_account"} if {
	outside
	new_case
	not own_or_unsaid("account")
}

# METADATA
# title: A case submitted by a user is of the user's contact
# custom: {id: own_case_contact, reason: other_contact}
refusals contains {"rule": "own_case_contact", "field": "contact", "reason": "other_contact"} if {
	outside
	new_case
	not own_or_unsaid("contact")
}

# METADATA
# title: Staff alone set flags
# custom: {id: outside_flags, reason: flags_by_staff}
refusals contains {"rule": "outside_flags", "field": "flags", "reason": "flags_by_staff"} if {
	submitted
	count(input.asked.flags) > 0
}

# METADATA
# title: A login takes a mail address, if none is named
# custom: {id: address_needed, reason: no_email}
refusals contains {"rule": "address_needed", "field": "login", "reason": "no_email"} if {
	self_service_written
	not input.new.login
	not administration.address
}

# METADATA
# title: No two active users have one login
# custom: {id: login_unique, reason: login_taken}
refusals contains {"rule": "login_unique", "field": "login", "reason": "login_taken"} if {
	administration.login_taken
}

# METADATA
# title: A contact has one user
# custom: {id: contact_unique, reason: contact_has_user}
refusals contains {"rule": "contact_unique", "field": "contact", "reason": "contact_has_user"} if {
	administration.user_written
	administration.contact_taken
}

# METADATA
# title: Comments are short
# custom: {id: comment_length, reason: comment_too_long}
refusals contains {"rule": "comment_length", "field": "properties.body", "reason": "comment_too_long"} if {
	input.entity.of == "comment"
	body := input.new.properties.body
	not short(body)
}

# METADATA
# description: At most 4,000 bytes, each of which is two hexadecimal digits.
short(text) if {
	is_string(text)
	count(hex.encode(text)) / 2 <= 4000
}

# METADATA
# description: A Self-Service user is written, and stays or comes to be. Nothing but users has a user type.
self_service_written if input.new.user_type == "Self-Service User"

# METADATA
# description: A user follows the contact out of its account, and is active no longer.
leaves if {
	input.operation == "update"
	input.new.active == false
	not input.new.account
}

# METADATA
# description: A Self-Service user becomes active.
enabled if {
	self_service_written
	input.new.active == true
	not was_enabled
}

was_enabled if {
	input.old.active == true
	input.old.user_type == "Self-Service User"
}

# METADATA
# description: The portal is switched on that was off, or not there.
switched_on if {
	input.new.settings.login_enabled == true
	not input.old.settings.login_enabled == true
}

switched_on_in_edition if input.new.settings.edition in editions

# METADATA
# description: |
#   The organization says when it was created, and it was before Spring '12. A write
#   that switches the portal on cannot make it older than it was.
created_in_time if {
	before_spring_12(input.new.settings.organization_created)
	not younger
}

younger if {
	day := input.old.settings.organization_created
	not before_spring_12(day)
}

before_spring_12(day) if {
	regex.match(`^\d{4}-\d{2}-\d{2}$`, day)
	day < "2012-02-01"
}

editions := {"Professional", "Enterprise", "Performance", "Unlimited", "Developer"}

# METADATA
# description: Active staff write.
staff if {
	input.actor.active == true
	data.portal.user_types[input.actor.user_type].linked == "employee"
}

# METADATA
# description: Someone writes who is not known to be active staff.
outside if {
	input.actor
	not staff
}

# METADATA
# description: |
#   The writer holds the permission, and nobody but a Self-Service user is written. An
#   administrator of the organization writes staff too.
writer_permitted if {
	some role in input.actor.effective_roles
	role in {"Edit Self-Service Users", "Manage Customer Users"}
	every user in written_users {
		user.user_type == "Self-Service User"
	}
}

writer_permitted if "System Administrator" in input.actor.effective_roles

written_users contains input.old

written_users contains input.new

# METADATA
# description: An active Self-Service user adds what the portal lets its users add.
submitted if {
	input.operation == "create"
	input.entity.kind == "record"
	input.entity.of in {"case", "comment", "attachment"}
	input.actor.active == true
	input.actor.user_type == "Self-Service User"
}

new_case if {
	input.operation == "create"
	input.entity.of == "case"
}

own_or_unsaid(name) if input.new[name] == input.actor[name]

own_or_unsaid(name) if {
	not input.new[name]
	input.actor[name]
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
# description: The members of the written entity that it takes unless the write is refused.
defaults := object.union_n([patch | some patch in patches])

# METADATA
# title: Visibility of new cases
# description: |
#   A new case for which nobody says otherwise is shown in the portal, or not, as
#   the setting says at that time.
# custom: {id: new_case_visible}
patches contains {"flags": {"visible": true}} if {
	data.portal.settings.new_cases_visible_in_portal == true
	new_case
	object.get(input.new.flags, "visible", "unsaid") == "unsaid"
}

# METADATA
# title: A case submitted in the portal
# custom: {id: submitted_case}
patches contains {"account": input.actor.account, "contact": input.actor.contact} if {
	outside
	new_case
}

# METADATA
# title: Where a case submitted in the portal comes from
# custom: {id: case_origin}
patches contains {"properties": {"origin": origin}} if {
	outside
	new_case
	origin := data.portal.settings.default_case_origin
	not input.new.properties.origin
}

# METADATA
# title: A user's comment is published
# custom: {id: comment_published}
patches contains {"flags": {"published": true}} if {
	submitted
	input.entity.of == "comment"
}

# METADATA
# title: The address is the login, if none is named
# custom: {id: login_from_contact}
patches contains {"login": administration.address} if {
	self_service_written
	not input.new.login
}

# METADATA
# title: The account is the contact's
# custom: {id: account_from_contact}
patches contains {"account": input.contact.account} if {
	self_service_written
	not input.new.account
}
