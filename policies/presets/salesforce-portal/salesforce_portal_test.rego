package presets.salesforce_portal_test

import data.presets.salesforce_portal

# A portal with a licence of each kind, and one role of the staff's tree.
portal := {
	"settings": {
		"login_enabled": true,
		"member_profiles": ["P"],
		"contact_access": "read",
		"super_user_access": true,
		"roles_per_account": 2,
		"delegation": {"P": {"profiles": ["P"], "permission_sets": ["S"]}},
		"objects": {
			"case": {"external_default": "private"},
			"comment": {"external_default": "controlled_by_parent"},
			"account": {"external_default": "private"},
			"truck": {"external_default": "private", "custom": true},
		},
	},
	"limits": {"portal_roles": 9},
	"sharing": [],
	"user_types": {
		"tree": {
			"linked": "contact", "licence": "Customer Community Plus", "allowed_roles": {"P": {"default": true}},
			"attributes": {"role_based": true, "portal": "customer", "objects": ["Case", "Account"]},
		},
		"flat": {
			"linked": "contact", "licence": "", "allowed_roles": {"P": {"default": true}},
			"attributes": {"role_based": false, "portal": "customer", "objects": ["Case", "Account"]},
		},
		"staff": {"linked": "employee", "allowed_roles": {}, "attributes": {"objects": ["Case", "Account"]}},
	},
}

person(id, type, more) := object.union(
	{
		"id": id, "login": id, "active": true, "user_type": type, "roles": ["P"],
		"account": "A", "contact": id, "manages": [], "flags": {}, "attributes": {},
	},
	more,
)

manager := person("m", "tree", {"position": "Manager"})

user := person("u", "tree", {"position": "User"})

flat := person("f", "flat", {})

agent := object.remove(person("s", "staff", {"flags": {"manage_external_users": true}}), ["account", "contact"])

object_screen := {"id": "Case", "kind": "screen", "screen_id": "Case", "features_off": [], "flags": {}}

about(type, id) := {"type": type, "id": id, "properties": {}}

asked(who, action, facts) := object.union(
	{
		"portal": "p",
		"subject": {"type": "user", "id": who.id, "properties": {}},
		"user": who,
		"action": {"name": action, "properties": {}},
		"resource": about("case", "1"),
		"context": {},
		"screen": object_screen,
		"rights": {"Case": {"P": 5}},
		"fields": {"subject": {"P": 2}},
	},
	facts,
)

owned(owner) := {
	"record": {"type": "case", "id": "1", "account": "A", "owner": owner.id, "flags": {}, "properties": {"kind": "x"}},
	"owner": owner,
	"account": {"id": "A", "name": "Acme", "owner": "s", "flags": {}, "attributes": {"owner_role": "staff"}},
}

shared(sharing) := json.patch(portal, [{"op": "add", "path": "/sharing", "value": [sharing]}])

with_setting(name, value) := json.patch(portal, [{"op": "add", "path": concat("/", ["/settings", name]), "value": value}])

decide(question, settings) := d if {
	d := salesforce_portal.decision with input as question with data.portal as settings
}

why(question, settings) := decide(question, settings).reason

# Who reaches whose case, by what.
reaches := {
	"own": {"question": asked(user, "view", owned(user)), "want": {2}},
	"below": {"question": asked(manager, "view", owned(user)), "want": {2}},
	"above": {"question": asked(user, "view", owned(manager)), "want": set()},
	"beside": {"question": asked(manager, "view", owned(object.union(manager, {"id": "n"}))), "want": set()},
	"elsewhere": {"question": asked(manager, "view", owned(object.union(user, {"account": "B"}))), "want": set()},
	"without a role": {"question": asked(flat, "view", owned(user)), "want": set()},
	"super": {
		"question": asked(object.union(user, {"flags": {"super_user": true}}), "view", owned(object.union(user, {"id": "v"}))),
		"want": {2},
	},
	"super, asleep": {
		"question": asked(object.union(user, {"flags": {"super_user": true}}), "view", owned(object.union(user, {"id": "v"}))),
		"portal": with_setting("super_user_access", false),
		"want": set(),
	},
	"super of all": {
		"question": asked(object.union(user, {"flags": {"super_user": true}}), "view", owned(manager)),
		"portal": json.patch(portal, [{"op": "add", "path": "/user_types/tree/attributes/super_scope", "value": "account"}]),
		"want": {2},
	},
	"super of a custom object": {
		"question": json.patch(
			asked(object.union(user, {"flags": {"super_user": true}}), "view", owned(object.union(user, {"id": "v"}))),
			[{"op": "replace", "path": "/record/type", "value": "truck"}],
		),
		"want": {2},
	},
	"contact": {
		"question": object.union(asked(flat, "view", owned(user)), {"record": {"contact": "f"}}),
		"want": {1},
	},
	"above the contact": {
		"question": object.union(asked(manager, "view", owned(agent)), {"contact": {"account": "A", "position": "User"}}),
		"want": {1},
	},
	"public": {
		"question": asked(flat, "view", owned(user)),
		"portal": with_setting("objects/case/external_default", "public_read_write"),
		"want": {2},
	},
	"rule by owner": {
		"question": asked(person("n", "tree", {"account": "B", "position": "User"}), "view", owned(user)),
		"portal": shared({
			"kind": "sharing_rule", "active": true, "object": "case", "access": "edit",
			"to": [{"account": "B", "position": "User"}], "owned_by": {"account": "A", "position": "User"},
		}),
		"want": {2},
	},
	"rule by property": {
		"question": asked(person("n", "tree", {"account": "B", "position": "User"}), "view", owned(user)),
		"portal": shared({
			"kind": "sharing_rule", "active": true, "object": "case", "access": "read",
			"to": [{"account": "B", "position": "User"}], "criteria": {"field": "kind", "equals": "x"},
		}),
		"want": {1},
	},
	"group by user": {
		"question": asked(object.union(agent, {"id": "t"}), "view", owned(flat)),
		"portal": shared({
			"kind": "share_group", "active": true,
			"profiles": ["P"], "users": ["t"], "roles": [], "access": "read",
		}),
		"want": {1},
	},
	"group by role": {
		"question": asked(object.union(agent, {"id": "t"}), "view", owned(flat)),
		"portal": shared({
			"kind": "share_group", "active": true,
			"profiles": ["P"], "users": [], "roles": ["staff"], "access": "edit",
		}),
		"want": {2},
	},
	"owner of the account": {"question": asked(agent, "view", owned(user)), "want": {2}},
	"above the owner of the account": {
		"question": asked(object.union(agent, {"id": "t", "manages": ["staff"]}), "view", owned(user)),
		"want": {2},
	},
	"own account": {
		"question": object.union(asked(flat, "view", {}), {"record": {
			"type": "account", "id": "A", "account": "A",
			"flags": {}, "properties": {},
		}}),
		"want": {1},
	},
	"nothing stored": {"question": asked(user, "view", {}), "want": set()},
}

