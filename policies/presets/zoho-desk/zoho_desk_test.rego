package presets.zoho_desk_test

import data.presets.zoho_desk

open_portal := {
	"settings": {
		"access": "all_customers", "sign_in_to_submit": false, "contacts_see_account_tickets": true,
		"self_signup": true, "signup_moderation": false, "registered_articles": "challenge",
	},
	"features": {"submit_tab": true, "submit_widget": true, "forums": true, "forums_visible": true},
	"user_types": {"Agent": {"linked": "employee"}, "End User": {"linked": "contact"}},
}

closed_portal := object.union(open_portal, {"settings": {"access": "registered_only"}})

# The same portal with some settings replaced, or features.
with_settings(settings) := object.union(open_portal, {"settings": settings})

with_features(features) := object.union(open_portal, {"features": features})

customer := {"id": "ida", "active": true, "user_type": "End User", "account": "A", "contact": "C", "effective_roles": []}

agent := {"id": "leo", "active": true, "user_type": "Agent", "effective_roles": ["Support Channels"]}

anyone(action, type, id, facts) := object.union(
	{
		"portal": "p",
		"action": {"name": action, "properties": {}},
		"resource": {"type": type, "id": id, "properties": {}},
		"context": {},
	},
	facts,
)

visit(action, type, id, facts) := object.union(anyone(action, type, id, facts), {"subject": {"type": "anonymous", "id": "v"}})

ask(action, type, id, facts) := object.union(anyone(action, type, id, {"subject": {"type": "user", "id": "ida"}, "user": customer}), facts)

by_agent(action, type, id, facts) := object.union(anyone(action, type, id, {"subject": {"type": "user", "id": "leo"}, "user": agent}), facts)

decide(question, portal) := decision if {
	decision := zoho_desk.decision with input as question
		with data.portal as portal
}

# outcome is the outcome and the reason, and the reason alone goes without saying when it is granted.
answer(question, portal) := text if {
	d := decide(question, portal)
	text := sprintf("%s %s", [d.outcome, d.reason])
}

ok := "allow granted"

log_in := "challenge login_required"

holds(case) if answer(case.question, object.get(case, "portal", open_portal)) == case.want

test_portal[name] if {
	some name, case in {
		"a visitor enters": {"question": visit("view", "portal", "p", {}), "want": ok},
		"not where customers register": {"question": visit("view", "portal", "p", {}), "portal": closed_portal, "want": log_in},
		"nor where nothing is set": {"question": visit("view", "portal", "p", {}), "portal": {}, "want": log_in},
		"a customer enters": {"question": ask("view", "portal", "p", {}), "portal": closed_portal, "want": ok},
		"a customer logs in": {"question": ask("login", "portal", "p", {}), "portal": {}, "want": ok},
		"another portal": {"question": ask("view", "portal", "q", {}), "want": "deny portal_unknown"},
		"who left does not": {
			"question": ask("login", "portal", "p", {"user": {"active": false}}),
			"want": "deny user_inactive",
		},
		"nobody does": {"question": anyone("view", "portal", "p", {"subject": {"type": "user", "id": "x"}}), "want": "deny user_unknown"},
		"a service neither": {"question": anyone("view", "portal", "p", {"subject": {"type": "service", "id": "x"}}), "want": "deny user_unknown"},
		"an administrator configures": {"question": by_agent("configure", "portal", "p", {}), "want": ok},
		"a customer does not": {
			"question": ask("configure", "portal", "p", {"user": {"effective_roles": ["Support Channels"]}}),
			"want": "deny not_administrator",
		},
		"an agent without the role": {
			"question": by_agent("configure", "portal", "p", {"user": {"effective_roles": []}}),
			"want": "deny not_administrator",
		},
		"a visitor logs in to configure": {"question": visit("configure", "portal", "p", {}), "want": log_in},
		"a customer signs up": {"question": ask("sign_up", "portal", "p", {}), "want": "deny sign_up_off"},
		"a visitor where nobody may": {
			"question": visit("sign_up", "portal", "p", {}),
			"portal": with_settings({"self_signup": false}),
			"want": "deny sign_up_off",
		},
		"for somebody else": {"question": ask("view", "portal", "p", {"context": {"actor": "leo"}}), "want": "deny acting_unsupported"},
		"what nobody knows": {"question": ask("fly", "portal", "p", {}), "want": "deny action_unknown"},
	}
	holds(case)
}

