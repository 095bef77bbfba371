package presets.crm_service_test

import data.presets.crm_service as preset

# Una of Nordlift, with one profile that shows module M.
una := {
	"id": "u", "login": "una@nordlift.example", "active": true, "same_login": 0, "user_type": "Portal User",
	"roles": ["p"], "effective_roles": ["p"], "account": "NORDLIFT", "contact": "C-U", "flags": {}, "attributes": {},
}

kim := {
	"id": "k", "login": "kim", "active": true, "same_login": 0, "user_type": "CRM User",
	"roles": ["r"], "effective_roles": ["r"], "flags": {}, "attributes": {},
}

types := {"Portal User": {"linked": "contact"}, "CRM User": {"linked": "employee"}}

module := {"id": "M", "kind": "screen", "screen_id": "M", "features_off": []}

field := {"id": "M.f", "kind": "element", "screen_id": "M", "features_off": []}

asked(type, action, facts) := object.union(
	{
		"portal": "p",
		"subject": {"type": "user", "id": "u", "properties": {}},
		"action": {"name": action, "properties": {}},
		"resource": {"type": type, "id": "X", "properties": {}},
		"context": {},
		"user": una,
		"screen": module,
		"rights": {"M": {"p": 1}},
		"fields": {"f": {"p": 2}, "g": {}},
	},
	facts,
)

# Replacing a whole fact takes the old one away first.
put(question, name, fact) := object.union(object.remove(question, [name]), {name: fact})

decide(question, settings) := decision if {
	decision := preset.decision with input as question
		with data.portal as {"settings": object.union({"login_enabled": true}, settings), "user_types": types}
}

on_card(question, action, target) := put(
	put(
		object.union(question, {
			"action": {"name": action},
			"resource": {"type": "user"},
			"rights": {"M": {"r": 1}},
		}),
		"user", kim,
	),
	"target", target,
)

own := {"record": {"type": "case", "id": "X", "account": "NORDLIFT", "contact": "C-U"}}

colleague := {"record": {"type": "case", "id": "X", "account": "NORDLIFT", "contact": "C-V"}}

foreign := {"record": {"type": "case", "id": "X", "account": "VASTA", "contact": "C-V"}}

admin := {"user": {"flags": {"admin": true}}}

