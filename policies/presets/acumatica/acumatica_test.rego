package presets.acumatica_test

import data.presets.acumatica

# A user of account STOREHUT with one role, who asks to view screen S.
asker := {
	"id": "u", "login": "u", "active": true, "roles": ["r"], "effective_roles": ["r"],
	"manages": ["Clerk"], "account": "STOREHUT", "contact": "C-U", "attributes": {},
}

form := {
	"id": "S", "kind": "screen", "screen_id": "S", "features_off": [], "flags": {},
	"path": [{"id": "W", "kind": "workspace", "configured": true}, {"id": "S", "kind": "screen", "configured": true}],
}

menu := {
	"id": "W", "kind": "workspace", "features_off": [], "flags": {},
	"path": [{"id": "W", "kind": "workspace", "configured": true}],
}

# A field in a tab of screen S.
field := {
	"id": "E", "kind": "element", "screen_id": "S", "features_off": [], "flags": {},
	"path": [
		{"id": "S", "kind": "screen", "configured": true},
		{"id": "T", "kind": "container", "configured": false},
		{"id": "E", "kind": "element", "configured": false},
	],
}

unset_form := json.patch(form, [{"op": "replace", "path": "/path/1/configured", "value": false}])

unset_field := json.patch(field, [{"op": "replace", "path": "/path/0/configured", "value": false}])

# asked is the question of the asker with some members replaced.
asked(type, action, facts) := object.union(
	{
		"portal": "p",
		"subject": {"type": "user", "id": "u", "properties": {}},
		"action": {"name": action, "properties": {}},
		"resource": {"type": type, "id": "X", "properties": {}},
		"context": {},
		"user": asker,
		"screen": form,
		"rights": {},
	},
	facts,
)

# Replacing a whole fact takes the old one away first.
put(question, name, fact) := object.union(object.remove(question, [name]), {name: fact})

at(level) := {"S": {"r": level}}

own(type) := {"type": type, "id": "X", "account": "STOREHUT", "contact": "C-U", "flags": {}, "properties": {}}

granted(level) := {"outcome": "allow", "reason": "granted", "level": level}

deny(reason) := {"outcome": "deny", "reason": reason}

too_low(level) := {"outcome": "deny", "reason": "level_too_low", "level": level}

revoked := {"outcome": "hide", "reason": "revoked", "level": 0}

decide(question) := decide_in(question, {})

decide_in(question, settings) := decision if {
	decision := acumatica.decision with input as question
		with data.portal as {"settings": settings, "sharing": []}
}

# A case is a question, and the decision that it must come to.
holds(case) if decide_in(case.question, object.get(case, "settings", {})) == case.want

# Each level opens what it takes at a screen, and no more.
needs := {"view": 1, "list": 1, "edit": 2, "create": 3, "publish": 4, "delete": 5}

test_screen_levels[sprintf("%s at %d", [action, level])] if {
	some action, need in needs
	some level in numbers.range(1, 5)
	got := decide(asked("screen", action, {"rights": at(level)}))
	got == {true: granted(level), false: too_low(level)}[level >= need]
}

test_revoked_screen[action] if {
	some action, _ in needs
	decide(asked("screen", action, {"rights": at(0)})) == revoked
}

# What each type knows; whatever else is asked of it is unknown.
knows := {
	"workspace": {"view", "list"},
	"screen": {"view", "list", "edit", "create", "publish", "delete"},
	"container": {"view", "edit", "create", "publish", "delete"},
	"element": {"view", "edit"},
	"account": {"view", "list", "edit"},
	"contact": {"view", "list", "edit", "create", "delete"},
	"contract": {"view", "list"},
	"document": {"view", "list"},
	"case": {"view", "list", "comment", "attach", "close", "edit", "create"},
	"case_class": {"view", "list"},
	"contact_class": {"view", "list"},
	"account_class": {"view", "list"},
	"attribute": {"view", "list"},
	"user": {
		"manage_user.create", "manage_user.edit", "manage_user.disable",
		"manage_user.delete", "manage_user.reset_password",
	},
	"spaceship": set(),
}

actions := {action | some set in knows; some action in set} | {"veiw", "", "View"}

test_actions[type] if {
	some type, known in knows
	known == {action |
		some action in actions
		acumatica.need with input as asked(type, action, {})
	}
	every action in actions - known {
		decide(asked(type, action, {"rights": at(5), "record": own(type)})) == deny("action_unknown")
	}
}

without(question, name) := object.remove(question, [name])

visitor := object.union(without(asked("screen", "view", {}), "user"), {"subject": {"type": "anonymous"}})

reading(facts) := asked("screen", "view", object.union({"rights": at(1)}, facts))

