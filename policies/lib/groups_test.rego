package lib.groups_test

import data.lib.groups

# Two active groups of each type, an inactive one, and lists of another kind.
sharing := array.concat(
	[
	{"id": sprintf("%s %d", [type, n]), "kind": "restriction_group", "type": type, "active": true} |
		some type in ["A", "B", "A Inverse", "B Inverse"]
		some n in [1, 2]
	],
	[
		{"id": "retired", "kind": "restriction_group", "type": "B", "active": false},
		{"id": "odd", "kind": "restriction_group", "type": "C", "active": true},
		{"id": "news", "kind": "mailing_list", "type": "B", "active": true},
		{"id": "bare", "kind": "restriction_group"},
	],
)

about(record, account, user) := {
	"record": {"properties": {"restriction_groups": record}},
	"account": {"attributes": {"restriction_groups": account}},
	"user": {"attributes": {"restriction_groups": user}},
}

both(type) := [sprintf("%s 1", [type]), sprintf("%s 2", [type])]

one(type) := [sprintf("%s 1", [type])]

other(type) := [sprintf("%s 2", [type])]

# Which members of two groups of one type get in, and which of one.
members := {
	"A": {"none": false, "one": true, "other": true, "both": true, "only": false},
	"B": {"none": false, "one": false, "other": false, "both": true, "only": false},
	"A Inverse": {"none": true, "one": true, "other": true, "both": false, "only": true},
	"B Inverse": {"none": true, "one": false, "other": false, "both": false, "only": true},
}

test_types[type] if {
	some type, lets in members
	lets == {
		"none": is_open(about(both(type), [], [])),
		"one": is_open(about(both(type), [], one(type))),
		"other": is_open(about(both(type), [], other(type))),
		"both": is_open(about(both(type), [], both(type))),
		"only": is_open(about(one(type), [], other(type))),
	}
}

is_open(question) := false if groups.closed with input as question with data.portal.sharing as sharing

else := true

cases := {
	"every type must let in": {"question": about(["A 1", "B 1"], [], ["A 1"]), "want": false},
	"and does": {"question": about(["A 1", "B 1"], [], ["A 1", "B 1"]), "want": true},
	"the account's groups count": {"question": about([], ["B 1"], []), "want": false},
	"as do the record's": {"question": about(["B 1"], [], []), "want": false},
	"each for itself": {"question": about(["A 1"], ["A 2"], ["A 1"]), "want": false},
	"and together": {"question": about(["A 1"], ["A 2"], ["A 1", "A 2"]), "want": true},
	"equal lists count once": {"question": about(["A 1"], ["A 1"], ["A 1"]), "want": true},
	"empty lists": {"question": about([], [], []), "want": true},
	"an inactive group": {"question": about(["retired"], [], []), "want": true},
	"a group that does not exist": {"question": about(["gone"], [], []), "want": true},
	"a group of no known type": {"question": about(["odd"], [], []), "want": true},
	"a group that says nothing": {"question": about(["bare"], [], []), "want": true},
	"a list of another kind": {"question": about(["news"], [], []), "want": true},
	"a user without attributes": {
		"question": {"record": {"properties": {"restriction_groups": ["B Inverse 1"]}}, "user": {}},
		"want": true,
	},
	"nor let into a group": {
		"question": {"record": {"properties": {"restriction_groups": ["A 1"]}}, "user": {}},
		"want": false,
	},
	"nobody": {"question": {"record": {"properties": {"restriction_groups": ["A 1"]}}}, "want": false},
	"a word is no list": {"question": about("A 1", [], ["A 1"]), "want": false},
	"nor is a switch": {"question": about(true, [], []), "want": false},
	"of the account either": {"question": about([], true, []), "want": false},
	"nor is null": {"question": about(null, false, []), "want": false},
	"false is none": {"question": about(false, false, []), "want": true},
	"no record": {"question": {"user": {"attributes": {"restriction_groups": ["A 1"]}}}, "want": true},
	"an account alone": {"question": {"account": {"attributes": {"restriction_groups": ["B 2"]}}}, "want": false},
}

test_open[name] if {
	some name, case in cases
	case.want == is_open(case.question)
}

# A portal that defines no groups restricts nobody.
test_no_sharing if {
	not groups.closed with input as about(["A 1"], ["B 1"], []) with data.portal as {}
}
