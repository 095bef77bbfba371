package lib.levels_test

import data.lib.levels

workspace := {"id": "w", "kind": "workspace"}

form := {"id": "s", "kind": "screen"}

outer := {"id": "c", "kind": "container"}

inner := {"id": "d", "kind": "container"}

field := {"id": "e", "kind": "element"}

# asked is a question about the last node of a path.
asked(path, rights) := {
	"screen": object.union(
		{"id": path[count(path) - 1].id, "path": path},
		{"screen_id": id | some step in path; step.kind == "screen"; id := step.id},
	),
	"rights": rights,
}

# got is what is defined of the four levels.
got := object.union_n([
	{"screen": level | level := levels.screen},
	{"node": level | level := levels.node},
	{"workspace": level | level := levels.workspace},
	{"nearest": level | level := levels.nearest},
])

cases := {
	"no rights": {"path": [workspace, form], "rights": {}, "want": {}},
	"one role": {"path": [form], "rights": {"s": {"r": 2}}, "want": {"screen": 2, "node": 2}},
	"the widest of several roles": {
		"path": [form],
		"rights": {"s": {"q": 0, "r": 5, "t": 3}},
		"want": {"screen": 5, "node": 5},
	},
	"revoked is a level": {"path": [form], "rights": {"s": {"r": 0}}, "want": {"screen": 0, "node": 0}},
	"a workspace has no screen": {
		"path": [workspace],
		"rights": {"w": {"q": 0, "r": 5}},
		"want": {"node": 5, "workspace": 5},
	},
	"workspaces within one another": {
		"path": [workspace, {"id": "v", "kind": "workspace"}, form],
		"rights": {"w": {"r": 0}, "v": {"r": 1}},
		"want": {"workspace": 1},
	},
	"a screen is not nested": {
		"path": [workspace, form],
		"rights": {"w": {"r": 5}, "s": {"r": 1}},
		"want": {"screen": 1, "node": 1, "workspace": 5},
	},
	"a node below the screen": {
		"path": [workspace, form, outer],
		"rights": {"s": {"r": 1}, "c": {"r": 2}},
		"want": {"screen": 1, "node": 2, "nearest": 2},
	},
	"the nearest explicit node counts": {
		"path": [form, outer, inner, field],
		"rights": {"s": {"r": 5}, "c": {"r": 4}, "d": {"r": 0}},
		"want": {"screen": 5, "nearest": 0},
	},
	"of roles that are explicit there the widest": {
		"path": [form, outer, field],
		"rights": {"s": {"q": 5}, "c": {"q": 5}, "e": {"r": 0, "t": 1}},
		"want": {"screen": 5, "node": 1, "nearest": 1},
	},
	"a nested node without a right at the screen": {
		"path": [form, outer, field],
		"rights": {"e": {"r": 2}},
		"want": {"node": 2, "nearest": 2},
	},
	"nothing explicit below the screen": {
		"path": [form, outer, field],
		"rights": {"s": {"r": 3}},
		"want": {"screen": 3},
	},
}

test_levels[name] if {
	some name, case in cases
	got == case.want with input as asked(case.path, case.rights)
}

# What is not there is undefined, and no error.
test_nothing_known if {
	every nothing in [{}, {"screen": {"id": "s", "path": [form]}}, {"rights": {"s": {"r": 1}}}] {
		got == {} with input as nothing
	}
}
