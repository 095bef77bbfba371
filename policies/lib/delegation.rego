# METADATA
# title: Delegated administration
# description: |
#   What a customer's own administrator, who is no staff, may not do when users are
#   written, and which roles nobody may hold together. The rules state facts of the
#   write; a preset says whose writes they bear on, and turns them into refusals. The
#   grants asked about are those that the user comes to hold, defaults included.
#   `data.portal.settings` has
#
#   - `delegation.own_roles_only`: administrators give no role that they do not hold,
#   - `separation_of_duties`: a list of lists of roles, of none of which anybody holds two.
package lib.delegation

import data.lib.administration

# METADATA
# description: |
#   The type of the user who is written, before the write or after it, is none that
#   the writer's type manages.
type_not_managed if {
	some user in states
	not managed[object.get(user, "user_type", "")]
}

# METADATA
# description: |
#   What is written is not of the writer's account, before the write or after it. No
#   account is nobody's. That a user is of the account of its contact is for the store
#   to hold.
other_account if {
	some state in states
	not state.account == input.actor.account
}

# METADATA
# description: The roles that the write gives and that the writer does not hold, where the portal minds.
roles_not_held(grants) := given(grants) - held_by_writer if data.portal.settings.delegation.own_roles_only

# METADATA
# description: |
#   The write gives a role of a set of which the user then holds two, what roles
#   inherit counted. A setting that is no list of lists lets no role be given.
duties_clash(grants) if {
	some duties in data.portal.settings.separation_of_duties
	some role in given(grants)
	clashes(with_inherited({role}), with_inherited({grant.role | some grant in grants}), duties)
}

duties_clash(grants) if {
	malformed
	count(given(grants)) > 0
}

# METADATA
# description: |
#   The role that is written comes to inherit two of a set, or is one of them and comes
#   to inherit another. Roles that inherit this one are not looked at.
role_clashes if {
	not input.old.inherits == input.new.inherits
	some duties in data.portal.settings.separation_of_duties
	inherited := with_inherited({role | some role in input.new.inherits})
	clashes(inherited, inherited | {input.entity.id}, duties)
}

role_clashes if {
	malformed
	not input.old.inherits == input.new.inherits
	input.new.inherits[0]
}

clashes(more, all, duties) if {
	some role in duties
	role in more
	count({duty | some duty in duties; duty in all}) > 1
}

malformed if {
	sets := data.portal.settings.separation_of_duties
	not lists(sets)
}

lists(sets) if {
	is_array(sets)
	every duties in sets {
		is_array(duties)
	}
}

# METADATA
# description: The roles of the grants that the user does not have yet as they are.
given(grants) := {grant.role |
	some grant in grants
	not grant in administration.kept
}

# METADATA
# description: The roles with all that they inherit.
with_inherited(roles) := roles | graph.reachable(inherits, roles)

inherits := {id: role.inherits | some id, role in input.roles}

held_by_writer contains role if some role in input.actor.effective_roles

managed contains type if some type in input.actor.manages

states contains input.old

states contains input.new
