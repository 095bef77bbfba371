package presets.salesforce_self_service_test

import data.presets.salesforce_self_service

# A user of contact C at account A, and its portal.
asker := {
	"id": "u", "login": "u@a.example", "active": true, "user_type": "Self-Service User",
	"roles": [], "effective_roles": [], "manages": [], "account": "A", "contact": "C",
	"flags": {}, "attributes": {}, "same_login": 0,
}

agent := object.union(object.remove(asker, ["account", "contact"]), {
	"user_type": "Staff",
	"effective_roles": ["Manage Customer Users"],
})

portal := {
	"settings": {"login_enabled": true, "solution_browsing": true, "edition": "Developer"},
	"user_types": {"Staff": {"linked": "employee"}, "Self-Service User": {"linked": "contact"}},
}

question(type, action, facts) := object.union(
	{
		"portal": "p",
		"subject": {"type": "user", "id": "u", "properties": {}},
		"action": {"name": action, "properties": {}},
		"resource": {"type": type, "id": "1", "properties": {}},
		"context": {},
		"user": asker,
	},
	facts,
)

stored(type, facts) := object.union({"type": type, "id": "1", "flags": {"visible": true}, "properties": {}}, facts)

own_case := stored("case", {"account": "A", "contact": "C"})

decide(asked, settings) := decision if {
	decision := salesforce_self_service.decision with input as asked
		with data.portal as object.union(portal, {"settings": settings})
}

granted := {"outcome": "allow", "reason": "granted"}

deny(reason) := {"outcome": "deny", "reason": reason}

knows := {
	"portal": {"login"},
	"case": {"view", "list", "comment", "attach", "create"},
	"comment": {"view", "list"},
	"attachment": {"view", "list"},
	"solution": {"view", "list"},
	"user": {"view", "list", "manage_user.create", "manage_user.edit", "manage_user.disable", "manage_user.reset_password"},
	"spaceship": set(),
}

actions := {action | some known in knows; some action in known} | {"edit", "delete", "manage_user.delete", ""}

# Nothing but what the portal knows is granted, with every fact in favour.
test_known_actions[type] if {
	some type, known in knows
	every action in actions - known {
		every user in [object.union(asker, {"flags": {"super_user": true}}), agent] {
			facts := {
				"user": user,
				"record": stored(type, {"account": "A", "contact": "C", "flags": {"published": true}}),
				"parent": own_case,
				"target": {"type": "user", "id": "t", "user_type": "Self-Service User", "account": "A"},
			}
			decide(question(type, action, facts), {"normal_scope": "account"}) == deny("action_unknown")
		}
	}
}

test_subjects[name] if {
	some name, case in {
		"a visitor": {"facts": {"subject": {"type": "anonymous"}}, "want": {"outcome": "challenge", "reason": "login_required"}},
		"deactivated": {"facts": {"user": {"active": false}}, "want": deny("user_inactive")},
		"acting": {"facts": {"context": {"actor": "v"}}, "want": deny("acting_unsupported")},
		"of another portal": {"facts": {"user": {"user_type": "Partner"}}, "want": deny("not_self_service")},
	}
	decide(question("case", "view", object.union({"record": own_case}, case.facts)), {}) == case.want
}

test_nobody if {
	decide(object.remove(question("case", "view", {"record": own_case}), ["user"]), {}) == deny("user_unknown")
}

# A case is reached by its account, its contact or a wider scope, and its flag.
test_case_scope[name] if {
	some name, case in {
		"own": {"record": {}, "user": {}, "settings": {}, "want": granted},
		"colleague's": {"record": {"contact": "D"}, "user": {}, "settings": {}, "want": deny("other_contact")},
		"super user": {"record": {"contact": "D"}, "user": {"flags": {"super_user": true}}, "settings": {}, "want": granted},
		"wide portal": {"record": {"contact": "D"}, "user": {}, "settings": {"normal_scope": "account"}, "want": granted},
		"odd setting": {"record": {"contact": "D"}, "user": {}, "settings": {"normal_scope": "all"}, "want": deny("other_contact")},
		"other account": {"record": {"account": "B"}, "user": {"flags": {"super_user": true}}, "settings": {"normal_scope": "account"}, "want": deny("other_account")},
		"flag off": {"record": {"flags": {"visible": false}}, "user": {}, "settings": {}, "want": deny("not_visible")},
		"off": {"record": {}, "user": {}, "settings": {"login_enabled": false}, "want": deny("login_disabled")},
	}
	asked := question("case", "view", {"record": object.union(own_case, case.record), "user": object.union(asker, case.user)})
	decide(asked, case.settings) == case.want
	part := question("attachment", "view", {
		"record": stored("attachment", {}),
		"parent": object.union(own_case, case.record),
		"user": object.union(asker, case.user),
	})
	decide(part, case.settings) == case.want
}

