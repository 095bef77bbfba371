package presets.acumatica

import data.lib.administration
import data.lib.delegation

# METADATA
# title: Which administration writes are refused, and what a write takes by default
# description: |
#   Staff and the service itself write whatever the rules below let through. A
#   customer's users write at their own business account only, and of users only
#   those of the types that theirs manages. Each rule names the kind of entity that
#   it is about itself: of the others the evaluator then passes it over unread, and a
#   row of rights is many writes.
# entrypoint: true
# custom:
#   reasons:
#     roles_not_for_guests: A type of contacts allows only roles that outside users may hold.
#     type_cannot_manage: Only types of contacts manage other types.
#     role_in_use_by_guests: A type of contacts allows the role, so outside users must go on being able to hold it.
#     role_not_allowed: The type of the user does not allow the role.
#     no_email: The type has logins that are mail addresses, and the contact has none.
#     login_taken: Another active user has this login.
#     contact_has_user: The contact has a user already.
#     level_not_for_node: A workspace is either granted or revoked, an element at most open to edit.
#     staff_only: Only active staff write this.
#     type_not_managed: The writer's type does not manage users of that type.
#     other_account: What is written belongs to another business account than the writer.
#     role_not_held: The portal lets its outside writers give no role that they do not hold.
#     roles_conflict: Nobody is to hold these roles together.
#     too_many_users: The type has more users than one write can set back.
#     too_many_rights: The portal has more rights that are not set than one write can grant.
admission := {"refusals": refusals, "defaults": defaults}

# METADATA
# title: Types of contacts allow only roles for guests
# custom: {id: guest_roles_only, reason: roles_not_for_guests}
refusals contains {"rule": "guest_roles_only", "field": "allowed_roles", "reason": "roles_not_for_guests"} if {
	input.entity.kind == "user_type"
	not input.new.linked == "employee"
	some allowed in input.new.allowed_roles
	role := allowed.role
	not guest_roles[role]
}

# METADATA
# title: Types of employees manage nobody
# custom: {id: employees_manage_nobody, reason: type_cannot_manage}
refusals contains {"rule": "employees_manage_nobody", "field": "manages", "reason": "type_cannot_manage"} if {
	input.entity.kind == "user_type"
	not input.new.linked == "contact"
	input.new.manages[0]
}

# METADATA
# title: A role that a type of contacts allows stays one for guests
# custom: {id: guest_role_stays, reason: role_in_use_by_guests}
refusals contains {"rule": "guest_role_stays", "field": "guest", "reason": "role_in_use_by_guests"} if {
	input.entity.kind == "role"
	not input.new.guest == true
	some type in data.portal.user_types
	not type.linked == "employee"
	type.allowed_roles[input.entity.id]
}

# METADATA
# title: Users hold only roles that their type allows
# custom: {id: role_of_type, reason: role_not_allowed}
refusals contains {"rule": "role_of_type", "field": "grants", "reason": "role_not_allowed"} if {
	input.entity.kind == "user"
	not administration.roles_follow_type
	administration.roles_not_allowed[_]
}

# METADATA
# title: A login that is a mail address takes one
# custom: {id: address_needed, reason: no_email}
refusals contains {"rule": "address_needed", "field": "login", "reason": "no_email"} if {
	input.entity.kind == "user"
	login_is_address
	not administration.address
}

# METADATA
# title: No two active users have one login
# custom: {id: login_unique, reason: login_taken}
refusals contains {"rule": "login_unique", "field": "login", "reason": "login_taken"} if {
	input.entity.kind == "user"
	administration.login_taken
}

# METADATA
# title: A contact has one user
# custom: {id: contact_unique, reason: contact_has_user}
refusals contains {"rule": "contact_unique", "field": "contact", "reason": "contact_has_user"} if {
	input.entity.kind == "user"
	administration.contact_taken
}

# METADATA
# title: Levels that a node of this kind can have
# custom: {id: level_of_kind, reason: level_not_for_node}
refusals contains {"rule": "level_of_kind", "field": "level", "reason": "level_not_for_node"} if {
	input.entity.kind == "right"
	input.operation in {"create", "update"}
	known := levels_of_kind[input.node.kind]
	level := input.new.level
	not known[level]
}

# METADATA
# title: What only staff write
# custom: {id: outside_writer, reason: staff_only}
refusals contains {"rule": "outside_writer", "field": "actor", "reason": "staff_only"} if {
	outside
	not input.entity.kind in {"user", "account", "contact", "record"}
}

