# METADATA
# title: Restriction groups
# description: |
#   Row security by groups of users and entities. `data.portal.sharing` defines
#   the groups, each `{"id", "kind": "restriction_group", "type", "active"}`; a
#   record, an account and a user name theirs in the list `restriction_groups`
#   among their properties or attributes. An entity in no active group is open to
#   everyone. Of an entity's groups of one type, the user must be
#
#   - A: in at least one,
#   - B: in all,
#   - A Inverse: outside at least one,
#   - B Inverse: outside all,
#
#   and that must hold for every type. What is there and is no list lets
#   nobody in; false is as good as absent.
package lib.groups

# METADATA
# description: |
#   True when a group of the record asked about, or of its account, keeps it from
#   the user.
closed if {
	input.record.properties.restriction_groups
	not lets_in
}

closed if {
	input.account.attributes.restriction_groups
	not lets_in
}

lets_in if {
	every ids in grouped {
		is_array(ids)
		every type in {"A", "B", "A Inverse", "B Inverse"} {
			passes(type, active(ids, type))
		}
	}
}

grouped contains input.record.properties.restriction_groups

grouped contains input.account.attributes.restriction_groups

active(ids, type) := {id |
	some id in ids
	some group in data.portal.sharing
	group.kind == "restriction_group"
	group.id == id
	group.type == type
	group.active
}

passes(_, groups) if count(groups) == 0

passes("A", groups) if count(groups & own) > 0

passes("B", groups) if count(groups - own) == 0

passes("A Inverse", groups) if count(groups - own) > 0

passes("B Inverse", groups) if count(groups & own) == 0

own := {id | some id in input.user.attributes.restriction_groups}
