package presets.acumatica

# METADATA
# title: What follows from a change
# description: |
#   A level that is set at a workspace is copied to every screen and workspace in
#   it, whatever stood there. Nothing remembers that it was a copy: what is set at
#   a screen afterwards stands, in every workspace that shows it.
# entrypoint: true
provisioning := {"tasks": copies}

# METADATA
# title: A level that is there already is written anew
# custom: {id: copy_over}
copies contains {
	"id": sprintf("copy %s", [node.id]),
	"kind": "update",
	"entity": sprintf("right/%s/%s", [input.new.role, node.id]),
	"set": {"level": input.new.level},
} if {
	set_at_workspace
	some node in input.node.below
	node.kind in {"workspace", "screen"}
	input.levels[node.id][input.new.role] != input.new.level
}

# METADATA
# title: A first level
# custom: {id: copy_new}
copies contains {
	"id": sprintf("copy %s", [node.id]),
	"kind": "create",
	"entity": sprintf("right/%s/%s", [input.new.role, node.id]),
	"set": {"role": input.new.role, "node": node.id, "level": input.new.level},
} if {
	set_at_workspace
	some node in input.node.below
	node.kind in {"workspace", "screen"}
	not has_level(node.id)
}

# A right of level 0 is a right, too.
has_level(node) if input.levels[node][input.new.role] >= 0

set_at_workspace if {
	input.entity.kind == "right"
	input.operation in {"create", "update"}
	input.node.kind == "workspace"
	input.new.level in {0, 5}
}
