package presets.salesforce_self_service_test

import data.presets.salesforce_self_service

# A new Self-Service user of a contact at account A.
enabling := {
	"operation": "create",
	"entity": {"kind": "user", "id": "n"},
	"new": {"active": true, "user_type": "Self-Service User", "contact": "K", "grants": []},
	"contact": {"id": "K", "account": "A", "email": "k@a.example"},
	"context": {},
	"users": [],
	"same_login": 0,
}

submitting := {
	"operation": "create",
	"entity": {"kind": "record", "of": "case", "id": "1"},
	"new": {"flags": {}, "properties": {}},
	"actor": asker,
	"context": {},
}

switching := {
	"operation": "update",
	"entity": {"kind": "portal", "id": "p"},
	"old": {"settings": {}},
	"new": {"settings": {"login_enabled": true, "edition": "Developer", "organization_created": "2010-01-01"}},
	"context": {},
}

admit(change, settings) := admission if {
	admission := salesforce_self_service.admission with input as change
		with data.portal as object.union(portal, {"settings": settings})
}

rules(change, settings) := {refusal.rule | some refusal in admit(change, settings).refusals}

test_defaults if {
	admit(enabling, {}).defaults == {"login": "k@a.example", "account": "A"}
	admit(submitting, {"new_cases_visible_in_portal": true, "default_case_origin": "Web"}).defaults == {
		"account": "A", "contact": "C",
		"flags": {"visible": true},
		"properties": {"origin": "Web"},
	}
	comment := object.union(submitting, {"entity": {"of": "comment"}})
	admit(comment, {}).defaults == {"flags": {"published": true}}
}

test_refusals[name] if {
	some name, case in {
		"nothing": {"change": enabling, "want": set()},
		"other account": {"change": object.union(enabling, {"new": {"account": "B"}}), "want": {"account_of_contact"}},
		"no contact": {
			"change": object.remove(enabling, ["contact"]),
			"want": {"contact_with_account", "address_needed"},
		},
		"login taken": {"change": object.union(enabling, {"same_login": 1}), "want": {"login_unique"}},
		"contact taken": {"change": object.union(enabling, {"users": [{"id": "m"}]}), "want": {"contact_unique"}},
		"no permission": {
			"change": object.union(enabling, {"actor": object.union(agent, {"effective_roles": []})}),
			"want": {"user_permission"},
		},
		"permission": {"change": object.union(enabling, {"actor": agent}), "want": set()},
		"outside": {"change": object.union(enabling, {"actor": asker}), "want": {"outside_writer"}},
		"deleted": {
			"change": {"operation": "delete", "entity": {"kind": "user", "id": "n"}, "old": enabling.new},
			"want": {"deactivate_only"},
		},
		"case": {"change": submitting, "want": set()},
		"case of another": {
			"change": object.union(submitting, {"new": {"account": "B", "contact": "D"}}),
			"want": {"own_case_account", "own_case_contact"},
		},
		"flags": {"change": object.union(submitting, {"asked": {"flags": {"visible": true}}}), "want": {"outside_flags"}},
		"portal": {"change": switching, "want": set()},
		"young portal": {
			"change": object.union(switching, {"old": {"settings": {"organization_created": "2013-01-01"}}}),
			"want": {"old_organization"},
		},
		"portal of no edition": {
			"change": object.union(switching, {"new": {"settings": {"edition": "Group"}}}),
			"want": {"edition_with_portal"},
		},
		"own case": {"change": object.union(submitting, {"new": {"account": "A", "contact": "C"}}), "want": set()},
		"short comment": {
			"change": object.union(submitting, {"entity": {"of": "comment"}, "new": {"properties": {"body": "ok"}}}),
			"want": set(),
		},
		"comment": {
			"change": object.union(submitting, {"entity": {"of": "comment"}, "new": {"properties": {"body": 7}}}),
			"want": {"comment_length"},
		},
	}
	rules(case.change, {}) == case.want
}

test_edition_of_enabled if {
	rules(enabling, {"edition": "Group"}) == {"edition_with_users"}
	rules(object.union(enabling, {"new": {"active": false}}), {"edition": "Group"}) == set()
	kept := object.union(enabling, {"operation": "update", "old": enabling.new})
	rules(kept, {"edition": "Group"}) == set()
}

provided(change) := tasks if {
	result := salesforce_self_service.provisioning with input as change with data.portal as portal
	tasks := {task.id | some task in result.tasks}
}

test_tasks if {
	provided(enabling) == set()
	provided(object.union(enabling, {"context": {"mail_credentials": true}})) == {"credentials"}
	moved := {
		"operation": "update",
		"entity": {"kind": "contact", "id": "K"},
		"new": {"account": "B"},
		"users": [{"id": "n", "active": true, "user_type": "Self-Service User", "account": "A"}],
	}
	provided(moved) == {"follow n"}
	provided(object.union(moved, {"new": {"account": "A"}})) == set()
	provided(object.union(object.remove(moved, ["new"]), {"new": {}})) == {"deactivate n"}
}
