package presets.salesforce_portal

import data.lib.administration
import data.lib.delegation

# METADATA
# title: Writes that administration refuses, and what they take by default
# entrypoint: true
# custom:
#   reasons:
#     only_deactivated: A portal user is never deleted, only deactivated.
#     owner_without_role: The owner of the account has no role, below which those of the account could hang.
#     contact_has_user: A contact has one portal user at most.
#     not_of_licence: The licence does not offer the profile or permission set.
#     one_profile: A user has exactly one profile.
#     no_roles_in_licence: Users of the licence have no role.
#     no_such_level: The account has no such level of roles, or it would have more than three.
#     person_account: A person account takes no partner licence.
#     account_not_partner: The account is not enabled as a partner's.
#     not_for_person_accounts: The licence is not the one of person accounts.
#     login_missing: The user has neither a login nor a contact with an address.
#     login_taken: Another active user has the login.
#     delegation_needs_roles: A licence without roles takes no delegated administration.
#     staff_only: A portal user gives nobody permissions over other users.
#     other_contact: A case that its owner reports for somebody else takes a super user, and a contact of the own account.
#     roles_conflict: Nobody is to hold these roles together.
#     not_delegated: A delegated administrator gives no profile, permission set or role that is not handed to its profile.
#     limit_reached: The limit is reached; it may be raised on request.
admission := {"refusals": refusals, "defaults": defaults}

# METADATA
# title: Users are deactivated only
# custom: {id: deactivate_only, reason: only_deactivated}
refusals contains {"rule": "deactivate_only", "field": "active", "reason": "only_deactivated"} if {
	administration.user_deleted
	not staff_deleted
}

staff_deleted if data.portal.user_types[input.old.user_type].linked == "employee"

# METADATA
# title: The owner of the account has a role
# custom: {id: owner_has_role, reason: owner_without_role}
refusals contains {"rule": "owner_has_role", "field": "account", "reason": "owner_without_role"} if {
	enabling
	not owner_role
}

# METADATA
# title: One user per contact
# custom: {id: one_user_per_contact, reason: contact_has_user}
refusals contains {"rule": "one_user_per_contact", "field": "contact", "reason": "contact_has_user"} if {
	administration.user_written
	administration.contact_taken
}

# METADATA
# title: Profiles and permission sets of the licence
# custom: {id: grants_of_licence, reason: not_of_licence}
refusals contains {"rule": "grants_of_licence", "field": "grants", "reason": "not_of_licence"} if {
	administration.user_written
	administration.roles_not_allowed[_]
}

# METADATA
# title: One profile
# custom: {id: one_profile, reason: one_profile}
refusals contains {"rule": "one_profile", "field": "grants", "reason": "one_profile"} if {
	administration.user_written
	profiles := {grant.role |
		some grant in input.new.grants
		input.roles[grant.role].attributes.kind == "profile"
	}
	count(profiles) != 1
}

# METADATA
# title: No role without a licence for one
# description: Unless the portal ignores the role that was chosen.
# custom: {id: position_of_licence, reason: no_roles_in_licence}
refusals contains {"rule": "position_of_licence", "field": "position", "reason": "no_roles_in_licence"} if {
	misplaced
	not ignores_position
}

# METADATA
# title: Levels that the account has
# custom: {id: level_of_account, reason: no_such_level}
refusals contains {"rule": "level_of_account", "field": "position", "reason": "no_such_level"} if {
	new_licence.attributes.role_based == true
	input.new.position
	not level_exists
}

level_exists if ranks[input.new.position] <= levels

# METADATA
# title: Three levels at most
# custom: {id: three_levels, reason: no_such_level}
refusals contains {"rule": "three_levels", "field": "settings", "reason": "no_such_level"} if {
	input.entity.kind == "portal"
	settings := input.new.settings
	not object.get(settings, "roles_per_account", 0) in {1, 2, 3}
}

# METADATA
# title: Three levels at an account
# custom: {id: three_levels_of_account, reason: no_such_level}
refusals contains {"rule": "three_levels_of_account", "field": "attributes", "reason": "no_such_level"} if {
	input.entity.kind == "account"
	count(input.new.attributes.positions) > 3
}

# METADATA
# title: No partners among person accounts
# custom: {id: partner_on_person, reason: person_account}
refusals contains {"rule": "partner_on_person", "field": "user_type", "reason": "person_account"} if {
	enabling
	new_licence.attributes.portal == "partner"
	input.account.flags.person
}

