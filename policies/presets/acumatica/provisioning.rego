package presets.acumatica

# METADATA
# title: What follows from a change
# description: |
#   A level that is set at a workspace is copied to every screen and workspace in
#   it, whatever stood there. Nothing remembers that it was a copy: what is set at
#   a screen afterwards stands, in every workspace that shows it. Users of a type are
#   set back to its default roles when an administrator says so, and when a portal
#   leaves the generation up to 2023 R2, what was open to all roles is granted to each.
# entrypoint: true
provisioning := {"tasks": tasks}

# METADATA
# title: A level that is there already is written anew
# custom: {id: copy_over}
tasks contains {
	"id": sprintf("copy %s", [node.id]),
	"kind": "update",
	"entity": sprintf("right/%s/%s", [input.new.role, node.id]),
	"set": {"level": input.new.level},
} if {
	input.entity.kind == "right"
	input.node.kind == "workspace"
	opened_or_closed
	some node in input.node.below
	node.kind in {"workspace", "screen"}
	input.levels[node.id][input.new.role] != input.new.level
}

# METADATA
# title: A first level
# custom: {id: copy_new}
tasks contains {
	"id": sprintf("copy %s", [node.id]),
	"kind": "create",
	"entity": sprintf("right/%s/%s", [input.new.role, node.id]),
	"set": {"role": input.new.role, "node": node.id, "level": input.new.level},
} if {
	input.entity.kind == "right"
	input.node.kind == "workspace"
	opened_or_closed
	some node in input.node.below
	node.kind in {"workspace", "screen"}
	not has_level(node.id)
}

# A right of level 0 is a right, too.
has_level(node) if input.levels[node][input.new.role] >= 0

opened_or_closed if {
	input.operation in {"create", "update"}
	input.new.level in {0, 5}
}

# METADATA
# title: Users of a type are set back
# custom: {id: set_back}
tasks contains {
	"id": sprintf("set back %s", [user.id]),
	"kind": "update",
	"entity": sprintf("user/%s", [user.id]),
	"set": {"grants": [{"role": allowed.role} | some allowed in input.new.allowed_roles; allowed["default"] == true]},
} if {
	input.entity.kind == "user_type"
	overwritten
	some user in input.type_users
}

# METADATA
# title: What no role was given is granted to every role
# custom: {id: granted_to_all}
tasks contains {
	"id": sprintf("grant %s to %s", [screen.id, role]),
	"kind": "create",
	"entity": sprintf("right/%s/%s", [role, screen.id]),
	"set": {"role": role, "node": screen.id, "level": 5},
} if {
	input.entity.kind == "portal"
	upgraded
	some screen in input.screens
	screen.configured == false
	some role, _ in input.roles
}