test_identity[name] if {
	some name, case in {
		"a visitor": {"question": visitor, "want": {"outcome": "challenge", "reason": "login_required"}},
		"no such user": {"question": without(reading({}), "user"), "want": deny("user_unknown")},
		"a service": {
			"question": without(reading({"subject": {"type": "service"}}), "user"),
			"want": deny("user_unknown"),
		},
		"deactivated": {"question": reading({"user": {"active": false}}), "want": deny("user_inactive")},
		"a deactivated administrator": {
			"question": reading({"user": {"active": false, "effective_roles": ["Administrator"]}}),
			"want": deny("user_inactive"),
		},
		"for another": {"question": reading({"context": {"actor": "v"}}), "want": deny("acting_unsupported")},
		"an administrator for another": {
			"question": reading({"context": {"actor": {"id": "v"}}, "user": {"effective_roles": ["Administrator"]}}),
			"want": deny("acting_unsupported"),
		},
	}
	holds(case)
}

test_screens[name] if {
	some name, case in {
		"no screen": {"question": without(reading({}), "screen"), "want": deny("screen_unknown")},
		"a feature is off": {"question": reading({"screen": {"features_off": ["f"]}}), "want": deny("feature_off")},
		"no right": {"question": asked("screen", "view", {}), "want": deny("not_granted")},
		"a right elsewhere": {"question": asked("screen", "view", {"rights": {"W": {"r": 5}}}), "want": deny("not_granted")},
		"several roles": {"question": reading({"rights": {"S": {"q": 0, "s": 4}}}), "want": granted(4)},
		"unlisted": {"question": reading({"screen": {"flags": {"unlisted": true}}}), "want": granted(1)},
		"unlisted and closed": {
			"question": asked("screen", "view", {"rights": at(0), "screen": {"flags": {"unlisted": true}}}),
			"want": {"outcome": "deny", "reason": "revoked", "level": 0},
		},
		"unlisted in the menu": {
			"question": asked("screen", "list", {"rights": at(2), "screen": {"flags": {"unlisted": true}}}),
			"want": {"outcome": "hide", "reason": "not_in_menu", "level": 2},
		},
		"in a closed workspace": {
			"question": asked("screen", "list", {"rights": {"S": {"r": 2}, "W": {"r": 0}}}),
			"want": {"outcome": "hide", "reason": "not_in_menu", "level": 2},
		},
		"in a workspace that another role opens": {
			"question": asked("screen", "list", {"rights": {"S": {"r": 2}, "W": {"q": 1, "r": 0}}}),
			"want": granted(2),
		},
		"a workspace": {
			"question": put(asked("workspace", "list", {"rights": {"W": {"r": 5}}}), "screen", menu),
			"want": granted(5),
		},
		"a closed workspace": {
			"question": put(asked("workspace", "view", {"rights": {"W": {"r": 0}}}), "screen", menu),
			"want": revoked,
		},
	}
	holds(case)
}

element(action, rights) := put(asked("element", action, {"rights": rights}), "screen", field)

shown := {"outcome": "allow", "reason": "validation_error", "level": 0, "obligations": [{"id": "show_error_only"}]}

with_error(question) := object.union(question, {"context": {"validation_error": true}})

test_nested_nodes[name] if {
	capped := {"nested_rights": "capped"}
	some name, case in {
		"inherits": {"question": element("edit", at(2)), "want": granted(2)},
		"explicit and wider": {"question": element("edit", {"S": {"r": 1}, "E": {"r": 2}}), "want": granted(2)},
		"capped": {
			"question": element("edit", {"S": {"r": 1}, "E": {"r": 2}}), "settings": capped,
			"want": too_low(1),
		},
		"a cap takes the lesser": {
			"question": element("edit", {"S": {"r": 5}, "T": {"r": 1}}), "settings": capped,
			"want": too_low(1),
		},
		"inherits under a cap": {"question": element("edit", at(3)), "settings": capped, "want": granted(3)},
		"explicit and narrower": {"question": element("edit", {"S": {"r": 5}, "E": {"r": 1}}), "want": too_low(1)},
		"the tab counts": {"question": element("view", {"S": {"r": 5}, "T": {"r": 0}}), "want": revoked},
		"unless the field is explicit": {
			"question": element("view", {"S": {"r": 5}, "T": {"r": 0}, "E": {"r": 1}}),
			"want": granted(1),
		},
		"one more role takes away": {"question": element("view", {"S": {"q": 5, "r": 1}, "E": {"r": 0}}), "want": revoked},
		"the screen is closed": {"question": element("view", {"S": {"r": 0}, "E": {"r": 2}}), "want": revoked},
		"closed under a cap": {
			"question": element("view", {"S": {"r": 0}, "E": {"r": 2}}), "settings": capped,
			"want": revoked,
		},
		"no right at the screen": {"question": element("view", {"E": {"r": 2}}), "want": deny("not_granted")},
		"no right under a cap": {
			"question": element("view", {"E": {"r": 2}}), "settings": capped,
			"want": deny("not_granted"),
		},
		"an error": {"question": with_error(element("view", {"S": {"r": 1}, "E": {"r": 0}})), "want": shown},
		"an error on a closed screen": {"question": with_error(element("view", at(0))), "want": revoked},
		"an error while editing": {"question": with_error(element("edit", {"S": {"r": 5}, "E": {"r": 0}})), "want": revoked},
		"an error where it is open": {"question": with_error(element("view", at(1))), "want": granted(1)},
		"an error on a screen": {"question": with_error(asked("screen", "view", {"rights": at(0)})), "want": revoked},
	}
	holds(case)
}