reasons := {
	"granted": {
		"login": {"question": asked("portal", "login", {"resource": {"id": "p"}})},
		"module": {"question": asked("screen", "view", {})},
		"field": {"question": put(asked("element", "edit", {"rights": {"M.f": {"p": 2}}}), "screen", field)},
		"record": {"question": asked("case", "view", own)},
		"of a contact alone": {"question": json.remove(asked("case", "view", own), ["record/account"])},
		"of the company": {"question": asked("case", "view", colleague), "settings": {"scope": {"M": "account"}}},
		"edited": {"question": asked("case", "edit", own)},
		"request": {"question": asked("case", "create", {"rights": {"M": {"p": 3}}})},
		"colleague": {"question": asked("contact", "view", object.union(colleague, admin))},
		"colleague, shown as editable": {
			"question": asked("contact", "list", object.union(colleague, admin)),
			"settings": {"admin_edits_contacts": true},
		},
		"colleague edited": {
			"question": asked("contact", "edit", object.union(colleague, admin)),
			"settings": {"admin_edits_contacts": true},
		},
		"contact": {"question": asked("contact", "create", admin)},
	},
	"contact_card": {
		"create": {"question": on_card(asked("user", "", {}), "manage_user.create", {"type": "contact", "id": "C-V"})},
		"disable": {
			"question": on_card(asked("user", "", {}), "manage_user.disable", {"type": "user", "contact": "C-V"}),
			"settings": {"workflows": [{"mode": "every_save", "tasks": [{
				"kind": "add_or_update_portal_user", "active": true,
				"access": {"active": true},
			}]}]},
		},
	},
	"login_required": {"visitor": {"question": asked("case", "view", {"subject": {"type": "anonymous"}})}},
	"user_unknown": {"stranger": {"question": object.remove(asked("case", "view", own), ["user"])}},
	"user_inactive": {"blocked": {"question": asked("case", "view", object.union(own, {"user": {"active": false}}))}},
	"login_disabled": {"closed": {"question": asked("case", "view", own), "settings": {"login_enabled": false}}},
	"no_email": {"no address": {"question": asked("case", "view", object.union(own, {"user": {"login": ""}}))}},
	"login_not_unique": {"twin": {"question": asked("case", "view", object.union(own, {"user": {"same_login": 1}}))}},
	"acting_unsupported": {"acting": {"question": asked("case", "view", object.union(own, {"context": {"actor": "k"}}))}},
	"feature_off": {"off": {"question": put(asked("screen", "view", {}), "screen", object.union(module, {"features_off": ["f"]}))}},
	"not_portal_user": {
		"no contact": {"question": json.remove(asked("case", "view", own), ["user/contact"])},
		"no type": {"question": json.remove(asked("case", "view", own), ["user/user_type"])},
	},
	"crm_user": {"in the portal": {"question": put(asked("screen", "view", {}), "user", object.union(una, {"user_type": "CRM User"}))}},
	"crm_only": {"managing": {"question": asked("user", "manage_user.create", {"target": {"type": "contact", "id": "C-V"}})}},
	"contact_not_readable": {"no right": {"question": put(
		on_card(asked("user", "", {}), "manage_user.create", {"type": "contact"}),
		"rights", {},
	)}},
	"target_unknown": {
		"nobody": {"question": on_card(asked("user", "", {}), "manage_user.edit", {})},
		"a user of the CRM": {"question": on_card(asked("user", "", {}), "manage_user.edit", {"type": "user", "id": "k"})},
	},
	"action_unknown": {
		"action": {"question": asked("case", "veiw", own)},
		"type": {"question": asked("spaceship", "view", own)},
		"at the card": {"question": on_card(asked("user", "", {}), "manage_user.delete", {"type": "user", "contact": "C-V"})},
	},
	"portal_unknown": {"elsewhere": {"question": asked("portal", "login", {"resource": {"id": "q"}})}},
	"screen_unknown": {"nowhere": {"question": object.remove(asked("case", "view", own), ["screen"])}},
	"not_one_profile": {
		"none": {"question": asked("case", "view", object.union(own, {"user": {"effective_roles": []}}))},
		"two": {"question": asked("case", "view", object.union(own, {"user": {"effective_roles": ["p", "q"]}}))},
	},
	"module_not_shown": {
		"unset": {"question": put(asked("case", "view", own), "rights", {})},
		"revoked": {"question": asked("case", "view", object.union(own, {"rights": {"M": {"p": 0}}}))},
		"for another profile": {"question": put(asked("case", "view", own), "rights", {"M": {"q": 5}})},
	},
	"level_too_low": {"request": {"question": asked("case", "create", {"rights": {"M": {"p": 2}}})}},
	"field_not_shown": {"unset": {"question": put(asked("element", "view", {}), "screen", field)}},
	"field_read_only": {"shown": {"question": put(asked("element", "edit", {"rights": {"M.f": {"p": 1}}}), "screen", field)}},
	"no_field_editable": {
		"own": {"question": asked("case", "edit", object.union(own, {"fields": {"f": {"p": 1}}}))},
		"colleague": {
			"question": asked("contact", "edit", object.union_n([colleague, admin, {"fields": {"f": {"p": 1}}}])),
			"settings": {"admin_edits_contacts": true},
		},
	},
	"record_unknown": {"gone": {"question": asked("case", "view", {})}},
	"record_exists": {"again": {"question": asked("case", "create", object.union(own, {"rights": {"M": {"p": 3}}}))}},
	"not_admin": {
		"colleague": {"question": asked("contact", "view", colleague)},
		"contact": {"question": asked("contact", "create", {})},
	},
	"admin_edit_off": {"colleague": {"question": asked("contact", "edit", object.union(colleague, admin))}},
	"other_account": {
		"record": {"question": asked("case", "view", foreign)},
		"none on both sides": {"question": json.remove(asked("case", "view", foreign), ["user/account", "record/account"])},
		"request": {"question": asked("case", "create", {
			"rights": {"M": {"p": 3}},
			"resource": {"properties": {"account": "VASTA"}},
		})},
		"of none": {"question": json.remove(asked("contact", "create", admin), ["user/account"])},
	},
	"other_contact": {
		"record": {"question": asked("case", "view", colleague)},
		"request": {"question": asked("case", "create", {
			"rights": {"M": {"p": 3}},
			"resource": {"properties": {"contact": "C-V"}},
		})},
	},
}

test_reasons[name] if {
	some reason, cases in reasons
	some name, case in cases
	decide(case.question, object.get(case, "settings", {})).reason == reason
}

