package presets.crm_service_calls_test

import data.presets.crm_service

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
	result := crm_service.decision.reason with input as event with data.portal as portal
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
	"settings": {"login_enabled": true, "admin_edits_contacts": true},
	"features": {},
	"user_types": {"CRM User": {"linked": "employee"}, "Portal User": {"linked": "contact"}},
}

administrator := {"id": "u", "active": true, "user_type": "CRM User", "effective_roles": ["crm-admin"]}

customer := {
	"id": "u", "login": "u@a.example", "active": true, "user_type": "Portal User", "account": "A", "contact": "C",
	"effective_roles": ["p"], "flags": {"admin": true}, "same_login": 0,
}

shown(event) := object.union(event, {
	"screen": {"id": "S", "kind": "screen", "screen_id": "S", "path": [], "features_off": []},
	"rights": {"S": {"p": 1}}, "fields": {"phone": {"p": 2}, "email": {"p": 2}},
})

insider := {"id": "u", "active": true, "user_type": "CRM User", "effective_roles": ["p"]}

contact(id, set) := {
	"type": "contact", "id": id,
	"before": {"id": id, "name": "a", "account": "A", "attributes": {"fax": "1"}},
	"after": object.union({"id": id, "name": "b", "account": "A", "attributes": {"fax": "1"}}, set),
}

test_writers[name] if {
	some name, case in {
		"user": {"event": ask({"user": insider}, "admin:read", "user", {"type": "user", "before": {"user_type": "Portal User"}}), "want": "contact_card"},
		"insider": {"event": ask({"user": insider}, "admin:read", "user", {"type": "user", "before": {"user_type": "CRM User"}}), "want": "not_administrator"},
		"record": {"event": ask({"user": insider}, "admin:read", "case", {"type": "record", "before": {}}), "want": "crm_right"},
		"record beyond": {"event": ask({"user": insider}, "admin:update", "case", {"type": "record", "before": {}}), "want": "not_administrator"},
		"own": {"event": ask({"user": object.remove(customer, ["flags"])}, "admin:update", "contact", contact("C", {"email": "x"})), "want": "granted"},
		"phone": {"event": ask({"user": customer}, "admin:update", "contact", contact("C", {"attributes": {"phone": "1"}})), "want": "granted"},
		"no field": {"event": ask({"user": customer}, "admin:update", "contact", contact("C", {"attributes": {"fax": "2"}})), "want": "not_administrator"},
		"position": {"event": ask({"user": customer}, "admin:update", "contact", contact("C", {"position": "x"})), "want": "not_administrator"},
		"colleague": {"event": ask({"user": customer}, "admin:update", "contact", contact("D", {})), "want": "granted"},
		"read": {"event": ask({"user": customer}, "admin:read", "contact", {"type": "contact", "id": "D", "before": {"account": "A"}}), "want": "granted"},
		"new": {
			"event": ask({"user": customer}, "admin:create", "contact", {"type": "contact", "after": {"account": "A", "flags": {}, "attributes": {}}}),
			"want": "granted",
		},
	}
	decided(shown(case.event)) == case.want
}