# METADATA
# title: Partners at partner accounts
# custom: {id: partner_account, reason: account_not_partner}
refusals contains {"rule": "partner_account", "field": "user_type", "reason": "account_not_partner"} if {
	enabling
	new_licence.attributes.portal == "partner"
	not input.account.flags.person
	not input.account.flags.partner
}

# METADATA
# title: The licence of person accounts
# description: They are counted by it.
# custom: {id: licence_of_person, reason: not_for_person_accounts}
refusals contains {"rule": "licence_of_person", "field": "user_type", "reason": "not_for_person_accounts"} if {
	enabling
	new_licence.attributes.portal != "partner"
	input.account.flags.person
	not new_licence.attributes.person_account
}

# METADATA
# title: A login, or an address to log in with
# custom: {id: has_login, reason: login_missing}
refusals contains {"rule": "has_login", "field": "login", "reason": "login_missing"} if {
	administration.user_written
	not input.new.login
	not administration.address
}

# METADATA
# title: Logins are unique
# custom: {id: unique_login, reason: login_taken}
refusals contains {"rule": "unique_login", "field": "login", "reason": "login_taken"} if {
	administration.user_written
	administration.login_taken
}

# METADATA
# title: Delegated administration takes a licence with roles
# custom: {id: delegation_of_licence, reason: delegation_needs_roles}
refusals contains {"rule": "delegation_of_licence", "field": "flags", "reason": "delegation_needs_roles"} if {
	administration.user_written
	input.new.flags.delegated_admin
	not new_licence.attributes.role_based
}

# METADATA
# title: Permissions over users come from the staff
# custom: {id: permissions_by_staff, reason: staff_only}
refusals contains {"rule": "permissions_by_staff", "field": "flags", "reason": "staff_only"} if {
	administration.user_written
	portal_user_acts
	some flag in ["super_user", "delegated_admin", "manage_external_users", "manage_external_users_limited"]
	input.new.flags[flag]
	not input.old.flags[flag]
}

# METADATA
# title: Delegated administrators hand out what is handed to them
# description: The profiles and permission sets of their own profile's delegation.
# custom: {id: delegated_roles, reason: not_delegated}
refusals contains {"rule": "delegated_roles", "field": "grants", "reason": "not_delegated"} if {
	administration.user_written
	portal_user_acts
	count(delegation.given(input.new.grants) - handed) > 0
}

# METADATA
# title: Delegated administrators give own roles
# description: Only where the portal says so.
# custom: {id: own_roles, reason: not_delegated}
refusals contains {"rule": "own_roles", "field": "grants", "reason": "not_delegated"} if {
	administration.user_written
	portal_user_acts
	count(delegation.roles_not_held(input.new.grants)) > 0
}

# METADATA
# title: Cases for somebody else
# custom: {id: case_for_other, reason: other_contact}
refusals contains {"rule": "case_for_other", "field": "contact", "reason": "other_contact"} if {
	input.entity.of == "case"
	portal_user_acts
	object.get(input.new, "owner", input.actor.id) == input.actor.id
	input.new.contact
	not input.old.contact == input.new.contact
	not input.actor.contact == input.new.contact
	not reports_for_account
}

# METADATA
# title: Records of others stay with the account
# description: What a portal user may edit and does not own goes to nobody at another account.
# custom: {id: contact_elsewhere, reason: other_contact}
refusals contains {"rule": "contact_elsewhere", "field": "contact", "reason": "other_contact"} if {
	input.entity.kind == "record"
	portal_user_acts
	input.new.contact
	not input.old.contact == input.new.contact
	not reported
	not input.contact.account == input.actor.account
}

reported if {
	input.entity.of == "case"
	object.get(input.new, "owner", input.actor.id) == input.actor.id
}

# METADATA
# title: Users of person accounts
# custom: {id: limit_person_users, reason: limit_reached}
refusals contains {"rule": "limit_person_users", "field": "user_type", "reason": "limit_reached"} if {
	enabling
	new_licence.attributes.person_account
	input.counts.users_of_type >= object.get(data.portal.limits, "person_account_users", 1000)
}

# METADATA
# title: Portal roles
# custom: {id: limit_portal_roles, reason: limit_reached}
refusals contains {"rule": "limit_portal_roles", "field": "position", "reason": "limit_reached"} if {
	enabling
	input.counts.positions + roles_to_make > object.get(data.portal.limits, "portal_roles", 5000)
}

