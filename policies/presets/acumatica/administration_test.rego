package presets.acumatica.administration_test

import data.presets.acumatica

types := {
	"Staff": {"linked": "employee", "allowed_roles": {}, "attributes": {}},
	"Buyer": {
		"linked": "contact",
		"allowed_roles": {"Buying": {"default": true}, "Filing": {"default": false}},
		"attributes": {"email_as_username": true},
	},
	"Named": {"linked": "contact", "allowed_roles": {"Buying": {"default": false}}, "attributes": {}},
}

staff := {"id": "kim", "active": true, "user_type": "Staff", "manages": []}

boss := {"id": "tonya", "active": true, "user_type": "Boss", "manages": ["Buyer"], "account": "A"}

contact := {"id": "C", "email": "ray@a.example", "account": "A"}

admit(event) := document if {
	document := acumatica.admission with input as event
		with data.portal as {"user_types": types}
}

tasks(event) := document.tasks if {
	document := acumatica.provisioning with input as event
}

reasons(event) := {refusal.reason | some refusal in admit(event).refusals}

create(kind, new) := {"operation": "create", "entity": {"kind": kind, "id": "x"}, "new": new, "context": {}}

update(kind, old, new) := object.union(create(kind, new), {"operation": "update", "old": old})

delete(kind, old) := {"operation": "delete", "entity": {"kind": kind, "id": "x"}, "old": old, "context": {}}

# A type is written; A is a role for guests, B is not.
type_of(linked, roles, manages) := object.union(
	create("user_type", {
		"id": "T", "linked": linked, "manages": manages,
		"allowed_roles": [{"role": role, "default": false} | some role in roles],
	}),
	{"roles": {"A": {"guest": true}, "B": {"guest": false}}},
)

test_types[name] if {
	some name, case in {
		"guest role for contacts": {"event": type_of("contact", ["A"], []), "want": set()},
		"other role for contacts": {"event": type_of("contact", ["A", "B"], []), "want": {"roles_not_for_guests"}},
		"role that is gone": {"event": type_of("contact", ["C"], []), "want": {"roles_not_for_guests"}},
		"any role for employees": {"event": type_of("employee", ["A", "B"], []), "want": set()},
		"contacts manage": {"event": type_of("contact", [], ["T"]), "want": set()},
		"employees do not": {"event": type_of("employee", [], ["T"]), "want": {"type_cannot_manage"}},
		"linked to who knows": {"event": type_of("", ["B"], ["T"]), "want": {"roles_not_for_guests", "type_cannot_manage"}},
		"no longer there": {"event": delete("user_type", {"linked": "employee", "manages": ["T"]}), "want": set()},
	}
	reasons(case.event) == case.want
}

test_roles[name] if {
	some name, case in {
		"still for guests": {"id": "Buying", "guest": true, "want": set()},
		"no longer, and contacts hold it": {"id": "Buying", "guest": false, "want": {"role_in_use_by_guests"}},
		"no longer, and nobody minds": {"id": "Other", "guest": false, "want": set()},
	}
	event := object.union(update("role", {"guest": true}, {"guest": case.guest}), {"entity": {"id": case.id}})
	reasons(event) == case.want
}

user(type, roles) := {"user_type": type, "active": true, "login": "ray", "grants": [{"role": role} | some role in roles], "account": "A", "contact": "C"}

for_contact(event) := object.union(event, {"contact": contact, "users": [], "same_login": 0})

defaults(event) := admit(for_contact(event)).defaults