test_outcomes if {
	every reason, cases in reasons {
		want := object.get(
			{
				"granted": "allow", "contact_card": "allow", "login_required": "challenge",
				"module_not_shown": "hide", "field_not_shown": "hide",
			},
			reason, "deny",
		)
		every case in cases {
			decide(case.question, object.get(case, "settings", {})).outcome == want
		}
	}
}

test_warnings[name] if {
	some name in ["create", "disable"]
	case := reasons.contact_card[name]
	want := {"create": ["read_is_enough"], "disable": ["read_is_enough", "block_does_not_last"]}
	[o.about | some o in decide(case.question, object.get(case, "settings", {})).obligations] == want[name]
}

test_fields if {
	decide(asked("case", "view", own), {}).fields == {"f": "write", "g": "hidden"}
	decide(asked("contact", "view", object.union(colleague, admin)), {}).fields == {"f": "read", "g": "hidden"}
}

# Nothing at all is asked, and nothing is known: no rule fails open.
test_nothing_known if {
	every question in [{}, {"user": una}, {"user": kim}, {"user": una, "screen": module, "rights": {"M": {"p": 5}}}] {
		decide(question, {}).outcome in {"deny", "hide"}
	}
}

# What becomes of writes.

change(operation, kind, members) := object.union(
	{"operation": operation, "entity": {"kind": kind, "id": "X"}, "context": {"now": "2026-03-01T09:00:00Z"}, "latches": []},
	members,
)

refused(members, settings) := {r.reason | some r in answer.refusals} if {
	answer := preset.admission with input as members with data.portal as {"settings": settings, "user_types": object.union(
		types,
		{"Portal User": {"allowed_roles": {"p": {"default": false}, "q": {"default": false}}}},
	)}
}

portal_user := {"id": "X", "user_type": "Portal User", "contact": "C-U", "login": "una@nordlift.example", "grants": [], "active": true}

writes := {
	"a user": {"change": change("create", "user", {"new": portal_user}), "want": set()},
	"of no contact": {"change": change("create", "user", {"new": object.remove(portal_user, ["contact"])}), "want": {"no_contact"}},
	"a user of the CRM": {"change": change("create", "user", {"new": {"user_type": "CRM User", "grants": []}}), "want": set()},
	"of one with a user": {
		"change": change("create", "user", {"new": portal_user, "users": [{"id": "v"}]}),
		"want": {"contact_has_user"},
	},
	"two profiles": {
		"change": change("create", "user", {"new": object.union(portal_user, {"grants": [{"role": "p"}, {"role": "q"}]})}),
		"want": {"not_one_profile"},
	},
	"no profile of the type": {
		"change": change("create", "user", {"new": object.union(portal_user, {"grants": [{"role": "r"}]})}),
		"want": {"role_not_allowed"},
	},
	"a profile that inherits": {
		"change": change("update", "role", {"new": {"guest": true, "inherits": ["q"]}}),
		"want": {"profile_inherits"},
	},
	"by a portal user": {"change": change("update", "user", {"actor": una, "old": portal_user, "new": portal_user}), "want": {"crm_only"}},
	"by a user of the CRM": {"change": change("update", "user", {"actor": kim, "old": portal_user, "new": portal_user}), "want": set()},
	"a contact deleted": {"change": change("delete", "contact", {"actor": una, "old": {"account": "NORDLIFT"}}), "want": {"crm_only"}},
	"a contact by no admin": {"change": change("create", "contact", {"actor": una, "new": {"account": "NORDLIFT"}}), "want": {"not_admin"}},
	"a contact of another company": {
		"change": change("create", "contact", {"actor": object.union(una, {"flags": {"admin": true}}), "new": {"account": "VASTA"}}),
		"want": {"other_account"},
	},
	"a contact from another company": {
		"change": change("update", "contact", {
			"actor": object.union(una, {"contact": "X"}), "old": {"account": "VASTA"},
			"new": {"account": "NORDLIFT"},
		}),
		"want": {"other_account"},
	},
	"an edit that is off": {
		"change": change("update", "contact", {
			"actor": object.union(una, {"flags": {"admin": true}}), "old": {"account": "NORDLIFT"},
			"new": {"account": "NORDLIFT"},
		}),
		"want": {"admin_edit_off"},
	},
	"a mark": {
		"change": change("update", "contact", {"actor": kim, "old": {}, "new": {"attributes": {"workflow_due": {"W.t": "now"}}}}),
		"want": {"workflow_mark"},
	},
}

test_admission[name] if {
	some name, case in writes
	refused(case.change, {}) == case.want
}

