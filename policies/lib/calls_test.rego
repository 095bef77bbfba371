package lib.calls_test

import data.lib.calls

# A call of u at account A on an entity that is there before and after.
asked(action, target) := {
	"action": {"name": action},
	"user": {"id": "u", "account": "A", "manages": ["Buyer"]},
	"target": target,
}

at(account, type) := {"account": account, "user_type": type}

test_callers_are_told_by_their_type if {
	calls.by_caller with input.subject as {"type": "caller", "id": "x"}
	not calls.by_caller with input.subject as {"type": "user", "id": "caller"}
}

test_fits[name] if {
	some name, case in {
		"new": {"ask": asked("admin:create", {"after": {}}), "want": 1},
		"new, and there already": {"ask": asked("admin:create", {"before": {}, "after": {}}), "want": 0},
		"changed": {"ask": asked("admin:update", {"before": {"a": 1}, "after": {}}), "want": 2},
		"changed, and not there": {"ask": asked("admin:update", {"after": {}}), "want": 0},
		"deleted": {"ask": asked("admin:delete", {"before": {}}), "want": 1},
		"read, and not there": {"ask": asked("admin:read", {}), "want": 0},
		"another action": {"ask": asked("edit", {"before": {}}), "want": 0},
	}
	count(calls.states) == case.want with input as case.ask
}

test_own_account if {
	calls.own_account with input as asked("admin:update", {"before": at("A", "x"), "after": at("A", "x")})
	not calls.own_account with input as asked("admin:update", {"before": at("A", "x"), "after": at("B", "x")})
	not calls.own_account with input as asked("admin:update", {"before": at("B", "x"), "after": at("A", "x")})
	not calls.own_account with input as asked("admin:create", {"after": {}})
	not calls.own_account with input as asked("admin:read", {})
}

test_managed_type if {
	calls.managed_type with input as asked("admin:read", {"before": at("A", "Buyer")})
	not calls.managed_type with input as asked("admin:read", {"before": at("A", "Boss")})
	not calls.managed_type with input as asked("admin:update", {"before": at("A", "Buyer"), "after": at("A", "Boss")})
	not calls.managed_type with input as asked("admin:read", {"before": {}})
	not calls.managed_type with input as asked("admin:read", {})
}

test_no_account_is_no_common_one if {
	ask := object.remove(asked("admin:read", {"before": {}}), ["user"])
	not calls.own_account with input as ask
}

test_changed if {
	calls.changed == {"a", "b", "d"} with input.target as {"before": {"a": 1, "b": 1, "c": 1}, "after": {"a": 2, "c": 1, "d": 1}}
	calls.changed == {"a"} with input.target as {"after": {"a": 2}}
	calls.changed == set() with input.target as {"before": {"a": 2}}
}

test_alters if {
	calls.alters(["flags", "x"], null) with input.target as {"before": {"flags": {}}, "after": {"flags": {"x": true}}}
	calls.alters(["flags"], {}) with input.target as {"after": {"flags": {"x": true}}}
	not calls.alters(["flags"], {}) with input.target as {"after": {"flags": {}}}
	not calls.alters(["flags"], {}) with input.target as {"before": {"flags": {"x": true}}}
}