test_reach[name] if {
	some name, case in reaches
	got := salesforce_portal.reach with input as case.question with data.portal as object.get(case, "portal", portal)
	got == case.want
}

# Each way in which a sharing set can tie a user to a record.
ties := {
	"account": {"user": "account", "facts": {"record": {"account": "A"}}},
	"contact": {"user": "contact", "facts": {"record": {"contact": "f"}}},
	"contact.account": {"user": "account", "facts": {"contact": {"account": "A"}}},
	"parent.account": {"user": "account", "facts": {"parent": {"account": "A"}}},
	"parent.contact": {"user": "contact", "facts": {"parent": {"contact": "f"}}},
}

test_sharing_sets[lookup] if {
	some lookup, tie in ties
	record := {"record": {"type": "case", "id": "1", "flags": {}, "properties": {}}}
	question := asked(flat, "view", object.union(record, tie.facts))
	set := {
		"kind": "sharing_set", "active": true, "object": "case", "profiles": ["P"],
		"user": tie.user, "record": lookup, "access": "edit",
	}
	got := salesforce_portal.reach with input as question with data.portal as with_set(set)
	got == {2}
}

# The contact alone gives nothing here.
with_set(set) := json.patch(shared(set), [{"op": "replace", "path": "/settings/contact_access", "value": "none"}])

comment(more) := json.patch(
	object.union(asked(user, "view", owned(user)), {
		"resource": about("comment", "9"),
		"parent": {"type": "case", "id": "1", "account": "A", "owner": "u", "flags": {}, "properties": {"kind": "x"}},
	}),
	array.concat(
		[
			{"op": "replace", "path": "/record/type", "value": "comment"},
			{"op": "add", "path": "/record/flags/published", "value": true},
		],
		more,
	),
)

test_comment_of_own_case if {
	decide(comment([]), portal).outcome == "allow"
}

test_comment_selected_by_its_case if {
	question := object.union(comment([]), {"user": {"id": "n", "account": "B"}})
	got := salesforce_portal.reach with input as question with data.portal as shared({
		"kind": "sharing_rule", "active": true, "object": "case", "access": "read",
		"to": [{"account": "B", "position": "User"}], "criteria": {"field": "kind", "equals": "x"},
	})
	got == {1}
}

test_comment_apart[path] if {
	some path in ["/record/owner", "/record/account", "/record/contact", "/parent/type", "/record/flags/published"]
	value := {true: false, false: "other"}[endswith(path, "published")]
	decide(comment([{"op": "add", "path": path, "value": value}]), portal).outcome == "deny"
}

# What an allowed answer says besides.
answers := {
	"view": {"want": {"outcome": "allow", "reason": "granted", "level": 2, "fields": {"subject": "read"}}},
	"edit": {"want": {"outcome": "allow", "reason": "granted", "level": 2, "fields": {"subject": "write"}}},
	"list": {"want": {"outcome": "hide", "reason": "not_visible"}},
	"comment": {"want": {"outcome": "allow", "reason": "granted", "level": 5}},
	"attach": {"want": {"outcome": "allow", "reason": "granted", "level": 5}},
	"delete": {"want": {"outcome": "deny", "reason": "action_unknown"}},
	"create": {"want": {"outcome": "deny", "reason": "record_exists"}},
	"promote": {"want": {"outcome": "deny", "reason": "action_unknown"}},
}

