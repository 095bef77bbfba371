package presets.zoho_desk.administration_test

import data.presets.zoho_desk

portal := {
	"settings": {"self_signup": true, "signup_moderation": false, "auto_invite": true},
	"user_types": {"Agent": {"linked": "employee", "allowed_roles": {"Desk": {"default": false}}}, "End User": {"linked": "contact", "allowed_roles": {}}},
}

agent := {"id": "leo", "active": true, "user_type": "Agent", "effective_roles": []}

administrator := object.union(agent, {"effective_roles": ["Support Channels"]})

customer := {"id": "ida", "active": true, "user_type": "End User", "contact": "C", "account": "A", "effective_roles": ["Support Channels"]}

admit(event, settings) := document if {
	document := zoho_desk.admission with input as event
		with data.portal as object.union(portal, {"settings": settings})
}

reasons(event) := {refusal.reason | some refusal in admit(event, {}).refusals}

event(operation, kind, facts) := object.union({"operation": operation, "entity": {"kind": kind, "id": "x"}, "context": {}}, facts)

ticket(operation, facts) := event(operation, "record", object.union({"entity": {"of": "ticket"}}, facts))

both := event("update", "portal", {"new": {"settings": {"access": "registered_only", "sign_in_to_submit": true}}})

test_strict_options if {
	reasons(both) == {"options_exclude"}
	admit(object.union(both, {"new": {"settings": {"exclusive_options": "switch_off"}}}), {}) == {
		"refusals": set(),
		"defaults": {"settings": {"sign_in_to_submit": false}},
	}
	reasons(object.union(both, {"new": {"settings": {"access": "all_customers"}}})) == set()
	reasons(object.union(both, {"new": {"settings": {"sign_in_to_submit": false}}})) == set()
}

test_settings_are_for_administrators[kind] if {
	some kind in ["portal", "screen", "user_type", "role", "right"]
	change := event("update", kind, {"new": {}})
	reasons(change) == set()
	reasons(object.union(change, {"actor": administrator})) == set()
	reasons(object.union(change, {"actor": agent})) == {"not_administrator"}
	reasons(object.union(change, {"actor": customer})) == {"not_administrator"}
	reasons(object.union(change, {"actor": object.union(administrator, {"active": false})})) == {"not_administrator"}
}

test_the_rest_is_for_agents[kind] if {
	some kind in ["user", "account", "contact", "record"]
	change := event("delete", kind, {"old": {}})
	reasons(change) == set()
	reasons(object.union(change, {"actor": agent})) == set()
	reasons(object.union(change, {"actor": customer})) == {"staff_only"}
}

test_tickets[name] if {
	some name, case in {
		"own": {"event": ticket("create", {"actor": customer, "new": {"contact": "C", "account": "A"}}), "want": set()},
		"at no account": {"event": ticket("create", {"actor": customer, "new": {"contact": "C"}}), "want": set()},
		"a colleague's": {"event": ticket("create", {"actor": customer, "new": {"contact": "D"}}), "want": {"other_contact"}},
		"at another account": {"event": ticket("create", {"actor": customer, "new": {"contact": "C", "account": "B"}}), "want": {"other_account"}},
		"of nobody by nobody": {"event": ticket("create", {"actor": object.remove(customer, ["contact"]), "new": {}}), "want": {"other_contact"}},
		"by an agent": {"event": ticket("create", {"actor": agent, "new": {"contact": "D", "account": "B"}}), "want": set()},
		"by who left": {
			"event": ticket("create", {"actor": object.union(customer, {"active": false}), "new": {"contact": "C"}}),
			"want": {"staff_only"},
		},
		"answered": {"event": ticket("update", {"actor": customer, "old": {"contact": "D"}, "new": {"contact": "D"}}), "want": set()},
		"taken": {"event": ticket("update", {"actor": customer, "old": {"contact": "D"}, "new": {"contact": "C"}}), "want": {"other_contact"}},
		"moved": {"event": ticket("update", {"actor": customer, "old": {}, "new": {"account": "A"}}), "want": {"other_contact"}},
		"moved by an agent": {"event": ticket("update", {"actor": agent, "old": {}, "new": {"account": "A"}}), "want": set()},
	}
	reasons(case.event) == case.want
}