test_defaults[name] if {
	some name, case in {
		"of a new user": {
			"event": create("user", user("Buyer", [])),
			"want": {"grants": [{"role": "Buying"}], "login": "ray@a.example"},
		},
		"of one whose roles are named": {
			"event": create("user", user("Buyer", ["Filing"])),
			"want": {"login": "ray@a.example"},
		},
		"of a type without any": {"event": create("user", user("Named", [])), "want": {}},
		"of one written again": {"event": update("user", user("Buyer", []), user("Buyer", [])), "want": {}},
		"of another type": {
			"event": update("user", user("Named", ["Buying"]), user("Buyer", ["Buying"])),
			"want": {"grants": [{"role": "Buying"}]},
		},
		"of no type any more": {
			"event": update("user", user("Buyer", ["Filing"]), object.remove(user("", ["Filing"]), ["user_type"])),
			"want": {"grants": []},
		},
		"of another type, roles named": {
			"event": update("user", user("Named", ["Buying"]), user("Buyer", ["Filing"])),
			"want": {},
		},
		"overwritten": {
			"event": object.union(update("user", user("Buyer", ["Filing"]), user("Buyer", ["Filing"])), {"context": {"overwrite_roles": true}}),
			"want": {"grants": [{"role": "Buying"}]},
		},
		"of what is no user": {
			"event": object.union(create("contact", user("Buyer", [])), {"context": {"overwrite_roles": true}}),
			"want": {},
		},
	}
	defaults(case.event) == case.want
}

test_users[name] if {
	some name, case in {
		"allowed": {"event": for_contact(create("user", user("Buyer", ["Filing"]))), "want": set()},
		"role of no type": {"event": for_contact(create("user", user("Buyer", ["Boss"]))), "want": {"role_not_allowed"}},
		"held before": {"event": for_contact(update("user", user("Buyer", ["Boss"]), user("Buyer", ["Boss"]))), "want": set()},
		"replaced": {"event": for_contact(update("user", user("Staff", ["Boss"]), user("Buyer", ["Boss"]))), "want": set()},
		"no address": {
			"event": object.remove(for_contact(create("user", user("Buyer", []))), ["contact"]),
			"want": {"no_email"},
		},
		"none needed": {
			"event": object.remove(for_contact(create("user", user("Named", []))), ["contact"]),
			"want": set(),
		},
		"none needed later": {
			"event": object.remove(for_contact(update("user", user("Buyer", []), user("Buyer", []))), ["contact"]),
			"want": set(),
		},
		"login of another": {
			"event": object.union(for_contact(create("user", user("Named", []))), {"same_login": 1}),
			"want": {"login_taken"},
		},
		"contact of another": {
			"event": object.union(for_contact(create("user", user("Named", []))), {"users": [{"id": "v"}]}),
			"want": {"contact_has_user"},
		},
		"deleted": {
			"event": object.union(delete("user", user("Boss", ["Boss"])), {"users": [{"id": "v"}], "same_login": 1}),
			"want": set(),
		},
	}
	reasons(case.event) == case.want
}

by(actor, event) := object.union(event, {"actor": actor})

elsewhere(state) := object.union(state, {"account": "B"})