# Up to 2023 R2, a screen at which no role has a level is open to all that have a role.
test_generations[name] if {
	old := {"rights_generation": "2023r2"}
	new := {"rights_generation": "2024r1"}
	unset := put(asked("screen", "delete", {}), "screen", unset_form)
	below := put(element("edit", {}), "screen", unset_field)
	roleless := object.union(unset, {"user": {"roles": [], "effective_roles": []}})
	workspace := put(asked("workspace", "view", {}), "screen", menu)
	some name, case in {
		"old, unset": {"question": unset, "settings": old, "want": granted(5)},
		"new, unset": {"question": unset, "settings": new, "want": deny("not_granted")},
		"unsaid, unset": {"question": unset, "want": deny("not_granted")},
		"old, below": {"question": below, "settings": old, "want": granted(5)},
		"new, below": {"question": below, "settings": new, "want": deny("not_granted")},
		"old, below, explicit": {
			"question": object.union(below, {"rights": {"T": {"r": 1}}}), "settings": old,
			"want": too_low(1),
		},
		"old, no role": {"question": roleless, "settings": old, "want": deny("not_granted")},
		"old, set for another": {"question": asked("screen", "view", {}), "settings": old, "want": deny("not_granted")},
		"old, set": {"question": reading({}), "settings": old, "want": granted(1)},
		"old, a workspace": {"question": workspace, "settings": old, "want": deny("not_granted")},
	}
	holds(case)
}

about(type, action, changes) := asked(type, action, {"rights": at(5), "record": object.union(own(type), changes)})

# Two that are of no account, or no contact, have nothing in common.
loose(question) := json.remove(question, ["user/account", "user/contact", "record/account", "record/contact"])

test_records[name] if {
	closed := {"flags": {"closed": true}}
	other := {"account": "ABAKERY"}
	some name, case in {
		"own account": {"question": about("document", "view", {}), "want": granted(5)},
		"another account": {"question": about("document", "view", other), "want": deny("other_account")},
		"no account on both sides": {"question": loose(about("document", "view", {})), "want": deny("other_account")},
		"not there": {"question": asked("document", "view", {"rights": at(5)}), "want": deny("record_unknown")},
		"a group": {
			"question": about("contact", "edit", {"properties": {"restriction_groups": "all"}}),
			"want": deny("restriction_group"),
		},
		"level": {"question": object.union(about("contact", "edit", {}), {"rights": at(1)}), "want": too_low(1)},
		"closed to the role": {
			"question": object.union(about("contact", "view", {}), {"rights": at(0)}),
			"want": {"outcome": "deny", "reason": "revoked", "level": 0},
		},
		"case": {"question": about("case", "view", {"contact": "C-V"}), "want": granted(5)},
		"comment": {"question": about("case", "comment", {"contact": "C-V"}), "want": granted(5)},
		"comment on a closed one": {"question": about("case", "comment", closed), "want": deny("case_closed")},
		"attach elsewhere": {"question": about("case", "attach", other), "want": deny("other_account")},
		"edit": {"question": about("case", "edit", {}), "want": deny("case_submitted")},
		"close": {
			"question": about("case", "close", {}),
			"want": object.union(granted(5), {"obligations": [{"id": "set_case_reason", "value": "Closed on Portal"}]}),
		},
		"close again": {"question": about("case", "close", closed), "want": deny("case_closed")},
		"close a colleague's": {"question": about("case", "close", {"contact": "C-V"}), "want": deny("other_contact")},
		"close nobody's, being nobody": {
			"question": json.remove(about("case", "close", {}), ["user/contact", "record/contact"]),
			"want": deny("other_contact"),
		},
		"public class": {"question": about("case_class", "view", {}), "want": granted(5)},
		"internal class": {
			"question": about("case_class", "view", {"flags": {"internal": true}}),
			"want": {"outcome": "hide", "reason": "class_internal"},
		},
		"no class": {"question": asked("case_class", "view", {"rights": at(5)}), "want": deny("record_unknown")},
	}
	holds(case)
}

