package presets.salesforce_self_service_calls_test

import data.presets.salesforce_self_service

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
	result := salesforce_self_service.decision.reason with input as event with data.portal as portal
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
	"settings": {"login_enabled": true, "edition": "Enterprise"},
	"user_types": {"Staff": {"linked": "employee"}, "Self-Service User": {"linked": "contact"}},
}

administrator := {"id": "u", "active": true, "user_type": "Staff", "effective_roles": ["System Administrator"]}

staff := {"id": "u", "active": true, "user_type": "Staff", "effective_roles": ["Manage Customer Users"]}

customer := {
	"id": "u", "active": true, "user_type": "Self-Service User", "account": "A", "contact": "C",
	"effective_roles": [], "flags": {},
}

test_writers[name] if {
	some name, case in {
		"user": {
			"event": ask({"user": staff}, "admin:read", "user", {"type": "user", "before": {"user_type": "Self-Service User"}}),
			"want": "staff_permission",
		},
		"staff": {"event": ask({"user": staff}, "admin:read", "user", {"type": "user", "before": {"user_type": "Staff"}}), "want": "not_administrator"},
		"contact": {"event": ask({"user": staff}, "admin:read", "contact", {"type": "contact", "before": {}}), "want": "staff_permission"},
		"record": {"event": ask({"user": staff}, "admin:delete", "case", {"type": "record", "before": {}}), "want": "staff_record"},
		"case": {"event": ask({"user": customer}, "admin:create", "case", {"type": "record", "after": {"flags": {}}}), "want": "granted"},
		"case elsewhere": {
			"event": ask({"user": customer}, "admin:create", "case", {"type": "record", "after": {"flags": {}, "account": "B"}}),
			"want": "not_administrator",
		},
		"comment": {
			"event": object.union(
				ask({"user": customer}, "admin:create", "comment", {"type": "record", "after": {"flags": {}, "parent": "case/1"}}),
				{"parent": {"type": "case", "account": "A", "contact": "C", "flags": {"visible": true}}},
			),
			"want": "granted",
		},
		"comment on a closed case": {
			"event": object.union(
				ask({"user": customer}, "admin:create", "comment", {"type": "record", "after": {"flags": {}, "parent": "case/1"}}),
				{"parent": {"type": "case", "account": "A", "contact": "C", "flags": {"visible": true, "closed": true}}},
			),
			"want": "not_administrator",
		},
	}
	decided(case.event) == case.want
}
