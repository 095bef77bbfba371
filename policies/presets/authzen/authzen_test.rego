package presets.authzen_test

import data.presets.authzen

editor := {"id": "e", "active": true, "effective_roles": ["editor", "reader"], "attributes": {}}

admin := {"id": "a", "active": true, "effective_roles": ["reader"], "attributes": {"role": "admin"}}

question(user, action, status) := {
	"portal": "p",
	"subject": {"type": "user", "id": user.id, "properties": {}},
	"action": {"name": action, "properties": {"soft": true}},
	"resource": {"type": "record", "id": "r", "properties": {}},
	"context": {},
	"user": user,
	"record": {"type": "record", "id": "r", "flags": {}, "properties": {"status": status}},
}

said(asked, claims) := object.union(asked, claims)

decide(asked, trusting) := decision if {
	decision := authzen.decision with input as asked
		with data.portal.settings as {"trust_properties": trusting}
}

granted := {"outcome": "allow", "reason": "granted"}

deny(reason) := {"outcome": "deny", "reason": reason}

# What a stored user does to a record of a stored status, with nothing said.
test_stored[name] if {
	some name, case in {
		"editor reads": {"asked": question(editor, "read", "active"), "want": granted},
		"editor writes": {"asked": question(editor, "write", "active"), "want": granted},
		"editor deletes": {"asked": question(editor, "delete", "active"), "want": granted},
		"editor writes archived": {"asked": question(editor, "write", "archived"), "want": deny("archived")},
		"editor deletes archived": {"asked": question(editor, "delete", "archived"), "want": deny("archived")},
		"editor writes a draft": {"asked": question(editor, "write", "draft"), "want": deny("not_granted")},
		"admin reads": {"asked": question(admin, "read", "archived"), "want": granted},
		"admin writes": {"asked": question(admin, "write", "active"), "want": deny("not_granted")},
		"admin writes archived": {"asked": question(admin, "write", "archived"), "want": granted},
		"admin deletes archived": {"asked": question(admin, "delete", "archived"), "want": deny("archived")},
		"no such action": {"asked": question(editor, "erase", "active"), "want": deny("action_unknown")},
	}
	decide(case.asked, false) == case.want
	decide(case.asked, true) == case.want
}

as_admin := {"subject": {"properties": {"role": "admin"}}}

as_archived := {"resource": {"properties": {"status": "archived"}}}

# What the caller says opens something only where the portal trusts it.
test_claims[name] if {
	some name, case in {
		"role": {"asked": said(question(editor, "write", "archived"), as_admin), "closed": "archived"},
		"status": {"asked": said(question(admin, "write", "active"), as_archived), "closed": "archived"},
	}
	decide(case.asked, true) == granted
	decide(case.asked, false) == deny(case.closed)
}

# And it may always close.
test_narrowing[name] if {
	some name, asked in {
		"status": said(question(editor, "write", "active"), as_archived),
		"role": said(question(admin, "write", "archived"), {"subject": {"properties": {"role": "guest"}}}),
		"active": said(question(admin, "write", "archived"), {"resource": {"properties": {"status": "active"}}}),
	}
	every trusting in [true, false] {
		decide(asked, trusting) == deny("archived")
	}
}

test_hard_deletion if {
	decide(said(question(editor, "delete", "active"), {"action": {"properties": {"soft": false}}}), true) == deny("soft_only")
}

test_subjects if {
	asked := question(editor, "read", "active")
	decide(said(asked, {"subject": {"type": "anonymous"}}), true) == {"outcome": "challenge", "reason": "login_required"}
	decide(object.remove(asked, ["user"]), true) == deny("user_unknown")
	decide(said(asked, {"user": {"active": false}}), true) == deny("user_inactive")
	decide(said(asked, {"context": {"actor": "v"}}), true) == deny("acting_unsupported")
	decide(object.remove(asked, ["record"]), true) == deny("record_unknown")
}
