package presets.acumatica_calls_test

import data.presets.acumatica

ask(who, action, type, target) := object.union(
	{
		"subject": {"type": "user", "id": "u", "properties": {}},
		"action": {"name": action, "properties": {}},
		"resource": {"type": type, "id": "x", "properties": {}},
		"context": {},
		"target": target,
	},
	who,
)

decided(event) := result if {
	result := acumatica.decision.reason with input as event with data.portal as portal
}

test_who_may_call_at_all if {
	decided(ask({"subject": {"type": "caller"}}, "admin:delete", "role", {})) == "caller"
	decided(ask({"subject": {"type": "caller"}, "context": {"actor": "x"}}, "admin:delete", "role", {})) == "acting_unsupported"
	decided(ask({"subject": {"type": "anonymous"}}, "admin:read", "role", {})) == "login_required"
	decided(ask({"subject": {"type": "user"}}, "admin:read", "role", {})) == "user_unknown"
	decided(ask({"user": {"id": "u", "active": false}}, "admin:read", "role", {})) == "user_inactive"
	decided(ask({"user": customer}, "admin:read", "role", {})) == "not_administrator"
	decided(ask({"user": administrator}, "admin:read", "role", {})) == "administrator"
	decided(ask({"user": object.union(customer, {"effective_roles": administrator.effective_roles})}, "admin:read", "role", {})) == "not_administrator"
}

portal := {
	"settings": {"rights_generation": "2024r1"},
	"features": {},
	"user_types": {"Staff": {"linked": "employee"}, "Boss": {"linked": "contact"}},
}

administrator := {"id": "u", "active": true, "user_type": "Staff", "effective_roles": ["Portal Admin"]}

customer := {
	"id": "u", "active": true, "user_type": "Boss", "account": "A", "contact": "C",
	"effective_roles": ["boss"], "manages": ["Buyer"],
}

at(level, action, type, target) := object.union(
	ask({"user": customer}, action, type, target),
	{"screen": {"id": "S", "kind": "screen", "screen_id": "S", "path": [], "features_off": []}, "rights": {"S": {"boss": level}}},
)

buyer(account) := {"user_type": "Buyer", "account": account, "flags": {}, "attributes": {}}

test_delegated[name] if {
	some name, case in {
		"user": {"event": at(3, "admin:create", "user", {"type": "user", "after": buyer("A")}), "want": "delegated"},
		"user elsewhere": {"event": at(3, "admin:create", "user", {"type": "user", "after": buyer("B")}), "want": "other_account"},
		"user of another type": {
			"event": at(3, "admin:read", "user", {"before": {"user_type": "Boss", "account": "A"}}),
			"want": "type_not_managed",
		},
		"user with too little": {"event": at(2, "admin:read", "user", {"before": buyer("A")}), "want": "not_administrator"},
		"user with a flag": {
			"event": at(3, "admin:create", "user", {"after": object.union(buyer("A"), {"flags": {"x": true}})}),
			"want": "not_administrator",
		},
		"user in a group": {
			"event": at(3, "admin:create", "user", {"after": object.union(buyer("A"), {"attributes": {"restriction_groups": ["g"]}})}),
			"want": "not_administrator",
		},
		"contact": {"event": at(1, "admin:read", "contact", {"before": {"account": "A"}}), "want": "delegated"},
		"account": {
			"event": at(2, "admin:update", "account", {"before": {"id": "A", "name": "a"}, "after": {"id": "A", "name": "b"}}),
			"want": "delegated",
		},
		"case": {
			"event": at(3, "admin:create", "case", {"after": {"account": "A", "contact": "C", "flags": {}, "properties": {}}}),
			"want": "delegated",
		},
		"case in a group": {
			"event": at(3, "admin:create", "case", {"after": {
				"account": "A", "contact": "C", "flags": {},
				"properties": {"restriction_groups": ["g"]},
			}}),
			"want": "not_administrator",
		},
	}
	decided(case.event) == case.want
}

