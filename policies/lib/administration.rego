# METADATA
# title: Administration
# description: |
#   What writes of users come to in more than one portal system: the roles of a
#   user's type, logins that are mail addresses, one user per contact. The rules
#   state facts of the write, whatever it is about; a preset asks for a user
#   first, and turns them into refusals and defaults.
package lib.administration

# METADATA
# description: A user is written, and stays or comes to be.
user_written if {
	input.entity.kind == "user"
	input.operation in {"create", "update"}
}

# METADATA
# description: A user is to be deleted, where users are only ever deactivated.
user_deleted if {
	input.entity.kind == "user"
	input.operation == "delete"
}

# METADATA
# description: The grants that the type of the user gives to a new user. None where there is no such type.
default_grants := [{"role": role} |
	some role, allowed in allowed_roles
	allowed["default"] == true
]

# METADATA
# description: |
#   Roles that the write gives and that the type does not allow. What the user
#   held already is no gift, unless the type changes as well. A user of no type,
#   or of one that does not exist, may be given nothing.
roles_not_allowed contains grant.role if {
	some grant in input.new.grants
	not grant in kept
	not allowed_roles[grant.role]
}

allowed_roles := data.portal.user_types[input.new.user_type].allowed_roles

kept contains grant if {
	not type_changed
	some grant in input.old.grants
}

# METADATA
# description: |
#   A stored user gets another type, or loses it. Roles that came with the old one
#   are then to be replaced by `default_grants`, unless the write names others.
type_changed if {
	input.operation == "update"
	object.get(input.old, "user_type", "") != object.get(input.new, "user_type", "")
}

roles_follow_type if {
	type_changed
	input.old.grants == input.new.grants
}

# METADATA
# description: The mail address of the user's contact, as stored.
address := input.contact.email if trim_space(input.contact.email) != ""

# METADATA
# description: The contact that the write gives to the user has a user already.
contact_taken if {
	input.new.contact
	not input.old.contact == input.new.contact
	input.users[0]
}

# METADATA
# description: |
#   The write gives to an active user, or activates one with, a login that another
#   active user has. Who had it before may be written otherwise, above all deactivated.
login_taken if {
	input.same_login > 0
	input.new.active == true
	not login_kept
}

login_kept if {
	input.old.active == true
	input.old.login == input.new.login
}