test_moderation[name] if {
	some name, case in {
		"off": {"settings": {"signup_moderation": false}, "want": []},
		"on": {"settings": {"signup_moderation": true}, "want": [{"id": "await_moderation"}]},
		"unclear": {"settings": {"signup_moderation": "no"}, "want": [{"id": "await_moderation"}]},
	}
	decide(visit("sign_up", "portal", "p", {}), with_settings(case.settings)).obligations == case.want
}

node(flags, off) := {"screen": {"id": "n", "kind": "screen", "flags": flags, "features_off": off}}

later := with_settings({"sign_in_to_submit": true, "sign_in_at": "submit"})

first := with_settings({"sign_in_to_submit": true})

test_nodes[name] if {
	some name, case in {
		"shown to visitors": {"question": visit("view", "screen", "n", node({"personal": true, "form": true}, [])), "portal": first, "want": ok},
		"not before the login": {"question": visit("view", "screen", "n", node({}, [])), "portal": closed_portal, "want": log_in},
		"switched off": {"question": visit("view", "element", "n", node({}, ["x"])), "want": "hide feature_off"},
		"off for customers": {"question": ask("open", "element", "n", node({}, ["x"])), "want": "hide feature_off"},
		"hidden": {"question": ask("view", "element", "n", node({"hidden": true}, [])), "want": "hide not_shown"},
		"hidden and opened": {"question": ask("open", "element", "n", node({"hidden": true}, [])), "want": "hide not_shown"},
		"hidden from visitors": {"question": visit("open", "element", "n", node({"hidden": true}, [])), "want": "hide not_shown"},
		"gone": {"question": ask("view", "screen", "n", {}), "want": "deny screen_unknown"},
		"opened": {"question": ask("open", "screen", "n", node({"personal": true, "form": true}, [])), "portal": first, "want": ok},
		"opened by visitors": {"question": visit("open", "screen", "n", node({"form": true}, [])), "want": ok},
		"own tickets": {"question": visit("open", "screen", "n", node({"personal": true}, [])), "want": log_in},
		"login at the form": {"question": visit("open", "screen", "n", node({"form": true}, [])), "portal": first, "want": log_in},
		"login afterwards": {"question": visit("open", "screen", "n", node({"form": true}, [])), "portal": later, "want": ok},
		"edited": {"question": ask("edit", "screen", "n", node({}, [])), "want": "deny action_unknown"},
	}
	holds(case)
}

own := {"record": {"type": "ticket", "id": "T", "contact": "C", "account": "A"}}

colleagues := {"record": {"type": "ticket", "id": "T", "contact": "D", "account": "A"}}

others := {"record": {"type": "ticket", "id": "T", "contact": "D", "account": "B"}}

alone := with_settings({"contacts_see_account_tickets": false})

test_tickets[sprintf("%s %s", [name, action])] if {
	some action in ["view", "list", "track", "reply"]
	some name, case in {
		"own": {"question": ask(action, "ticket", "T", own), "portal": alone, "want": ok},
		"a colleague's": {"question": ask(action, "ticket", "T", colleagues), "want": ok},
		"a colleague's, alone": {"question": ask(action, "ticket", "T", colleagues), "portal": alone, "want": "deny account_tickets_off"},
		"another account's": {"question": ask(action, "ticket", "T", others), "want": "deny other_account"},
		"a visitor": {"question": visit(action, "ticket", "T", own), "want": log_in},
		"gone": {"question": ask(action, "ticket", "T", {}), "want": "deny record_unknown"},
		"nobody's, asked by nobody": {
			"question": object.union(by_agent(action, "ticket", "T", {}), {"record": {"type": "ticket", "id": "T"}}),
			"want": "deny other_account",
		},
	}
	holds(case)
}

claiming(contact) := {"resource": {"type": "ticket", "id": "T", "properties": {"contact": contact}}}

shut := with_features({"submit_tab": false, "submit_widget": false})

