package presets.authzen_calls_test

import data.presets.authzen

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
	result := authzen.decision.reason with input as event with data.portal as portal
}

test_who_may_call_at_all if {
	decided(ask({"subject": {"type": "caller"}}, "admin:delete", "role", {})) == "caller"
	decided(ask({"subject": {"type": "caller"}, "context": {"actor": "x"}}, "admin:delete", "role", {})) == "acting_unsupported"
	decided(ask({"subject": {"type": "anonymous"}}, "admin:read", "role", {})) == "login_required"
	decided(ask({"subject": {"type": "user"}}, "admin:read", "role", {})) == "user_unknown"
	decided(ask({"user": {"id": "u", "active": false}}, "admin:read", "role", {})) == "user_inactive"
	decided(ask({"user": customer}, "admin:read", "role", {})) == "not_administrator"
}

portal := {"settings": {}}

customer := {"id": "u", "active": true, "effective_roles": []}