# Neither no account nor no contact is the same as another's none.
test_missing_belongings[name] if {
	some name, user in {
		"no account": object.remove(asker, ["account"]),
		"neither": object.union(object.remove(asker, ["account"]), {"flags": {"super_user": true}}),
	}
	asked := object.union(object.remove(question("case", "view", {}), ["user"]), {"record": stored("case", {}), "user": user})
	decide(asked, {"normal_scope": "account"}) == deny("other_account")
}

test_closed_case if {
	closed := object.union(own_case, {"flags": {"closed": true}})
	decide(question("case", "comment", {"record": closed}), {}) == deny("case_closed")
	decide(question("case", "view", {"record": closed}), {}) == granted
	decide(question("case", "attach", {"record": own_case}), {}) == granted
}

test_new_case[name] if {
	some name, case in {
		"plain": {"facts": {}, "want": granted},
		"stated": {"facts": {"resource": {"properties": {"account": "A", "contact": "C"}}}, "want": granted},
		"other account": {"facts": {"resource": {"properties": {"account": "B"}}}, "want": deny("other_account")},
		"other contact": {"facts": {"resource": {"properties": {"contact": "D"}}}, "want": deny("other_contact")},
		"there already": {"facts": {"record": own_case}, "want": deny("record_exists")},
	}
	decide(question("case", "create", case.facts), {}) == case.want
}

test_new_case_without_account if {
	asked := object.union(object.remove(question("case", "create", {}), ["user"]), {"user": object.remove(asker, ["account"])})
	decide(asked, {}) == deny("no_account")
}

test_comments if {
	open := {"record": stored("comment", {"flags": {"published": true}}), "parent": own_case}
	decide(question("comment", "view", open), {}) == granted
	internal := {"record": stored("comment", {"flags": {"published": false}}), "parent": own_case}
	decide(question("comment", "view", internal), {}) == {"outcome": "hide", "reason": "not_published"}
	decide(question("comment", "view", {}), {}) == deny("record_unknown")
}

test_solutions[name] if {
	some name, case in {
		"no top": {"facts": {}, "settings": {}, "want": granted},
		"top": {"facts": {"record": {"parent": "category/t"}}, "settings": {"top_solution_category": "category/t"}, "want": granted},
		"below": {
			"facts": {"parent": {"type": "category", "parent": "category/t"}},
			"settings": {"top_solution_category": "category/t"},
			"want": granted,
		},
		"outside": {"facts": {}, "settings": {"top_solution_category": "category/t"}, "want": deny("other_category")},
		"hidden": {"facts": {"record": {"flags": {"visible": false}}}, "settings": {}, "want": deny("not_visible")},
		"none offered": {"facts": {}, "settings": {"solution_browsing": false}, "want": deny("browsing_off")},
	}
	asked := question("solution", "view", object.union({"record": stored("solution", {})}, case.facts))
	decide(asked, case.settings) == case.want
}

target := {"type": "user", "id": "t", "user_type": "Self-Service User"}

managing(action, facts) := question("user", action, object.union({"target": target, "user": agent}, facts))

staff := {"outcome": "allow", "reason": "staff_permission"}

test_management[name] if {
	contact := {"type": "contact", "id": "k", "account": "A"}
	some name, case in {
		"edited": {"asked": managing("manage_user.edit", {}), "settings": {}, "want": staff},
		"staff": {"asked": managing("manage_user.edit", {"target": {"user_type": "Staff"}}), "settings": {}, "want": deny("target_unknown")},
		"without": {"asked": managing("view", {"user": {"effective_roles": []}}), "settings": {}, "want": deny("staff_only")},
		"edition": {"asked": managing("view", {}), "settings": {"edition": "Group"}, "want": deny("edition")},
		"taken": {"asked": managing("manage_user.create", {}), "settings": {}, "want": deny("target_unknown")},
		"no account": {
			"asked": object.union(object.remove(managing("manage_user.create", {}), ["target"]), {"target": {"type": "contact"}}),
			"settings": {},
			"want": deny("no_account"),
		},
		"enabled": {
			"asked": object.union(object.remove(managing("manage_user.create", {}), ["target"]), {"target": contact}),
			"settings": {},
			"want": staff,
		},
	}
	decide(case.asked, case.settings) == case.want
}

test_login if {
	decide(question("portal", "login", {"resource": {"id": "p"}}), {}) == granted
	decide(question("portal", "login", {}), {}) == deny("portal_unknown")
}
