package presets.salesforce_portal

import data.lib.administration

# METADATA
# title: What a write brings about
# description: |
#   A new portal user is welcomed by mail, and the first one with a role makes the
#   roles of the account. Nothing else follows from a write: roles that an account
#   has stay as they are when the portal's settings change.
# entrypoint: true
provisioning := {"tasks": tasks}

# METADATA
# title: Welcome mail
# custom: {id: welcome}
tasks contains {"id": "welcome", "kind": "mail", "template": "welcome", "to": administration.address} if {
	input.operation == "create"
	enabling
	input.new.active
}

# METADATA
# title: Roles of the account
# description: The lowest levels, as many as the portal has per account, named after it.
# custom: {id: account_roles}
tasks contains {
	"id": "account_roles",
	"kind": "update",
	"entity": concat("/", ["account", input.account.id]),
	"set": {"attributes": {"owner_role": owner_role, "positions": titles}},
} if {
	enabling
	roles_to_make > 0
}

titles := [title |
	some place in ["User", "Manager", "Executive"]
	ranks[place] <= levels
	title := concat(" ", [input.account.name, kinds[new_licence.attributes.portal], place])
]

kinds := {"customer": "Customer", "partner": "Partner"}
