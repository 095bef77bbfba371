# METADATA
# title: Administration calls
# description: |
#   Who makes a call, and what the entity that it is about comes to. A preset says who
#   administers what; the rules here hold of a call that finds and leaves what such a
#   call must, and of nothing else: a question about an entity that is not there
#   names no account that could be the user's.
package lib.calls

# METADATA
# description: |
#   No user stands behind the call: it is made with a key that the operator gave to a
#   program, or by the command line.
by_caller if input.subject.type == "caller"

# METADATA
# description: |
#   The entity as the call finds it and as it leaves it. None when the call finds
#   what it should not, or does not find what it should.
states contains input.target.before if fits

states contains input.target.after if fits

# METADATA
# description: What is created is not there yet, and everything else is.
fits if {
	input.action.name == "admin:create"
	not input.target.before
}

fits if {
	input.action.name in {"admin:read", "admin:update", "admin:delete"}
	input.target.before
}

# METADATA
# description: The entity is of the user's own account before the call and after it.
own_account if {
	count(states) > 0
	every state in states {
		state.account == input.user.account
	}
}

# METADATA
# description: The user type of the entity is one that the user's manages, before the call and after it.
managed_type if {
	count(states) > 0
	every state in states {
		state.user_type in input.user.manages
	}
}

# METADATA
# description: The members of the entity that the call changes. All of them when it is created.
changed contains name if {
	some name, value in input.target.after
	not unchanged(name, value)
}

changed contains name if {
	input.target.after
	some name, _ in input.target.before
	not name in object.keys(input.target.after)
}

unchanged(name, value) if input.target.before[name] == value

# METADATA
# description: |
#   The call gives the member at the path another value than it has. A member that
#   is missing has the value `none`.
alters(path, none) if {
	object.get(input.target.after, path, none) != object.get(input.target, array.concat(["before"], path), none)
}
