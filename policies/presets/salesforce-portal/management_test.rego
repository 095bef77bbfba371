package presets.salesforce_portal_test

target(more) := object.union(
	{
		"type": "user", "id": "x", "active": true, "user_type": "tree",
		"account": "A", "contact": "C", "roles": ["P"], "flags": {}, "attributes": {},
	},
	more,
)

home := {"id": "A", "owner": "s", "flags": {}, "attributes": {"owner_role": "staff"}}

managed(who, action, whom) := asked(who, action, {"resource": about("user", "x"), "target": whom, "account": home})

offer := {
	"manage_user.enable_customer", "manage_user.enable_partner", "manage_user.view", "manage_user.enable_super",
	"manage_user.disable_super", "manage_user.activate", "manage_user.disable", "manage_user.reset_password", "act_as",
}

# What the page offers for each state of the target.
states := {
	"contact": {"target": {"type": "contact", "id": "C", "account": "A"}, "want": {"manage_user.enable_customer"}},
	"user": {
		"target": target({}),
		"want": {"manage_user.view", "manage_user.enable_super", "manage_user.disable", "manage_user.reset_password", "act_as"},
	},
	"super user": {
		"target": target({"flags": {"super_user": true}}),
		"want": {"manage_user.view", "manage_user.disable_super", "manage_user.disable", "manage_user.reset_password", "act_as"},
	},
	"not active": {
		"target": target({"active": false}),
		"want": {"manage_user.view", "manage_user.enable_super", "manage_user.activate", "manage_user.reset_password"},
	},
	"without a role": {
		"target": target({"user_type": "flat"}),
		"want": {"manage_user.view", "manage_user.disable", "manage_user.reset_password", "act_as"},
	},
	"staff": {"target": target({"user_type": "staff"}), "want": set()},
}

test_offer[state] if {
	some state, case in states
	case.want == {action |
		some action in offer
		decide(managed(agent, action, case.target), portal).outcome == "allow"
	}
	every action in offer - case.want {
		why(managed(agent, action, case.target), portal) == "not_offered"
	}
}

test_partner_contact if {
	question := managed(agent, "manage_user.enable_partner", {"type": "contact", "id": "C", "account": "A"})
	decide(object.union(question, {"account": {"flags": {"partner": true}}}), portal).outcome == "allow"
	why(object.union(question, {"account": {"flags": {"partner": true, "person": true}}}), portal) == "not_offered"
}

limited := object.union(agent, {"flags": {"manage_external_users": false, "manage_external_users_limited": true}})

stranger(who) := object.union(who, {"id": "t"})

# Who of the staff may do what to a user of account A, which s owns.
staff := {
	"owner": {"who": agent, "action": "act_as", "want": "granted"},
	"team": {"who": object.union(stranger(agent), {"attributes": {"accounts": ["A"]}}), "action": "act_as", "want": "granted"},
	"above": {"who": object.union(stranger(agent), {"manages": ["staff"]}), "action": "act_as", "want": "granted"},
	"stranger": {"who": stranger(agent), "action": "act_as", "want": "user_out_of_reach"},
	"stranger with the permission": {"who": stranger(agent), "action": "manage_user.disable", "want": "granted"},
	"limited owner": {"who": limited, "action": "manage_user.disable", "want": "granted"},
	"limited stranger": {"who": stranger(limited), "action": "manage_user.disable", "want": "user_out_of_reach"},
	"limited, acting": {"who": limited, "action": "act_as", "want": "not_administrator"},
	"no permission": {
		"who": object.union(agent, {"flags": {"manage_external_users": false}}),
		"action": "manage_user.disable", "want": "not_administrator",
	},
	"delete": {"who": agent, "action": "manage_user.delete", "want": "only_deactivated"},
	"promote": {"who": agent, "action": "manage_user.promote", "want": "action_unknown"},
}

test_staff[name] if {
	some name, case in staff
	why(managed(case.who, case.action, target({})), portal) == case.want
}

test_staff_without_the_object if {
	question := managed(agent, "act_as", target({}))
	why(object.union(question, {"screen": {"screen_id": "Lead"}}), portal) == "not_licensed"
	why(object.union(question, {"rights": {"Case": {"P": 0}}}), portal) == "not_granted"
	why(json.patch(question, [{"op": "remove", "path": "/rights/Case"}]), portal) == "not_granted"
	why(object.union(question, {"rights": {"Case": {"P": 1}}}), portal) == "level_too_low"
	why(json.patch(question, [{"op": "remove", "path": "/target"}]), portal) == "target_unknown"
}

delegate := person("d", "tree", {"position": "User", "flags": {"delegated_admin": true}})

delegation := {
	"edit": {"action": "manage_user.edit", "target": target({}), "want": "granted"},
	"other account": {"action": "manage_user.edit", "target": target({"account": "B"}), "want": "other_account"},
	"other profile": {"action": "manage_user.edit", "target": target({"roles": ["Q"]}), "want": "profile_not_delegated"},
	"view": {"action": "manage_user.view", "target": target({}), "want": "action_unknown"},
	"no profile for a new one": {
		"action": "manage_user.create", "target": {"type": "contact", "id": "C", "account": "A"},
		"want": "profile_not_delegated",
	},
	"no permission set": {"action": "manage_user.assign_role", "target": target({}), "want": "profile_not_delegated"},
}

test_delegation[name] if {
	some name, case in delegation
	why(managed(delegate, case.action, case.target), portal) == case.want
	why(managed(user, case.action, case.target), portal) == "not_administrator"
}

test_delegated_new_user if {
	question := managed(delegate, "manage_user.create", {"type": "contact", "id": "C", "account": "A"})
	why(object.union(question, {"resource": {"properties": {"profile": "P"}}}), portal) == "granted"
	why(object.union(question, {"resource": {"properties": {"profile": "Q"}}}), portal) == "profile_not_delegated"
}

test_delegated_permission_set if {
	question := managed(delegate, "manage_user.assign_role", target({}))
	why(object.union(question, {"action": {"properties": {"role": "S"}}}), portal) == "granted"
	why(object.union(question, {"action": {"properties": {"role": "P"}}}), portal) == "profile_not_delegated"
}
