package presets.zoho_desk

import data.lib.administration

# METADATA
# title: What follows from a change
# description: A first ticket invites its contact, and an invitation is a user who is not active yet, and a mail.
# entrypoint: true
provisioning := {"tasks": tasks}

# METADATA
# title: Invitation after the first ticket
# custom: {id: auto_invite}
tasks contains {
	"id": "invite",
	"kind": "create",
	"entity": sprintf("user/%s", [input.contact.id]),
	"set": object.union(
		{"login": administration.address, "active": false, "contact": input.contact.id},
		{"account": account | account := input.contact.account},
	),
} if {
	input.entity.of == "ticket"
	input.operation == "create"
	data.portal.settings.auto_invite == true
	count(input.users) == 0
}

# METADATA
# title: Mail to who is invited
# custom: {id: invitation_mail}
tasks contains {
	"id": "mail",
	"kind": "mail",
	"template": "invitation",
	"to": administration.address,
} if {
	end_user_created
	not input.new.active == true
	not input.context.sign_up == true
}