create(claims) := asked("case", "create", {"rights": at(3), "resource": {"properties": claims}})

test_new_records[name] if {
	some name, case in {
		"nothing said": {"question": create({}), "want": granted(3)},
		"own account said": {"question": create({"account": "STOREHUT"}), "want": granted(3)},
		"another said": {"question": create({"account": "ABAKERY"}), "want": deny("other_account")},
		"null said": {"question": create({"account": null}), "want": deny("other_account")},
		"no account": {"question": json.remove(create({}), ["user/account"]), "want": deny("other_account")},
		"no account, one said": {
			"question": json.remove(create({"account": "STOREHUT"}), ["user/account"]),
			"want": deny("other_account"),
		},
		"there already": {"question": about("case", "create", {}), "want": deny("record_exists")},
		"level": {"question": object.union(create({}), {"rights": at(2)}), "want": too_low(2)},
	}
	holds(case)
}

manage(action, target, claims) := asked("user", concat(".", ["manage_user", action]), {
	"rights": at(3), "target": target, "resource": {"properties": claims},
})

clerk := {"type": "user", "id": "X", "user_type": "Clerk", "account": "STOREHUT"}

contact := {"type": "contact", "id": "C-N", "account": "STOREHUT"}

test_managed_users[name] if {
	some name, case in {
		"edit": {"question": manage("edit", clerk, {}), "want": granted(3)},
		"of another type": {
			"question": manage("edit", object.union(clerk, {"user_type": "Boss"}), {}),
			"want": deny("type_not_managed"),
		},
		"of no type": {
			"question": manage("delete", object.remove(clerk, ["user_type"]), {"user_type": "Clerk"}),
			"want": deny("type_not_managed"),
		},
		"of another account": {
			"question": manage("edit", object.union(clerk, {"account": "ABAKERY"}), {}),
			"want": deny("other_account"),
		},
		"of no account, by one of none": {
			"question": json.remove(manage("edit", clerk, {}), ["user/account", "target/account"]),
			"want": deny("other_account"),
		},
		"not there": {
			"question": without(manage("edit", clerk, {"user_type": "Clerk"}), "target"),
			"want": deny("target_unknown"),
		},
		"a contact in place of a user": {
			"question": put(manage("edit", {}, {"user_type": "Clerk"}), "target", contact),
			"want": deny("target_unknown"),
		},
		"create": {"question": put(manage("create", {}, {"user_type": "Clerk"}), "target", contact), "want": granted(3)},
		"create of another type": {
			"question": put(manage("create", {}, {"user_type": "Boss"}), "target", contact),
			"want": deny("type_not_managed"),
		},
		"create for nobody": {
			"question": without(manage("create", {}, {"user_type": "Clerk"}), "target"),
			"want": deny("target_unknown"),
		},
		"create again": {"question": manage("create", clerk, {"user_type": "Clerk"}), "want": deny("user_exists")},
		"level": {"question": object.union(manage("edit", clerk, {}), {"rights": at(2)}), "want": too_low(2)},
		"managing nobody": {
			"question": object.union(manage("edit", clerk, {}), {"user": {"manages": []}}),
			"want": deny("type_not_managed"),
		},
	}
	holds(case)
}

test_administrator[name] if {
	all := {"outcome": "allow", "reason": "administrator", "level": 5}
	root := {"user": {"effective_roles": ["Administrator", "r"]}}
	some name, case in {
		"a screen": {"question": asked("screen", "delete", root), "want": all},
		"a field": {"question": put(asked("element", "edit", root), "screen", field), "want": all},
		"a closed case of another account": {
			"question": object.union(about("case", "edit", {"account": "ABAKERY", "flags": {"closed": true}}), root),
			"want": all,
		},
		"a new case": {"question": asked("case", "create", root), "want": all},
		"any user": {
			"question": object.union(manage("delete", object.union(clerk, {"account": "ABAKERY"}), {}), root),
			"want": all,
		},
		"no record": {"question": asked("case", "view", root), "want": deny("not_granted")},
		"no user": {"question": asked("user", "manage_user.edit", root), "want": deny("not_granted")},
		"no screen": {"question": without(asked("screen", "view", root), "screen"), "want": deny("screen_unknown")},
		"no such action": {"question": asked("screen", "veiw", root), "want": deny("action_unknown")},
		"a feature is off": {
			"question": object.union(asked("screen", "view", root), {"screen": {"features_off": ["f"]}}),
			"want": deny("feature_off"),
		},
	}
	holds(case)
}

# Nothing at all is asked, and nothing is known: no rule fails open.
test_nothing_known if {
	every question in [{}, {"user": asker}, {"user": asker, "screen": form}, {"user": asker, "screen": form, "rights": at(5)}] {
		decide(question).outcome == "deny"
	}
}
