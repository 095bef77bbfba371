package lib.delegation_test

import data.lib.delegation

grants(roles) := [{"role": role} | some role in roles]

write(old, new) := {
	"operation": "update",
	"entity": {"kind": "user", "id": "u"},
	"old": object.union({"user_type": "Buyer", "account": "A", "grants": []}, old),
	"new": object.union({"user_type": "Buyer", "account": "A", "grants": []}, new),
	"actor": {"account": "A", "manages": ["Buyer"], "effective_roles": ["lead", "payer"]},
	"roles": {
		"lead": {"inherits": ["payer"]}, "payer": {"inherits": []}, "clerk": {"inherits": []},
		"half": {"inherits": ["clerk"]},
	},
}

test_types if {
	not delegation.type_not_managed with input as write({}, {})
	delegation.type_not_managed with input as write({"user_type": "Boss"}, {})
	delegation.type_not_managed with input as write({}, {"user_type": "Boss"})
	delegation.type_not_managed with input as object.remove(write({}, {}), ["actor"])
}

test_accounts if {
	not delegation.other_account with input as write({}, {})
	delegation.other_account with input as write({"account": "B"}, {})
	delegation.other_account with input as write({}, {"account": "B"})
	delegation.other_account with input as object.remove(write({}, {}), ["actor"])
}

test_own_roles_only if {
	given := grants(["payer", "clerk"])
	change := write({}, {"grants": given})
	delegation.roles_not_held(given) == {"clerk"} with input as change
		with data.portal.settings as {"delegation": {"own_roles_only": true}}
	not delegation.roles_not_held(given) with input as change
		with data.portal.settings as {"delegation": {"own_roles_only": false}}
	not delegation.roles_not_held(given) with input as change with data.portal.settings as {}
}

test_what_is_kept_is_not_given if {
	given := grants(["payer", "clerk"])
	delegation.given(given) == {"payer"} with input as write({"grants": grants(["clerk"])}, {"grants": given})
	delegation.given(given) == {"payer", "clerk"} with input as write({"grants": given, "user_type": "Boss"}, {"grants": given})
}

duties := {"separation_of_duties": [["x", "y"], ["payer", "clerk"]]}

test_duties[name] if {
	some name, case in {
		"one": {"old": [], "new": ["payer"], "want": false},
		"both": {"old": [], "new": ["payer", "clerk"], "want": true},
		"both by inheritance": {"old": [], "new": ["lead", "half"], "want": true},
		"the second": {"old": ["lead"], "new": ["lead", "half"], "want": true},
		"kept": {"old": ["lead", "half"], "new": ["lead", "half"], "want": false},
		"another": {"old": ["lead", "half"], "new": ["lead", "half", "z"], "want": false},
	}
	clash := [true |
		delegation.duties_clash(grants(case.new)) with input as write({"grants": grants(case.old)}, {"grants": grants(case.new)})
			with data.portal.settings as duties
	]
	count(clash) > 0 == case.want
}

test_malformed_duties_let_nothing_be_given if {
	some sets in [["payer", "clerk"], {"a": ["payer"]}, true]
	delegation.duties_clash(grants(["z"])) with input as write({}, {"grants": grants(["z"])})
		with data.portal.settings as {"separation_of_duties": sets}
	not delegation.duties_clash(grants(["z"])) with input as write({"grants": grants(["z"])}, {"grants": grants(["z"])})
		with data.portal.settings as {"separation_of_duties": sets}
}

inheriting(old, new) := {
	"entity": {"kind": "role", "id": "clerk"},
	"old": {"inherits": old},
	"new": {"inherits": new},
	"roles": {"lead": {"inherits": ["payer"]}, "payer": {"inherits": []}},
}

test_roles_that_clash if {
	delegation.role_clashes with input as inheriting([], ["lead"]) with data.portal.settings as duties
	delegation.role_clashes with input as inheriting([], ["x", "y"]) with data.portal.settings as duties
	not delegation.role_clashes with input as inheriting(["lead"], ["lead"]) with data.portal.settings as duties
	not delegation.role_clashes with input as inheriting([], ["x"]) with data.portal.settings as duties
	delegation.role_clashes with input as inheriting([], ["x"]) with data.portal.settings as {"separation_of_duties": true}
	not delegation.role_clashes with input as inheriting(["x"], []) with data.portal.settings as {"separation_of_duties": true}
}