# METADATA
# title: Portal roles of an account
# custom: {id: limit_roles_of_account, reason: limit_reached}
refusals contains {"rule": "limit_roles_of_account", "field": "attributes", "reason": "limit_reached"} if {
	input.entity.kind == "account"
	more := count(input.new.attributes.positions)
	more > count(object.get(input.old, ["attributes", "positions"], []))
	input.counts.positions + more > object.get(data.portal.limits, "portal_roles", 5000)
}

# METADATA
# title: Custom objects
# custom: {id: limit_custom_objects, reason: limit_reached}
refusals contains {"rule": "limit_custom_objects", "field": "flags", "reason": "limit_reached"} if {
	input.new.kind == "screen"
	input.new.flags.custom
	not input.old.flags.custom
	input.counts.screens >= object.get(data.portal.limits, "custom_objects", 0)
}

# METADATA
# title: Accounts of one owner
# description: Person accounts, and those whose single user shares one role, count for the owner.
# custom: {id: limit_accounts_of_owner, reason: limit_reached}
refusals contains {"rule": "limit_accounts_of_owner", "field": "account", "reason": "limit_reached"} if {
	enabling
	new_licence.attributes.role_based
	single_user
	input.counts.accounts_of_owner > object.get(data.portal.limits, "accounts_per_owner", 50000)
}

single_user if input.account.flags.person

single_user if alone

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
# description: What the write takes that it does not say itself.
defaults := object.union_n([d | some d in partial_defaults])

# The user logs in with the contact's address.
partial_defaults contains {"login": administration.address} if {
	administration.user_written
	not input.new.login
}

partial_defaults contains {"position": null} if {
	misplaced
	ignores_position
}

# Whoever becomes a delegated administrator sees the roles, and with some licences
# is a super user. Taking the former away takes neither.
partial_defaults contains {"flags": {"view_roles": true}} if becomes_delegated

partial_defaults contains {"flags": {"super_user": true}} if {
	becomes_delegated
	new_licence.licence == "Customer Community Plus"
}

# The top role of the account hangs below the role of its owner, whoever that is now.
partial_defaults contains {"attributes": {"owner_role": top_role}} if {
	input.entity.kind == "account"
	object.get(input.new.attributes, "owner_role", null) != top_role
}

default top_role := null

top_role := owner_role

new_licence := data.portal.user_types[input.new.user_type]

# METADATA
# description: |
#   A contact gets a portal user, or one who works again or differently. Only an
#   update has an old state to differ from.
enabling if {
	input.operation == "create"
	administration.user_written
	not new_licence.linked == "employee"
}

enabling if {
	administration.user_written
	not new_licence.linked == "employee"
	input.new.active
	some field in ["contact", "account", "user_type", "active"]
	object.get(input.old, field, null) != object.get(input.new, field, null)
}

becomes_delegated if {
	administration.user_written
	input.new.flags.delegated_admin
	not input.old.flags.delegated_admin
}

misplaced if {
	administration.user_written
	new_licence.attributes.role_based == false
	input.new.position
}

ignores_position if data.portal.settings.high_volume_position == "ignore"

# METADATA
# description: The role of the account's owner in the tree of the staff.
owner_role := input.owner.user_type if data.portal.user_types[input.owner.user_type].linked == "employee"

# METADATA
# description: |
#   How many levels of roles the account has, or is to have. The first user with a
#   role makes them; where roles are optimised the first shares a single one, and the
#   second makes the rest.
levels := count(positions) if not grows

levels := wanted if grows

grows if count(positions) == 0

grows if {
	data.portal.settings.account_role_optimization == true
	count(positions) == 1
}

wanted := 1 if alone

wanted := data.portal.settings.roles_per_account if not alone

alone if {
	data.portal.settings.account_role_optimization == true
	input.counts.users_of_account == 0
}

positions := object.get(input.account, ["attributes", "positions"], [])

# METADATA
# description: How many roles the write makes below the account.
roles_to_make := levels - count(positions) if new_licence.attributes.role_based == true

# METADATA
# description: What the delegation of the writer's profile hands to it.
handed contains role if {
	input.actor.flags.delegated_admin == true
	some profile in input.actor.roles
	some kind in ["profiles", "permission_sets"]
	some role in data.portal.settings.delegation[profile][kind]
}

# METADATA
# description: A portal user makes the write, not the staff and not the system.
portal_user_acts if {
	input.actor.id
	not staff_acts
}

staff_acts if data.portal.user_types[input.actor.user_type].linked == "employee"

reports_for_account if {
	input.actor.flags.super_user
	data.portal.settings.super_user_access == true
	input.contact.account == input.actor.account
}
