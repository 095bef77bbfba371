package presets.salesforce_portal_test

import data.presets.salesforce_portal

# A portal user with a role is made for a contact, by nobody in particular.
making := {
	"operation": "create",
	"entity": {"kind": "user", "id": "x"},
	"new": {
		"id": "x", "login": "x", "active": true, "user_type": "tree",
		"grants": [{"role": "P"}], "account": "A", "contact": "C", "flags": {}, "attributes": {},
	},
	"contact": {"id": "C", "email": "x@acme.example", "account": "A"},
	"account": {"id": "A", "name": "Acme", "owner": "s", "flags": {}, "attributes": {"owner_role": "staff"}},
	"owner": {"id": "s", "user_type": "staff"},
	"roles": {"P": {"guest": true, "inherits": [], "attributes": {"kind": "profile"}}},
	"users": [],
	"same_login": 0,
	"counts": {"users_of_type": 0, "users_of_account": 0, "accounts_of_owner": 1, "positions": 0, "screens": 0},
}

judged(write, settings) := r if {
	r := salesforce_portal.admission with input as write with data.portal as settings
}

rules(write, settings) := {refusal.rule | some refusal in judged(write, settings).refusals}

changed(more) := object.union(making, more)

without(path) := json.patch(making, [{"op": "remove", "path": path}])

updated(old, new) := changed({"operation": "update", "old": object.union(making.new, old), "new": new})

about_account(old, new) := {
	"operation": "update",
	"entity": {"kind": "account", "id": "A"},
	"old": object.union(making.account, old),
	"new": object.union(making.account, new),
	"owner": making.owner,
	"counts": making.counts,
}

case_of(actor, contact) := {
	"operation": "update",
	"entity": {"kind": "record", "id": "1", "of": "case"},
	"old": {"type": "case", "id": "1", "owner": "u", "contact": "u"},
	"new": {"type": "case", "id": "1", "owner": "u", "contact": "C"},
	"actor": actor,
	"contact": contact,
}

custom := {
	"operation": "create",
	"entity": {"kind": "screen", "id": "X"},
	"new": {"id": "X", "kind": "screen", "flags": {"custom": true}},
	"counts": making.counts,
}

writes := {
	"nothing wrong": {"write": making, "want": set()},
	"deleted": {
		"write": {"operation": "delete", "entity": making.entity, "old": making.new},
		"want": {"deactivate_only"},
	},
	"staff deleted": {
		"write": {"operation": "delete", "entity": making.entity, "old": {"id": "s", "user_type": "staff"}},
		"want": set(),
	},
	"owner unknown": {"write": without("/owner"), "want": {"owner_has_role"}},
	"activated for an unknown owner": {
		"write": object.remove(updated({"active": false}, {}), ["owner"]),
		"want": {"owner_has_role"},
	},
	"contact taken": {"write": changed({"users": [{"type": "user", "id": "y"}]}), "want": {"one_user_per_contact"}},
	"of another licence": {"write": changed({"new": {"user_type": "staff"}}), "want": {"grants_of_licence"}},
	"no profile": {"write": changed({"roles": {"P": {"attributes": {"kind": "permission_set"}}}}), "want": {"one_profile"}},
	"misplaced": {"write": changed({"new": {"user_type": "flat", "position": "User"}}), "want": {"position_of_licence"}},
	"too high": {"write": changed({"new": {"position": "Executive"}}), "want": {"level_of_account"}},
	"no such position": {"write": changed({"new": {"position": "Worker"}}), "want": {"level_of_account"}},
	"login missing": {
		"write": json.patch(without("/new/login"), [{"op": "remove", "path": "/contact/email"}]),
		"want": {"has_login"},
	},
	"login taken": {"write": changed({"same_login": 1}), "want": {"unique_login"}},
	"delegated without roles": {
		"write": changed({"new": {"user_type": "flat", "flags": {"delegated_admin": true}}}),
		"want": {"delegation_of_licence"},
	},
	"super by a portal user": {
		"write": changed({"new": {"flags": {"super_user": true}}, "actor": user}),
		"want": {"permissions_by_staff", "delegated_roles"},
	},
	"super by staff": {"write": changed({"new": {"flags": {"super_user": true}}, "actor": agent}), "want": set()},
	"person": {"write": changed({"account": {"flags": {"person": true}}}), "want": {"licence_of_person"}},
	"another contact": {"write": case_of(user, {"account": "A"}), "want": {"case_for_other"}},
	"another contact, by a super user": {
		"write": case_of(object.union(user, {"flags": {"super_user": true}}), {"account": "A"}),
		"want": set(),
	},
	"too many roles": {"write": changed({"counts": {"positions": 8}}), "want": {"limit_portal_roles"}},
	"too many roles of an account": {
		"write": object.union(
			about_account({}, {"attributes": {"positions": ["a", "b", "c", "d"]}}),
			{"counts": {"positions": 6}},
		),
		"want": {"three_levels_of_account", "limit_roles_of_account"},
	},
	"too many objects": {"write": custom, "want": {"limit_custom_objects"}},
	"too many levels": {
		"write": {"operation": "update", "entity": {"kind": "portal", "id": "p"}, "new": {"settings": {"roles_per_account": 4}}},
		"want": {"three_levels"},
	},
}

