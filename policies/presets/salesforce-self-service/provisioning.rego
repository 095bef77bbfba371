package presets.salesforce_self_service

import data.lib.administration

# METADATA
# title: What follows from a change
# description: |
#   Credentials are mailed when the box for it is ticked, and users follow their
#   contact to another account. A setting that changes leaves stored cases alone.
# entrypoint: true
provisioning := {"tasks": tasks}

# METADATA
# title: Generate new password and notify user immediately
# custom: {id: credentials}
tasks contains {
	"id": "credentials",
	"kind": "mail",
	"template": "self_service_credentials",
	"to": administration.address,
} if {
	input.new.user_type == "Self-Service User"
	input.new.active == true
	input.context.mail_credentials == true
}

# METADATA
# title: A contact moves to another account
# custom: {id: follow_contact}
tasks contains {
	"id": sprintf("follow %s", [user.id]),
	"kind": "update",
	"entity": sprintf("user/%s", [user.id]),
	"set": {"account": input.new.account},
} if {
	input.entity.kind == "contact"
	some user in input.users
	user.user_type == "Self-Service User"
	user.account != input.new.account
}

# METADATA
# title: A contact leaves its account
# description: Without an account there is no Self-Service, and no account is left to be the user's.
# custom: {id: deactivate_without_account}
tasks contains {
	"id": sprintf("deactivate %s", [user.id]),
	"kind": "update",
	"entity": sprintf("user/%s", [user.id]),
	"set": {"active": false, "account": null},
} if {
	input.entity.kind == "contact"
	input.operation == "update"
	not input.new.account
	some user in input.users
	user.user_type == "Self-Service User"
	left_behind(user)
}

left_behind(user) if user.active == true

left_behind(user) if user.account
