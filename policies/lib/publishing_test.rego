package lib.publishing_test

import data.lib.publishing

revision := {
	"number": 5, "user": "ann", "author": "user/ann", "approvals": [], "publications": [],
	"checked": {"ok": true, "cases": 3},
	"difference": {"complete": true, "lost": 2, "gained": 1, "locked_out": false},
}

asked(action, before, user) := object.union(
	{"action": {"name": action}, "resource": {"type": "policy", "id": "5"}, "target": {"before": before}},
	user,
)

by(id) := {"user": {"id": id}}

program := {"subject": {"type": "caller", "id": "k"}}

refused(event, settings) := document.reason if {
	document := publishing.refused with input as event with data.portal as {"settings": settings}
}

free(event, settings) if {
	not publishing.refused with input as event with data.portal as {"settings": settings}
}

publish(change) := asked("admin:publish", object.union(revision, change), by("kim"))

difference(change) := publish({"difference": object.union(revision.difference, change)})

approved(users) := publish({"approvals": [{"by": "x", "user": user} | some user in users]})

test_approval if {
	refused(asked("admin:approve", revision, by("ann")), {}) == "own_revision"
	refused(asked("admin:approve", revision, program), {}) == "approver_is_no_user"
	free(asked("admin:approve", revision, by("kim")), {})
	free(asked("admin:approve", object.remove(revision, ["user"]), by("kim")), {})
}

test_other_calls if {
	every action in ["admin:read", "admin:create", "admin:update"] {
		free(asked(action, revision, by("ann")), {"publishing": "x"})
	}
}

test_publication if {
	free(publish({}), {})
	refused(publish({"checked": {"ok": false, "cases": 3}}), {}) == "not_checked"
	refused(asked("admin:publish", object.remove(revision, ["checked"]), by("kim")), {}) == "not_checked"
	refused(asked("admin:publish", object.remove(revision, ["difference"]), by("kim")), {}) == "not_previewed"
	refused({"action": {"name": "admin:publish"}, "resource": {"type": "policy", "id": "5"}}, {}) == "not_checked"
}

test_lock_out if {
	refused(difference({"locked_out": true}), {}) == "locks_out"
	refused(asked("admin:publish", json.remove(revision, ["difference/locked_out"]), by("kim")), {}) == "locks_out"
}

test_allowances if {
	refused(difference({}), {"publishing": {"max_lost": 1}}) == "too_many_lose"
	free(difference({}), {"publishing": {"max_lost": 2}})
	refused(difference({}), {"publishing": {"max_gained": 0}}) == "too_many_gain"
	free(difference({}), {"publishing": {"max_gained": 1}})
	refused(difference({"complete": false}), {}) == "preview_incomplete"
	free(difference({"complete": false}), {"publishing": {"incomplete": true}})
	refused(difference({"complete": false}), {"publishing": {"incomplete": true, "max_lost": 1}}) == "too_many_lose"
}

test_suites if {
	none := {"ok": true, "cases": 0}
	refused(publish({"checked": none}), {}) == "no_cases"
	free(publish({"checked": none}), {"publishing": {"suites": false}})
	refused(publish({"checked": none}), {"publishing": {"suites": "no"}}) == "no_cases"
	free(publish({"checked": none, "difference": {"lost": 0, "gained": 0}}), {})
}

test_second_person if {
	two := {"publishing": {"approvals": 2}}
	refused(approved([]), {"publishing": {"approvals": 1}}) == "approvals_missing"
	refused(approved(["ann"]), {"publishing": {"approvals": 1}}) == "approvals_missing"
	free(approved(["kim"]), {"publishing": {"approvals": 1}})
	refused(approved(["kim", "kim"]), two) == "approvals_missing"
	refused(approved(["kim", "ann"]), two) == "approvals_missing"
	free(approved(["kim", "bob"]), two)
	refused(publish({"approvals": [{"by": "caller/k"}]}), {"publishing": {"approvals": 1}}) == "approvals_missing"
	free(publish({}), {"publishing": {"approvals": 0}})
}

test_settings_that_say_nothing if {
	every value in ["1", true, null, -1, 1.5, [1], {}] {
		every name in ["approvals", "max_lost", "max_gained"] {
			refused(publish({}), {"publishing": {name: value}}) == "publishing_settings"
		}
	}
	every value in ["x", 1, null, ["approvals"]] {
		refused(publish({}), {"publishing": value}) == "publishing_settings"
	}
}

test_a_way_back_is_open if {
	strict := {"publishing": {"approvals": 2, "max_lost": 0}}
	free(publish({"publications": [{"by": "user/ann", "from": 0}], "difference": {"locked_out": true}}), strict)
	free(object.union(publish({}), {"target": {"id": "0"}}), strict)
}