test_writes[name] if {
	some name, case in writes
	rules(case.write, portal) == case.want
}

partner_portal := json.patch(portal, [{"op": "replace", "path": "/user_types/tree/attributes/portal", "value": "partner"}])

test_partners if {
	rules(making, partner_portal) == {"partner_account"}
	rules(changed({"account": {"flags": {"partner": true}}}), partner_portal) == set()
	rules(changed({"account": {"flags": {"partner": true, "person": true}}}), partner_portal) == {"partner_on_person"}
}

person_portal := json.patch(portal, [{"op": "add", "path": "/user_types/tree/attributes/person_account", "value": true}])

test_persons if {
	person_account := {"account": {"flags": {"person": true}}}
	rules(changed(object.union(person_account, {"counts": {"users_of_type": 999}})), person_portal) == set()
	rules(changed(object.union(person_account, {"counts": {"users_of_type": 1000}})), person_portal) == {"limit_person_users"}
	rules(changed(object.union(person_account, {"counts": {"accounts_of_owner": 50001}})), person_portal) == {"limit_accounts_of_owner"}
}

optimised := with_setting("account_role_optimization", true)

defaults := {
	"login": {"write": without("/new/login"), "want": {"login": "x@acme.example"}},
	"delegated": {
		"write": changed({"new": {"flags": {"delegated_admin": true}}}),
		"want": {"flags": {"view_roles": true, "super_user": true}},
	},
	"new owner": {
		"write": about_account({}, {"attributes": {"owner_role": "other"}}),
		"want": {"attributes": {"owner_role": "staff"}},
	},
	"no owner": {
		"write": object.remove(about_account({}, {}), ["owner"]),
		"want": {"attributes": {"owner_role": null}},
	},
	"nothing": {"write": making, "want": {}},
}

test_defaults[name] if {
	some name, case in defaults
	judged(case.write, portal).defaults == case.want
}

test_position_ignored if {
	write := changed({"new": {"user_type": "flat", "position": "User"}})
	judged(write, with_setting("high_volume_position", "ignore")) == {"refusals": set(), "defaults": {"position": null}}
}

follow(write, settings) := tasks if {
	tasks := salesforce_portal.provisioning.tasks with input as write with data.portal as settings
}

roles_made(titles) := {
	"id": "account_roles", "kind": "update", "entity": "account/A",
	"set": {"attributes": {"owner_role": "staff", "positions": titles}},
}

welcome := {"id": "welcome", "kind": "mail", "template": "welcome", "to": "x@acme.example"}

test_tasks if {
	follow(making, portal) == {welcome, roles_made(["Acme Customer User", "Acme Customer Manager"])}
	follow(making, optimised) == {welcome, roles_made(["Acme Customer User"])}
	second := changed({"account": {"attributes": {"positions": ["Acme Customer User"]}}, "counts": {"users_of_account": 1}})
	follow(second, optimised) == {welcome, roles_made(["Acme Customer User", "Acme Customer Manager"])}
	follow(second, portal) == {welcome}
	follow(updated({}, {}), portal) == set()
}