user(facts) := event("create", "user", object.union(
	{
		"new": {"user_type": "End User", "active": true, "contact": "C", "grants": []},
		"contact": {"id": "C", "email": "c@a.example", "account": "A"},
		"users": [], "same_login": 0,
	},
	facts,
))

staffed := {"user_type": "Agent", "active": true, "grants": [{"role": "Desk"}]}

test_users[name] if {
	some name, case in {
		"invited": {"event": user({}), "want": set()},
		"no address": {"event": object.union(object.remove(user({}), ["contact"]), {"contact": {"id": "C"}}), "want": {"no_email"}},
		"no contact": {"event": object.union(object.remove(user({}), ["new", "contact"]), {"new": {"grants": []}}), "want": {"no_contact"}},
		"an agent": {"event": object.union(object.remove(user({}), ["new", "contact"]), {"new": staffed}), "want": set()},
		"a login of another": {"event": user({"same_login": 1}), "want": {"login_taken"}},
		"a contact of another": {"event": user({"users": [{"id": "v"}]}), "want": {"contact_has_user"}},
		"a role": {"event": user({"new": {"grants": [{"role": "Desk"}]}}), "want": {"role_not_allowed"}},
	}
	reasons(case.event) == case.want
}

test_defaults[name] if {
	some name, case in {
		"of who is invited": {"event": user({}), "settings": {}, "want": {"login": "c@a.example"}},
		"of an agent": {"event": object.union(object.remove(user({}), ["new"]), {"new": staffed}), "settings": {}, "want": {}},
		"of who signs up": {"event": user({"context": {"sign_up": true}}), "settings": {}, "want": {"login": "c@a.example"}},
		"of who waits": {
			"event": user({"context": {"sign_up": true}}),
			"settings": {"signup_moderation": true},
			"want": {"login": "c@a.example", "active": false},
		},
	}
	admit(case.event, case.settings).defaults == case.want
}

test_nobody_signs_up if {
	signed := admit(user({"context": {"sign_up": true}}), {"self_signup": false})
	signed.refusals == {{"rule": "sign_up_open", "field": "active", "reason": "sign_up_off"}}
}

tasks(change, settings) := document.tasks if {
	document := zoho_desk.provisioning with input as change
		with data.portal as object.union(portal, {"settings": settings})
}

first := ticket("create", {"new": {}, "contact": {"id": "C", "email": "c@a.example"}, "users": []})

invitation := {"login": "c@a.example", "active": false, "contact": "C"}

invite(set) := {{"id": "invite", "kind": "create", "entity": "user/C", "set": set}}

mail := {{"id": "mail", "kind": "mail", "template": "invitation", "to": "c@a.example"}}

test_invitations[name] if {
	some name, case in {
		"after the first ticket": {"event": first, "want": invite(invitation)},
		"at an account": {
			"event": object.union(first, {"contact": {"account": "A"}}),
			"want": invite(object.union(invitation, {"account": "A"})),
		},
		"not twice": {"event": object.union(first, {"users": [{"id": "v"}]}), "want": set()},
		"not without an address": {"event": object.union(first, {"contact": {"email": ""}}), "want": set()},
		"by an agent": {"event": user({"new": {"active": false}}), "want": mail},
		"not of who is in": {"event": user({}), "want": set()},
		"not of who signs up": {"event": user({"new": {"active": false}, "context": {"sign_up": true}}), "want": set()},
	}
	tasks(case.event, {}) == case.want
}

test_no_invitations if tasks(first, {"auto_invite": false}) == set()
