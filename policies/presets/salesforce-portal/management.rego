package presets.salesforce_portal

# METADATA
# description: What the page of a contact may offer for it or for its user.
offerable := {
	"manage_user.enable_customer", "manage_user.enable_partner", "manage_user.view",
	"manage_user.enable_super", "manage_user.disable_super", "manage_user.activate",
	"manage_user.disable", "manage_user.reset_password", "act_as",
}

# METADATA
# description: What it offers in the state that the contact or the user is in.
offered contains "manage_user.enable_customer" if {
	input.target.type == "contact"
	input.target.account
}

offered contains "manage_user.enable_partner" if {
	input.target.type == "contact"
	input.account.flags.partner == true
	not input.account.flags.person
}

offered contains action if {
	some action in ["manage_user.view", "manage_user.reset_password"]
	portal_user
}

offered contains "manage_user.enable_super" if {
	role_based_target
	not input.target.flags.super_user
}

offered contains "manage_user.disable_super" if {
	input.target.flags.super_user
	portal_user
}

offered contains action if {
	some action in ["manage_user.disable", "act_as"]
	input.target.active == true
	portal_user
}

offered contains "manage_user.activate" if {
	input.target.active == false
	portal_user
}

# METADATA
# description: The managed user holds a licence of the portal.
portal_user if data.portal.user_types[input.target.user_type].linked == "contact"

role_based_target if {
	portal_user
	data.portal.user_types[input.target.user_type].attributes.role_based == true
}

# METADATA
# title: Managing external users
# description: |
#   Staff with the permission and the right to edit contacts do what the page
#   offers; with its limited form, to users alone whom they can read and write.
# custom: {id: manage_external_users, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "user"
	input.action.name != "act_as"
	licence.linked == "employee"
	object_right >= 2
	manages_users
	input.action.name in offered
	manages_target
}

manages_users if input.user.flags.manage_external_users == true

manages_users if {
	input.user.flags.manage_external_users_limited == true
	input.action.name != "act_as"
}

manages_target if input.user.flags.manage_external_users == true

manages_target if edits_account

manages_target if above_target

# METADATA
# title: Log in as a portal user
# description: |
#   Besides the permission it takes the right to edit accounts, and either this
#   account or a role above the user's.
# custom: {id: log_in_as, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "user"
	input.action.name == "act_as"
	licence.linked == "employee"
	object_right >= 2
	input.user.flags.manage_external_users == true
	"act_as" in offered
	over_target
}

over_target if edits_account

over_target if above_target

# METADATA
# description: The account of the managed user is the user's own to edit, as its owner or in its team.
edits_account if input.account.owner == input.user.id

edits_account if input.target.account in input.user.attributes.accounts

# METADATA
# description: The user's role is above that of the account's owner, and so above those of the account.
above_target if {
	role_based_target
	input.account.attributes.owner_role in input.user.manages
}

# METADATA
# description: |
#   Who acts as the user may do so. Of an ordinary question the facts do not hold the
#   actor's rights at the object of accounts, and they hold the user's account
#   only when the record is of that account; without it, the team alone counts.
impersonated if {
	input.actor.active == true
	input.actor.flags.manage_external_users == true
	data.portal.user_types[input.actor.user_type].linked == "employee"
	licence.linked == "contact"
	some profile in input.actor.roles
	profile in data.portal.settings.member_profiles
	actor_over_user
}

actor_over_user if input.user.account in input.actor.attributes.accounts

actor_over_user if {
	input.account.id == input.user.account
	input.account.owner == input.actor.id
}

actor_over_user if {
	input.account.id == input.user.account
	licence.attributes.role_based == true
	input.account.attributes.owner_role in input.actor.manages
}

# METADATA
# description: What delegated administrators do to users whose profile is in their list.
delegable := {
	"manage_user.create", "manage_user.edit", "manage_user.activate",
	"manage_user.disable", "manage_user.reset_password", "manage_user.assign_role",
}

# METADATA
# description: |
#   The profiles and permission sets that the user hands out as a delegated
#   administrator. It takes a licence with roles.
delegated := data.portal.settings.delegation[profile] if {
	input.user.flags.delegated_admin == true
	licence.linked == "contact"
	licence.attributes.role_based == true
	some profile in input.user.roles
	profile in data.portal.settings.member_profiles
}

# METADATA
# title: Delegated administration
# custom: {id: delegated_user, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "user"
	input.action.name in {
		"manage_user.edit", "manage_user.activate",
		"manage_user.disable", "manage_user.reset_password",
	}
	in_delegation
}

# METADATA
# title: New members of the account
# custom: {id: delegated_new_user, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "user"
	input.action.name == "manage_user.create"
	input.target.type == "contact"
	input.target.account == input.user.account
	input.resource.properties.profile in delegated.profiles
}

# METADATA
# title: Permission sets handed out
# custom: {id: delegated_permission_set, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "user"
	input.action.name == "manage_user.assign_role"
	in_delegation
	input.action.properties.role in delegated.permission_sets
}

in_delegation if {
	input.target.type == "user"
	input.target.account == input.user.account
	some profile in input.target.roles
	profile in delegated.profiles
}