shown(kind, levels) := result if {
	event := object.union(ask({"user": administrator}, "admin:read", "right", {"of": "r"}), {
		"node": {"id": "W", "kind": kind, "below": [{"id": "S", "kind": "screen"}, {"id": "T", "kind": "screen"}]},
		"levels": levels,
	})
	result := acumatica.decision with input as event with data.portal as portal
}

test_levels_shown if {
	shown("workspace", {"S": {"r": 5}}).reason == "multiple_rights"
	shown("workspace", {"S": {"r": 5}, "T": {"r": 5}}).level == 5
	shown("workspace", {}).level == 0
	shown("screen", {"W": {"r": 2}, "S": {"r": 5}}).level == 2
	shown("screen", {}) == {"outcome": "allow", "reason": "administrator"}
	old := object.union(portal, {"settings": {"rights_generation": "2023r2"}})
	event := object.union(ask({"subject": {"type": "caller"}}, "admin:read", "right", {"of": "r"}), {
		"node": {"id": "W", "kind": "workspace", "below": [{"id": "S", "kind": "screen"}]},
		"levels": {},
	})
	result := acumatica.decision with input as event with data.portal as old
	result == {"outcome": "allow", "reason": "caller"}
}

grant(role, by) := {
	"operation": "update",
	"entity": {"kind": "user", "id": "v"},
	"old": object.union(buyer("A"), {"grants": []}),
	"new": object.union(buyer("A"), {"grants": [{"role": role}]}),
	"actor": by,
	"context": {},
	"roles": {"payer": {"guest": true, "inherits": ["clerk"]}, "clerk": {"guest": true, "inherits": []}},
}

refused(event, settings) := {refusal.reason |
	some refusal in acumatica.admission.refusals with input as event
		with data.portal as object.union(portal, {
			"settings": settings,
			"user_types": {"Buyer": {"linked": "contact", "allowed_roles": {"payer": {"default": false}}}},
		})
}

test_grants if {
	refused(grant("payer", customer), {}) == set()
	refused(grant("payer", customer), {"delegation": {"own_roles_only": true}}) == {"role_not_held"}
	refused(grant("payer", administrator), {"delegation": {"own_roles_only": true}}) == set()
	refused(grant("payer", administrator), {"separation_of_duties": [["payer", "clerk"]]}) == {"roles_conflict"}
	role := {
		"operation": "create", "entity": {"kind": "role", "id": "r"}, "actor": administrator, "context": {},
		"new": {"guest": true, "inherits": ["payer", "clerk"]}, "roles": {},
	}
	refused(role, {"separation_of_duties": [["payer", "clerk"]]}) == {"roles_conflict"}
}

pressed(facts) := object.union(
	{
		"operation": "update", "entity": {"kind": "user_type", "id": "Buyer"}, "context": {"overwrite_roles": true},
		"old": {"allowed_roles": []}, "new": {"linked": "employee", "allowed_roles": [{"role": "payer", "default": true}, {"role": "z", "default": false}]},
		"roles": {},
	},
	facts,
)

upgrade(facts) := object.union(
	{
		"operation": "update", "entity": {"kind": "portal", "id": "p"}, "context": {}, "roles": {"r": {"guest": false}},
		"old": {"settings": {"rights_generation": "2023r2"}}, "new": {"settings": {}},
	},
	facts,
)

tasks(event) := result if result := acumatica.provisioning.tasks with input as event

test_users_of_a_type_are_set_back if {
	tasks(pressed({"type_users": [{"id": "v"}]})) == {{
		"id": "set back v", "kind": "update", "entity": "user/v",
		"set": {"grants": [{"role": "payer"}]},
	}}
	refused(pressed({"type_users": []}), {}) == set()
	refused(pressed({}), {}) == {"too_many_users"}
}

test_the_upgrade_grants if {
	screens := [{"id": "S", "configured": false}, {"id": "T", "configured": true}]
	tasks(upgrade({"screens": screens})) == {{
		"id": "grant S to r", "kind": "create", "entity": "right/r/S",
		"set": {"role": "r", "node": "S", "level": 5},
	}}
	refused(upgrade({"screens": screens}), {}) == set()
	refused(upgrade({}), {}) == {"too_many_rights"}
}