# METADATA
# title: An outside writer writes users of managed types
# description: The type is one that the writer's manages before the write and after it.
# custom: {id: managed_types, reason: type_not_managed}
refusals contains {"rule": "managed_types", "field": "user_type", "reason": "type_not_managed"} if {
	outside
	input.entity.kind == "user"
	delegation.type_not_managed
}

# METADATA
# title: An outside writer writes at the own account
# description: It is the writer's before the write and after it.
# custom: {id: own_account, reason: other_account}
refusals contains {"rule": "own_account", "field": "account", "reason": "other_account"} if {
	outside
	input.entity.kind in {"user", "contact", "record"}
	delegation.other_account
}

refusals contains {"rule": "own_account", "field": "id", "reason": "other_account"} if {
	outside
	input.entity.kind == "account"
	not input.entity.id == input.actor.account
}

# METADATA
# title: An outside writer gives own roles
# description: Only where the portal says so.
# custom: {id: own_roles, reason: role_not_held}
refusals contains {"rule": "own_roles", "field": "grants", "reason": "role_not_held"} if {
	outside
	input.entity.kind == "user"
	count(delegation.roles_not_held(grants)) > 0
}

# METADATA
# title: Duties are separate
# description: Whoever writes, the system too.
# custom: {id: separate_duties, reason: roles_conflict}
refusals contains {"rule": "separate_duties", "field": "grants", "reason": "roles_conflict"} if {
	input.entity.kind == "user"
	delegation.duties_clash(grants)
}

refusals contains {"rule": "separate_duties", "field": "inherits", "reason": "roles_conflict"} if {
	input.entity.kind == "role"
	delegation.role_clashes
}

# METADATA
# title: Users who are set back are counted
# custom: {id: overwrite_bounded, reason: too_many_users}
refusals contains {"rule": "overwrite_bounded", "field": "allowed_roles", "reason": "too_many_users"} if {
	input.entity.kind == "user_type"
	overwritten
	not input.type_users
}

# METADATA
# title: Rights that are granted are counted
# custom: {id: upgrade_bounded, reason: too_many_rights}
refusals contains {"rule": "upgrade_bounded", "field": "settings.rights_generation", "reason": "too_many_rights"} if {
	input.entity.kind == "portal"
	upgraded
	not input.screens
}

# METADATA
# description: The grants of the user after the write, defaults included.
grants := object.get(defaults, "grants", input.new.grants)

# METADATA
# description: The administrator has the roles of the user, or of all users of the type, set back to the default roles.
overwritten if {
	input.operation == "update"
	input.context.overwrite_roles == true
}

# METADATA
# description: The portal leaves the generation in which a form that no role was given is open to all.
upgraded if {
	input.old.settings.rights_generation == "2023r2"
	input.new.settings
	not input.new.settings.rights_generation == "2023r2"
}

# METADATA
# description: Someone writes who is not known to be active staff.
outside if {
	input.actor
	not staff
}

staff if {
	input.actor.active == true
	data.portal.user_types[input.actor.user_type].linked == "employee"
}

levels_of_kind := {"workspace": {0, 5}, "element": {0, 1, 2}}

guest_roles contains role if {
	some role, facts in input.roles
	facts.guest == true
}

login_is_address if {
	input.operation == "create"
	data.portal.user_types[input.new.user_type].attributes.email_as_username == true
}

# METADATA
# description: The members of the written entity that it takes unless the write is refused.
defaults := object.union_n([patch | some patch in patches])

# METADATA
# title: Roles of a new user
# description: A new user for whom no roles are named holds the default roles of its type.
# custom: {id: roles_of_new_user}
patches contains {"grants": administration.default_grants} if {
	input.entity.kind == "user"
	input.operation == "create"
	count(input.new.grants) == 0
	count(administration.default_grants) > 0
}

# METADATA
# title: Roles after a change of type
# description: A user of another type holds the default roles of that type, and no longer those of the old one.
# custom: {id: roles_of_new_type}
patches contains {"grants": administration.default_grants} if {
	input.entity.kind == "user"
	administration.roles_follow_type
}

# METADATA
# title: Roles overwritten
# description: The administrator has the roles of a user set back to the default roles of its type.
# custom: {id: roles_overwritten}
patches contains {"grants": administration.default_grants} if {
	input.entity.kind == "user"
	overwritten
	input.new.user_type
}

# METADATA
# title: The address is the login
# custom: {id: login_from_contact}
patches contains {"login": administration.address} if {
	input.entity.kind == "user"
	login_is_address
}
