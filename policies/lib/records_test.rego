package lib.records_test

stored(facts) := object.union({"type": "case", "id": "1", "flags": {}, "properties": {}}, facts)

# What holds of a record, by the names of the rules.
cases := {
	"own": {"record": stored({"account": "A", "contact": "C"}), "holds": {"own", "own_account", "open"}},
	"of a colleague": {"record": stored({"account": "A", "contact": "D"}), "holds": {"own_account", "open"}},
	"of the contact at another account": {
		"record": stored({"account": "B", "contact": "C"}),
		"holds": {"own", "open"},
	},
	"of nobody": {"record": stored({}), "holds": {"open"}},
	"visible": {"record": stored({"flags": {"visible": true}}), "holds": {"visible", "open"}},
	"all flags off": {
		"record": stored({"flags": {"visible": false, "published": false, "closed": false}}),
		"holds": {"open"},
	},
	"closed": {"record": stored({"flags": {"closed": true}}), "holds": set()},
	"claimed in properties": {
		"record": stored({"properties": {"visible": true, "account": "A", "contact": "C"}}),
		"holds": {"open"},
	},
}

# The rules that hold; what a package leaves undefined is no member of it.
holding(facts) := rules if {
	rules := object.keys(data.lib.records) with input as facts
}

asker := {"account": "A", "contact": "C"}

test_record[name] if {
	some name, case in cases
	holding({"record": case.record, "user": asker}) == case.holds
}

test_parent[name] if {
	some name, case in cases
	about_parents := {sprintf("parent_%s", [rule]) | some rule in (case.holds - {"open"})}
	holding({"parent": case.record, "user": asker}) == about_parents
}

test_published_under_visible if {
	on := stored({"flags": {"published": true, "visible": true}})
	off := stored({})
	"published_under_visible" in holding({"record": on, "parent": on})
	not "published_under_visible" in holding({"record": on, "parent": off})
	not "published_under_visible" in holding({"record": off, "parent": on})
	not "published_under_visible" in holding({"record": on})
}

# No account and no contact are in common with none.
test_nobody[name] if {
	some name, user in {"no user": {}, "of nothing": {"user": {}}}
	holding(object.union(user, {"record": stored({}), "parent": stored({})})) == {"open"}
}

test_nothing if holding({"user": asker}) == set()
