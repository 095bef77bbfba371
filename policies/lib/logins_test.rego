package lib.logins_test

import data.lib.logins

# A question by an active user with a mail address of its own, with some members changed.
asked(changes) := {
	"subject": {"type": "user", "id": "u"},
	"user": object.union({"id": "u", "login": "una@north.example", "active": true, "same_login": 0}, changes),
}

stranger := {"subject": {"type": "user", "id": "u", "properties": {"active": true, "login": "una@north.example"}}}

visitor := {"subject": {"type": "anonymous", "id": "visitor"}}

let_in := {"open": true, "open_by_mail": true, "mail_refusal": ""}

# Closed to everybody, or to whom the portal does not know as active.
shut := {"open": false, "open_by_mail": false, "mail_refusal": ""}

# Who has no login has no mail address either.
nobody := {"open": false, "open_by_mail": false, "mail_refusal": "no_email"}

# Only where users log in by mail address.
by_mail(reason) := {"open": true, "open_by_mail": false, "mail_refusal": reason}

without(question, member) := json.remove(question, [member])

cases := {
	"all is well": {"question": asked({}), "want": let_in},
	"nobody": {"question": visitor, "want": nobody},
	"unknown, whatever the caller says": {"question": stranger, "want": nobody},
	"inactive": {"question": asked({"active": false}), "want": shut},
	"of no known state": {"question": without(asked({}), "user/active"), "want": shut},
	"no login": {"question": without(asked({}), "user/login"), "want": by_mail("no_email")},
	"an empty one": {"question": asked({"login": ""}), "want": by_mail("no_email")},
	"blanks": {"question": asked({"login": "  "}), "want": by_mail("no_email")},
	"a name": {"question": asked({"login": "una"}), "want": by_mail("no_email")},
	"no name": {"question": asked({"login": "@north.example"}), "want": by_mail("no_email")},
	"no host": {"question": asked({"login": "una@"}), "want": by_mail("no_email")},
	"two addresses": {"question": asked({"login": "una@a.example, ulf@b.example"}), "want": by_mail("no_email")},
	"outer blanks": {"question": asked({"login": " una@north.example "}), "want": let_in},
	"another has the login": {"question": asked({"same_login": 1}), "want": by_mail("login_not_unique")},
	"two others have": {"question": asked({"same_login": 2}), "want": by_mail("login_not_unique")},
	"not counted": {"question": without(asked({}), "user/same_login"), "want": by_mail("login_not_unique")},
}

got(question, settings) := object.union({"open": false, "open_by_mail": false, "mail_refusal": ""}, said) if {
	package_says := logins with input as question with data.portal.settings as settings
	said := object.filter(package_says, ["open", "open_by_mail", "mail_refusal"])
}

test_logins[name] if {
	some name, case in cases
	got(case.question, {"login_enabled": true}) == case.want
}

# A portal lets users in when it says so, in this one way.
test_portal_off[name] if {
	some name, settings in {
		"switched off": {"login_enabled": false},
		"unsaid": {},
		"a word": {"login_enabled": "true"},
		"null": {"login_enabled": null},
	}
	got(asked({}), settings) == shut
}

# The reason is given whether the portal is open or not.
test_mail_refusal_of_closed_portal if {
	got(visitor, {}) == nobody
	got(asked({"active": false, "same_login": 1}), {}) == object.union(shut, {"mail_refusal": "login_not_unique"})
	got(asked({"login": "una", "same_login": 1}), {"login_enabled": true}) == by_mail("no_email")
}

# Nothing at all is known: nobody gets in.
test_nothing_known if got({}, {}) == nobody