test_defaults if {
	write := change("create", "user", {"new": portal_user, "contact": {"id": "C-U", "email": "u@mail.example"}})
	admission := preset.admission with input as write with data.portal as {"settings": {}, "user_types": types}
	admission.defaults == {"login": "u@mail.example"}
}

done(write, settings) := {task.id: task | some task in tasks} if {
	tasks := preset.provisioning.tasks with input as write with data.portal.settings as settings
}

workflow(mode, conditions, task) := {"workflows": [{
	"id": "W", "module": "contacts", "mode": mode, "conditions": conditions,
	"tasks": [object.union({"id": "t", "active": true, "kind": "add_or_update_portal_user", "access": {"active": true}}, task)],
}]}

saved := change("update", "contact", {
	"old": {"name": "Una", "email": "una@nordlift.example", "attributes": {}},
	"new": {"name": "Una B", "email": "una@nordlift.example", "attributes": {"region": null}},
	"users": [{"id": "u", "login": "una@nordlift.example", "active": false}],
})

test_task_kinds if {
	done(saved, workflow("every_save", [], {})) == {"W.t": {
		"id": "W.t", "kind": "update",
		"entity": "user/u", "set": {"active": true},
	}}
	done(saved, workflow("every_save", [], {"kind": "remove_portal_user"}))["W.t"].kind == "deactivate"
	done(saved, workflow("every_save", [], {"kind": "remove_portal_user", "clear_profile": true}))["W.t"].set == {
		"active": false,
		"grants": [],
	}
	done(put(saved, "users", []), workflow("every_save", [], {}))["W.t"].kind == "create"
	done(put(saved, "users", [{"id": "u"}, {"id": "v"}]), workflow("every_save", [], {}))["W.t.1"].entity == "user/v"
}

# Which conditions hold of a contact whose name has changed.
test_conditions if {
	ops := {
		"changed": {"name"}, "unchanged": {"email", "attributes.region"}, "not_empty": {"name", "email"},
		"empty": {"phone", "attributes.region"}, "equals": {"name"}, "not_equals": {"email", "phone", "attributes.region"},
		"resembles": set(),
	}
	every op, fields in ops {
		fields - {"phone", "attributes.region"} == {field |
			some field in ["name", "email"]
			done(saved, workflow("every_save", [{"field": field, "op": op, "value": "Una B"}], {}))["W.t"]
		}
	}
	every field in ["phone", "attributes.region"] {
		done(saved, workflow("every_save", [{"field": field, "op": "empty"}], {}))["W.t"]
	}
}

test_modes if {
	first := put(object.remove(saved, ["old"]), "operation", "create")
	done(first, workflow("first_save", [{"field": "name", "op": "changed"}], {}))["W.t"]
	not done(saved, workflow("first_save", [], {}))["W.t"]
	done(saved, workflow("first_time", [], {}))["W.t"].once
	not done(put(saved, "latches", ["W.t"]), workflow("first_time", [], {}))["W.t"]
	done(put(saved, "latches", ["W.t"]), workflow("every_save", [], {}))["W.t"]
}

test_delays if {
	late := workflow("every_save", [{"field": "name", "op": "changed"}], {"delay": 60})
	again := object.union(late, {"recheck_after_delay": true})
	done(saved, late)["W.t"].after == 60
	done(saved, late)["W.t"].entity == "user/u"
	mark := done(saved, again)["W.t"]
	mark.entity == "contact/X"
	mark.after == 60
	due := object.union(saved, {"old": {"name": "Una B"}, "new": mark.set})
	object.keys(done(due, again)) == {"W.t.rechecked"}
}

test_mails if {
	told := {"warn_to": "crm@kaarna.example", "first_login_mail": "welcome"}
	object.keys(done(saved, object.union(workflow("every_save", [], {}), told))) == {"W.t", "W.t.warning"}
	activated := change("update", "user", {
		"old": {"active": false, "login": "u"},
		"new": {"active": true, "login": "u"}, "same_login": 1,
	})
	object.keys(done(activated, told)) == {"first_login", "login_not_unique"}
	done(put(activated, "old", {"active": true, "login": "u"}), told) == {}
	done(activated, {}) == {}
}

test_login_follows_email if {
	done(put(saved, "users", [{"id": "u", "login": "old@nordlift.example"}]), {}) == {"login.u": {
		"id": "login.u", "kind": "update", "entity": "user/u",
		"set": {"login": "una@nordlift.example"},
	}}
}
