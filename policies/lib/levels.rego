# METADATA
# title: Levels
# description: |
#   What the explicit rights of the user's roles come to. A level is its rank:
#   0 revoked, 1 view, 2 edit, 3 insert, 4 publish, 5 delete; each includes those
#   below it. `inherit` and `not_set` are no levels: such a right is simply absent
#   from `input.rights`.
package lib.levels

# METADATA
# description: |
#   The widest level that a role of the user has at the screen itself, whichever
#   of its nodes was asked about. Undefined when no role has one, but for portals
#   of the generation up to 2023 R2: there a screen at which no role at all has a
#   level is open to every role, and one level for any role shuts out all that
#   have none.
screen := max([level | some level in input.rights[input.screen.screen_id]])

screen := 5 if {
	data.portal.settings.rights_generation == "2023r2"
	input.user.effective_roles[0]
	some step in input.screen.path
	step.id == input.screen.screen_id
	not step.configured
}

# METADATA
# description: The widest level at the very node asked about. Undefined when no role has one.
node := max([level | some level in input.rights[input.screen.id]])

# METADATA
# description: |
#   The widest level at the workspaces above the node asked about. Undefined when
#   no role has one there.
workspace := max([level |
	some step in input.screen.path
	step.kind == "workspace"
	some level in input.rights[step.id]
])

# METADATA
# description: |
#   The widest level at that node below the screen, on the way to the one asked
#   about, which is nearest to it and explicit for any role of the user. Roles
#   that inherit there do not count, so one more role can take access away.
#   Undefined when no such node is explicit.
nearest := explicit[count(explicit) - 1]

explicit := [max([level | some level in held]) |
	some step in input.screen.path
	step.kind in {"container", "element"}
	held := input.rights[step.id]
]
