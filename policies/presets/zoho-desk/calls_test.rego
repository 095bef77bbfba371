package presets.zoho_desk_calls_test

import data.presets.zoho_desk

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
	result := zoho_desk.decision.reason with input as event with data.portal as portal
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
	"settings": {"contacts_see_account_tickets": true},
	"features": {"submit_tab": true},
	"user_types": {"Agent": {"linked": "employee"}, "End User": {"linked": "contact"}},
}

administrator := {"id": "u", "active": true, "user_type": "Agent", "effective_roles": ["Support Channels"]}

agent := {"id": "u", "active": true, "user_type": "Agent", "effective_roles": []}

customer := {"id": "u", "active": true, "user_type": "End User", "account": "A", "contact": "C", "effective_roles": []}

new(set) := {"type": "record", "of": "ticket", "after": object.union({"flags": {}, "properties": {}}, set)}

test_writers[name] if {
	some name, case in {
		"record": {"event": ask({"user": agent}, "admin:delete", "ticket", {"type": "record", "before": {}}), "want": "agent"},
		"user": {"event": ask({"user": agent}, "admin:read", "user", {"type": "user", "before": {"user_type": "End User"}}), "want": "agent"},
		"agent": {"event": ask({"user": agent}, "admin:read", "user", {"type": "user", "before": {"user_type": "Agent"}}), "want": "not_administrator"},
		"ticket": {"event": ask({"user": customer}, "admin:create", "ticket", new({"contact": "C", "account": "A"})), "want": "own_ticket"},
		"ticket of no account": {"event": ask({"user": customer}, "admin:create", "ticket", new({"contact": "C"})), "want": "own_ticket"},
		"ticket of another": {"event": ask({"user": customer}, "admin:create", "ticket", new({"contact": "D"})), "want": "not_administrator"},
		"answer": {
			"event": object.union(
				ask({"user": customer}, "admin:update", "ticket", {"before": {"properties": {}}, "after": {"properties": {"x": 1}}}),
				{"record": {"contact": "C"}},
			),
			"want": "own_ticket",
		},
		"answer at the account": {
			"event": object.union(
				ask({"user": customer}, "admin:update", "ticket", {"before": {"properties": {}}, "after": {"properties": {"x": 1}}}),
				{"record": {"contact": "D", "account": "A"}},
			),
			"want": "own_ticket",
		},
	}
	decided(case.event) == case.want
}