test_answers[action] if {
	some action, case in answers
	decide(asked(user, action, owned(user)), portal) == case.want
}

test_visible_case_is_listed if {
	question := object.union(asked(user, "list", owned(user)), {"record": {"flags": {"visible": true}}})
	decide(question, portal).outcome == "allow"
}

test_owner_deletes if {
	decide(asked(user, "delete", owned(user)), with_setting("owners_delete", true)).outcome == "allow"
	decide(asked(manager, "delete", owned(user)), with_setting("owners_delete", true)).outcome == "deny"
}

creating(properties) := asked(user, "create", {"resource": {"type": "case", "id": "2", "properties": properties}})

test_new_case if {
	decide(creating({}), portal).outcome == "allow"
	why(creating({"account": "B"}), portal) == "other_account"
	why(creating({"contact": "x"}), portal) == "other_contact"
	why(object.union(creating({}), {"resource": {"type": "comment"}}), portal) == "action_unknown"
}

field := {"id": "Case.subject", "kind": "element", "screen_id": "Case", "features_off": [], "flags": {}}

test_field if {
	question := asked(user, "edit", {
		"resource": about("element", "Case.subject"), "screen": field,
		"rights": {"Case.subject": {"P": 2}},
	})
	decide(question, portal) == {"outcome": "allow", "reason": "granted", "level": 2}
	why(object.union(question, {"action": {"name": "list"}}), portal) == "action_unknown"
}

test_tab if {
	question := asked(user, "view", {"resource": about("screen", "Case")})
	decide(question, portal) == {"outcome": "allow", "reason": "granted", "level": 5}
	why(object.union(question, {"action": {"name": "attach"}}), portal) == "action_unknown"
	overview := object.union(question, {"user": {"user_type": "staff"}, "screen": {"flags": {"shows_portal_roles": true}}})
	decide(overview, portal).obligations == [{"id": "show_portal_roles", "limit": 9}]
}

at_portal(who) := asked(who, "login", {"resource": about("portal", "p")})

test_login if {
	decide(at_portal(flat), portal) == {"outcome": "allow", "reason": "granted"}
	why(at_portal(agent), portal) == "not_portal_user"
	why(at_portal(object.union(flat, {"roles": ["Q"]})), portal) == "profile_not_member"
	why(at_portal(object.union(flat, {"active": false})), portal) == "user_inactive"
	why(at_portal(flat), with_setting("login_enabled", false)) == "login_disabled"
}

test_visitor if {
	question := object.remove(object.union(asked(user, "view", {}), {"subject": {"type": "anonymous"}}), ["user"])
	decide(question, portal).outcome == "challenge"
}

# Why a record is not reached, in the order of the reasons.
refusals := {
	"resource_unknown": json.patch(asked(user, "view", {}), [{"op": "remove", "path": "/screen"}]),
	"not_licensed": object.union(asked(user, "view", {}), {"screen": {"screen_id": "Lead"}}),
	"not_granted": object.union(asked(user, "view", {}), {"rights": {"Case": {"P": 0}}}),
	"level_too_low": object.union(asked(user, "edit", {}), {"rights": {"Case": {"P": 1}}}),
	"record_unknown": asked(user, "view", {}),
	"comment_not_published": comment([{"op": "remove", "path": "/record/flags/published"}]),
	"parent_differs": comment([{"op": "replace", "path": "/parent/owner", "value": "x"}]),
	"not_shared": asked(user, "view", owned(manager)),
	"shared_for_reading": object.union(asked(user, "edit", owned(manager)), {"record": {"contact": "u"}}),
	"action_unknown": object.union(asked(user, "delete", owned(user)), {}),
}

test_refusals[reason] if {
	some reason, question in refusals
	why(question, portal) == reason
}

test_no_right_at_all if {
	why(json.patch(asked(user, "view", {}), [{"op": "remove", "path": "/rights/Case"}]), portal) == "not_granted"
}

acting(who, facts) := object.union(asked(user, "view", owned(user)), object.union({"context": {"actor": who.id}, "actor": who}, facts))

test_acting if {
	decide(acting(agent, {}), portal).obligations == [{"id": "record_actor", "actor": "s"}]
	decide(acting(person("t", "staff", {"manages": ["staff"], "flags": agent.flags}), {}), portal).outcome == "allow"
	team := person("t", "staff", {"attributes": {"accounts": ["A"]}, "flags": agent.flags})
	decide(acting(team, {"account": {"id": "B"}}), portal).outcome == "allow"
	why(acting(agent, {"account": {"id": "B"}}), portal) == "actor_refused"
	why(acting(object.union(agent, {"flags": {"manage_external_users": false}}), {}), portal) == "actor_refused"
	why(acting(object.union(agent, {"id": "t"}), {}), portal) == "actor_refused"
	why(object.union(asked(user, "view", owned(user)), {"context": {"actor": false}}), portal) == "actor_refused"
}
