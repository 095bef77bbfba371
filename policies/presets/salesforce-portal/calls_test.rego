package presets.salesforce_portal_calls_test

import data.presets.salesforce_portal

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
	result := salesforce_portal.decision.reason with input as event with data.portal as portal
}

test_who_may_call_at_all if {
	decided(ask({"subject": {"type": "caller"}}, "admin:delete", "role", {})) == "caller"
	decided(ask({"subject": {"type": "caller"}, "context": {"actor": "x"}}, "admin:delete", "role", {})) == "actor_refused"
	decided(ask({"subject": {"type": "anonymous"}}, "admin:read", "role", {})) == "login_required"
	decided(ask({"subject": {"type": "user"}}, "admin:read", "role", {})) == "user_unknown"
	decided(ask({"user": {"id": "u", "active": false}}, "admin:read", "role", {})) == "user_inactive"
	decided(ask({"user": customer}, "admin:read", "role", {})) == "not_administrator"
	decided(ask({"user": administrator}, "admin:read", "role", {})) == "administrator"
	decided(ask({"user": object.union(customer, {"effective_roles": administrator.effective_roles})}, "admin:read", "role", {})) == "not_administrator"
}

portal := {
	"settings": {
		"login_enabled": true, "member_profiles": ["P", "S"], "contact_access": "read",
		"delegation": {"P": {"profiles": ["P"], "permission_sets": []}},
		"objects": {"case": {"external_default": "private"}},
	},
	"sharing": [],
	"user_types": {
		"Staff": {"linked": "employee", "attributes": {"objects": ["O"]}},
		"Licence": {"linked": "contact", "attributes": {"objects": ["O"], "role_based": true}},
	},
}

administrator := {"id": "u", "active": true, "user_type": "Staff", "roles": [], "effective_roles": ["System Administrator"]}

staff(flags, attributes) := {
	"id": "u", "active": true, "user_type": "Staff", "roles": ["S"], "effective_roles": ["S"],
	"flags": flags, "attributes": attributes, "manages": ["below"],
}

customer := {
	"id": "u", "active": true, "user_type": "Licence", "roles": ["P"], "effective_roles": ["P"], "account": "A",
	"contact": "C", "position": "Manager", "flags": {"delegated_admin": true},
}

on(event) := object.union(event, {
	"screen": {"id": "O", "kind": "screen", "screen_id": "O", "path": [], "features_off": []},
	"rights": {"O": {"P": 3, "S": 3}}, "fields": {"status": {"P": 1}},
	"account": {"id": "A", "owner": "u", "attributes": {"owner_role": "below"}},
})

user(set) := object.union({"user_type": "Licence", "account": "A", "grants": [{"role": "P"}], "position": "User"}, set)

changed(before, after) := {"type": "user", "before": before, "after": after}

record(set) := {
	"type": "record",
	"before": {"id": "1", "owner": "u", "account": "A", "properties": {"status": "x"}},
	"after": object.union({"id": "1", "owner": "u", "account": "A", "properties": {"status": "x"}}, set),
}

test_writers[name] if {
	full := {"manage_external_users": true}
	limited := {"manage_external_users_limited": true}
	some name, case in {
		"full": {"event": ask({"user": staff(full, {})}, "admin:read", "user", {"type": "user", "before": user({"account": "B"})}), "want": "granted"},
		"contact": {"event": ask({"user": staff(full, {})}, "admin:read", "contact", {"type": "contact", "before": {}}), "want": "granted"},
		"limited": {"event": ask({"user": staff(limited, {})}, "admin:read", "user", {"type": "user", "before": user({})}), "want": "granted"},
		"limited, team": {
			"event": ask({"user": staff(limited, {"accounts": ["B"]})}, "admin:read", "user", {"type": "user", "before": user({"account": "B"})}),
			"want": "granted",
		},
		"limited, elsewhere": {
			"event": ask({"user": staff(limited, {})}, "admin:read", "user", {"type": "user", "before": user({"account": "B"})}),
			"want": "not_administrator",
		},
		"member": {"event": ask({"user": customer}, "admin:update", "user", changed(user({}), user({"position": "Manager"}))), "want": "granted"},
		"raised": {"event": ask({"user": customer}, "admin:update", "user", changed(user({}), user({"position": "Executive"}))), "want": "not_administrator"},
		"record": {
			"event": object.union(
				ask({"user": customer}, "admin:update", "case", record({"contact": "D"})),
				{"record": {"id": "1", "type": "case", "owner": "u"}},
			),
			"want": "granted",
		},
		"closed field": {
			"event": object.union(
				ask({"user": customer}, "admin:update", "case", record({"properties": {"status": "y"}})),
				{"record": {"id": "1", "type": "case", "owner": "u"}},
			),
			"want": "not_administrator",
		},
		"new record": {
			"event": ask({"user": customer}, "admin:create", "case", {"type": "record", "after": {"account": "A", "flags": {}, "properties": {}}}),
			"want": "granted",
		},
	}
	decided(on(case.event)) == case.want
}