test_submission[name] if {
	some name, case in {
		"by a customer": {"question": ask("submit", "ticket", "T", {}), "portal": closed_portal, "want": ok},
		"by a visitor": {"question": visit("create", "ticket", "T", {}), "want": ok},
		"after the login": {"question": visit("submit", "ticket", "T", {}), "portal": first, "want": log_in},
		"by the widget": {"question": visit("submit", "ticket", "T", {}), "portal": with_features({"submit_tab": false}), "want": ok},
		"by neither": {"question": ask("submit", "ticket", "T", {}), "portal": shut, "want": "deny submit_off"},
		"in the own name": {"question": ask("submit", "ticket", "T", claiming("C")), "want": ok},
		"in another's": {"question": ask("submit", "ticket", "T", claiming("D")), "want": "deny other_contact"},
		"in no name of one's own": {"question": by_agent("submit", "ticket", "T", {}), "want": "deny other_contact"},
		"by a visitor in another's": {"question": visit("submit", "ticket", "T", claiming("D")), "want": "deny other_contact"},
		"once more": {"question": ask("submit", "ticket", "T", own), "want": "deny record_exists"},
		"for a department": {"question": ask("submit", "department", "D", {"record": {"id": "D", "flags": {"public": true}}}), "want": ok},
		"for a private one": {"question": ask("submit", "department", "D", {"record": {"id": "D", "flags": {}}}), "want": "hide department_private"},
	}
	holds(case)
}

article(audience, visible) := {
	"record": {"id": "K", "properties": {"audience": audience}},
	"parent": {"id": "S", "flags": {"visible": visible}},
}

silent := with_settings({"registered_articles": "hide"})

test_articles[name] if {
	some name, case in {
		"everyone": {"question": visit("view", "article", "K", article("everyone", true)), "want": ok},
		"registered": {"question": ask("list", "article", "K", article("registered", true)), "want": ok},
		"registered, a visitor": {"question": visit("view", "article", "K", article("registered", true)), "want": log_in},
		"registered, and not told": {"question": visit("view", "article", "K", article("registered", true)), "portal": silent, "want": "hide registered_only"},
		"agents": {"question": by_agent("view", "article", "K", article("agents", true)), "want": ok},
		"agents, a customer": {"question": ask("view", "article", "K", article("agents", true)), "want": "hide agents_only"},
		"nobody in particular": {"question": by_agent("view", "article", "K", article("", true)), "want": "hide agents_only"},
		"a section that is off": {"question": ask("view", "article", "K", article("everyone", false)), "want": "hide section_hidden"},
		"no section": {"question": ask("view", "article", "K", object.remove(article("everyone", true), ["parent"])), "want": "hide section_hidden"},
		"gone": {"question": visit("view", "article", "K", {}), "want": "deny record_unknown"},
	}
	holds(case)
}

test_knowledge_base_off[audience] if {
	some audience in ["everyone", "registered", "agents"]
	answer(by_agent("view", "article", "K", object.union(article(audience, true), node({}, ["kb"]))), open_portal) == "hide feature_off"
}

shelf(visible, parent) := {"record": {"id": "S", "flags": {"visible": visible}}, "parent": {"flags": {"visible": parent}}}

test_shelves[name] if {
	some name, case in {
		"a section": {"question": visit("view", "section", "S", shelf(true, true)), "want": ok},
		"one that is off": {"question": visit("view", "section", "S", shelf(false, true)), "want": "hide section_hidden"},
		"one of a category that is off": {"question": visit("view", "section", "S", shelf(true, false)), "want": "hide section_hidden"},
		"a category": {"question": visit("view", "category", "S", shelf(true, false)), "want": ok},
		"a category that is off": {"question": visit("view", "category", "S", shelf(false, true)), "want": "hide section_hidden"},
		"a topic": {"question": visit("view", "topic", "S", {"record": {"id": "S"}}), "want": ok},
		"forums not bought": {"question": ask("view", "topic", "S", {"record": {"id": "S"}}), "portal": with_features({"forums": false}), "want": "hide feature_off"},
		"forums not shown": {"question": ask("view", "topic", "S", {"record": {"id": "S"}}), "portal": with_features({"forums_visible": false}), "want": "hide feature_off"},
		"a topic that is gone": {"question": ask("view", "topic", "S", {}), "want": "deny record_unknown"},
		"a public department": {"question": visit("view", "department", "S", {"record": {"id": "S", "flags": {"public": true}}}), "want": ok},
		"a private one": {"question": ask("view", "department", "S", {"record": {"id": "S", "flags": {}}}), "want": "hide department_private"},
	}
	holds(case)
}
