package lib.administration_test

import data.lib.administration

types := {"buyer": {"allowed_roles": {
	"Buyer": {"default": true},
	"Clerk": {"default": false},
	"Reader": {"default": true},
}}}

written(old, new) := {"operation": "update", "entity": {"kind": "user", "id": "u"}, "old": old, "new": new}

test_kind_of_write[sprintf("%s %s", [operation, kind])] if {
	some operation in ["create", "update", "delete"]
	some kind in ["user", "contact"]
	event := {"operation": operation, "entity": {"kind": kind, "id": "u"}}
	wants_written := {true | kind == "user"; operation != "delete"}
	wants_deleted := {true | kind == "user"; operation == "delete"}
	{true | administration.user_written with input as event} == wants_written
	{true | administration.user_deleted with input as event} == wants_deleted
}

test_default_grants[type] if {
	some type, want in {"buyer": [{"role": "Buyer"}, {"role": "Reader"}], "none": []}
	administration.default_grants == want with input as {"new": {"user_type": type}}
		with data.portal.user_types as types
}

test_no_type_has_no_default_grants if {
	administration.default_grants == [] with input as {"new": {}}
		with data.portal.user_types as types
}

test_roles_not_allowed[name] if {
	some name, case in {
		"all allowed": {"old": {"user_type": "buyer", "grants": []}, "type": "buyer", "roles": ["Buyer", "Clerk"], "want": set()},
		"one is not": {"old": {"user_type": "buyer", "grants": []}, "type": "buyer", "roles": ["Buyer", "Boss"], "want": {"Boss"}},
		"it was held before": {"old": {"user_type": "buyer", "grants": [{"role": "Boss"}]}, "type": "buyer", "roles": ["Boss"], "want": set()},
		"it was held under another type": {"old": {"user_type": "boss", "grants": [{"role": "Boss"}]}, "type": "buyer", "roles": ["Boss"], "want": {"Boss"}},
		"the type is unknown": {"old": {"grants": []}, "type": "nobody", "roles": ["Buyer"], "want": {"Buyer"}},
	}
	new := {"user_type": case.type, "grants": [{"role": role} | some role in case.roles]}
	administration.roles_not_allowed == case.want with input as written(case.old, new)
		with data.portal.user_types as types
}

test_held_for_a_time_only_is_not_held_for_ever if {
	old := {"user_type": "buyer", "grants": [{"role": "Boss", "until": "2026-01-01T00:00:00Z"}]}
	administration.roles_not_allowed == {"Boss"} with input as written(old, {"user_type": "buyer", "grants": [{"role": "Boss"}]})
		with data.portal.user_types as types
}

test_no_type_allows_no_role if {
	administration.roles_not_allowed == {"Buyer"} with data.portal.user_types as types
		with input as {"operation": "create", "new": {"grants": [{"role": "Buyer"}]}}
}

test_type_changed[name] if {
	some name, case in {
		"another": {"old": {"user_type": "a"}, "new": {"user_type": "b"}, "want": true},
		"none any more": {"old": {"user_type": "a"}, "new": {}, "want": true},
		"a first one": {"old": {}, "new": {"user_type": "b"}, "want": true},
		"the same": {"old": {"user_type": "a"}, "new": {"user_type": "a"}, "want": false},
		"still none": {"old": {}, "new": {}, "want": false},
	}
	got := {true | administration.type_changed with input as written(case.old, case.new)}
	got == {true | case.want}
}

test_new_user_changes_no_type if {
	not administration.type_changed with input as {"operation": "create", "new": {"user_type": "a"}}
}

test_roles_follow_type[name] if {
	some name, case in {
		"nothing else is said": {"type": "b", "grants": [{"role": "Boss"}], "want": true},
		"other roles are named": {"type": "b", "grants": [{"role": "Clerk"}], "want": false},
		"the type stays": {"type": "a", "grants": [{"role": "Boss"}], "want": false},
	}
	old := {"user_type": "a", "grants": [{"role": "Boss"}]}
	got := {true |
		administration.roles_follow_type with input as written(old, {"user_type": case.type, "grants": case.grants})
	}
	got == {true | case.want}
}

test_address if {
	administration.address == "x@y.example" with input as {"contact": {"email": "x@y.example"}}
	not administration.address with input as {"contact": {"email": " "}}
	not administration.address with input as {"contact": {}}
	not administration.address with input as {}
}

test_contact_taken[name] if {
	some name, case in {
		"by another": {"old": {}, "new": {"contact": "C"}, "users": [{"id": "v"}], "want": true},
		"it was this user's": {"old": {"contact": "C"}, "new": {"contact": "C"}, "users": [{"id": "v"}], "want": false},
		"by nobody": {"old": {}, "new": {"contact": "C"}, "users": [], "want": false},
		"no contact": {"old": {"contact": "C"}, "new": {}, "users": [{"id": "v"}], "want": false},
	}
	event := object.union(written(case.old, case.new), {"users": case.users})
	got := {true | administration.contact_taken with input as event}
	got == {true | case.want}
}

test_contact_of_a_new_user_taken if {
	event := {"operation": "create", "new": {"contact": "C"}, "users": [{"id": "v"}]}
	administration.contact_taken with input as event
}

login_of(active) := {"login": "x", "active": active}

test_login_taken[name] if {
	some name, case in {
		"a new user": {"new": login_of(true), "want": true},
		"a new user who is not active": {"new": login_of(false), "want": false},
		"another login": {"old": {"login": "y", "active": true}, "new": login_of(true), "want": true},
		"activated": {"old": login_of(false), "new": login_of(true), "want": true},
		"deactivated": {"old": login_of(true), "new": login_of(false), "want": false},
		"had it before": {"old": login_of(true), "new": login_of(true), "want": false},
	}
	event := object.remove(object.union({"same_login": 1}, case), ["want"])
	got := {true | administration.login_taken with input as event}
	got == {true | case.want}
}

test_login_of_nobody_else if {
	not administration.login_taken with input as {"same_login": 0, "new": login_of(true)}
	not administration.login_taken with input as {"new": login_of(true)}
}