test_writers[name] if {
	some name, case in {
		"the service": {"event": create("screen", {}), "want": set()},
		"staff": {"event": by(staff, create("screen", {})), "want": set()},
		"staff who left": {"event": by(object.union(staff, {"active": false}), create("screen", {})), "want": {"staff_only"}},
		"a type that is gone": {"event": by(object.union(staff, {"user_type": "Gone"}), create("screen", {})), "want": {"staff_only"}},
		"a customer": {"event": by(boss, create("screen", {})), "want": {"staff_only"}},
		"a contact": {"event": by(boss, create("contact", {"account": "A"})), "want": set()},
		"a contact elsewhere": {"event": by(boss, create("contact", {"account": "B"})), "want": {"other_account"}},
		"a record moved away": {"event": by(boss, update("record", {"account": "A"}, {"account": "B"})), "want": {"other_account"}},
		"a record of no account": {"event": by(boss, create("record", {})), "want": {"other_account"}},
		"the own account": {"event": object.union(by(boss, update("account", {}, {})), {"entity": {"id": "A"}}), "want": set()},
		"another's": {"event": by(boss, update("account", {}, {})), "want": {"other_account"}},
		"a managed user": {"event": by(boss, for_contact(create("user", user("Buyer", [])))), "want": set()},
		"a managed user is deleted": {"event": by(boss, delete("user", user("Buyer", []))), "want": set()},
		"another type": {"event": by(boss, for_contact(create("user", user("Named", [])))), "want": {"type_not_managed"}},
		"into another type": {
			"event": by(boss, for_contact(update("user", user("Buyer", []), user("Named", [])))),
			"want": {"type_not_managed"},
		},
		"out of another type": {
			"event": by(boss, for_contact(update("user", user("Named", []), user("Buyer", [])))),
			"want": {"type_not_managed"},
		},
		"another type is deleted": {"event": by(boss, delete("user", user("Named", []))), "want": {"type_not_managed"}},
		"no type": {
			"event": by(boss, for_contact(create("user", object.remove(user("", []), ["user_type"])))),
			"want": {"type_not_managed"},
		},
		"a writer who manages nobody": {
			"event": by({"id": "z", "active": true, "account": "A"}, for_contact(create("user", user("Buyer", [])))),
			"want": {"type_not_managed"},
		},
		"another account": {
			"event": by(boss, for_contact(create("user", elsewhere(user("Buyer", []))))),
			"want": {"other_account"},
		},
		"from another account": {
			"event": by(boss, for_contact(update("user", elsewhere(user("Buyer", [])), user("Buyer", [])))),
			"want": {"other_account"},
		},
		"no account on both sides": {
			"event": by(
				object.remove(boss, ["account"]),
				for_contact(create("user", object.remove(user("Buyer", []), ["account"]))),
			),
			"want": {"other_account"},
		},
	}
	reasons(case.event) == case.want
}

right(kind, level) := object.union(create("right", {"role": "r", "node": "W", "level": level}), {
	"node": {"id": "W", "kind": kind, "below": [
		{"id": "V", "kind": "workspace"}, {"id": "S", "kind": "screen"},
		{"id": "U", "kind": "screen"}, {"id": "S.tab", "kind": "container"},
	]},
	"levels": {"W": {"r": level}, "S": {"r": 2, "q": 5}, "U": {"r": 0}},
})

test_levels_of_kinds[kind] if {
	some kind, want in {"workspace": {0, 5}, "screen": {0, 1, 2, 3, 4, 5}, "container": {0, 1, 2, 3, 4, 5}, "element": {0, 1, 2}}
	want == {level |
		some level in numbers.range(0, 5)
		reasons(right(kind, level)) == set()
	}
}

test_a_level_taken_away_is_no_level if {
	reasons({"operation": "delete", "entity": {"kind": "right"}, "node": {"kind": "workspace"}, "old": {}}) == set()
}

copied(event) := {task.entity: [task.kind, task.set.level] | some task in tasks(event)}

test_copies[name] if {
	some name, case in {
		"granted": {"event": right("workspace", 5), "want": {
			"right/r/V": ["create", 5], "right/r/S": ["update", 5], "right/r/U": ["update", 5],
		}},
		"revoked": {"event": right("workspace", 0), "want": {"right/r/V": ["create", 0], "right/r/S": ["update", 0]}},
		"a screen copies nothing": {"event": right("screen", 5), "want": {}},
		"nor another level": {"event": right("workspace", 2), "want": {}},
		"nor what is taken away": {"event": object.union(right("workspace", 5), {"operation": "delete"}), "want": {}},
		"nor what is no right": {"event": object.union(right("workspace", 5), {"entity": {"kind": "role"}}), "want": {}},
	}
	copied(case.event) == case.want
}

test_a_new_right_is_named_in_full if {
	some task in tasks(right("workspace", 5))
	task == {"id": "copy V", "kind": "create", "entity": "right/r/V", "set": {"role": "r", "node": "V", "level": 5}}
}
