package presets.acumatica

import data.lib.calls
import data.lib.levels
import data.lib.publishing

# METADATA
# title: Administration calls
# description: |
#   Staff with the role Portal Admin or Administrator administer everything; a
#   customer's own administrator the users of managed types, the contacts and the
#   profile of the own account, as far as the forms in the portal let it. Everyone
#   who may submit a case may have it written.
call := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "deny", "reason": "acting_unsupported"} if input.context.actor

else := document if {
	input.resource.type == "right"
	input.action.name == "admin:read"
	document := right_shown
}

else := document if {
	document := publishing.refused
	administers
}

else := document if document := called

else := document if document := administered

else := document if {
	input.user.active == true
	not input.screen.features_off[0]
	document := delegated
}

else := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "user_unknown"} if not input.user.id

else := {"outcome": "deny", "reason": "other_account"} if {
	input.resource.type in {"user", "contact", "case"}
	not calls.own_account
	levels.screen > 0
}

else := {"outcome": "deny", "reason": "type_not_managed"} if {
	input.resource.type == "user"
	not calls.managed_type
	levels.screen > 0
}

else := {"outcome": "deny", "reason": "not_administrator"}

# METADATA
# description: The call is made by one who administers everything, the policy included.
administers if called

administers if administered

# METADATA
# title: Calls of programs and of the command line
# custom: {id: caller_call, reason: caller}
called := {"outcome": "allow", "reason": "caller"} if calls.by_caller

# METADATA
# title: Calls of administrators
# description: They are active staff with one of two roles. Nobody else is one by holding the role.
# custom: {id: administrator_call, reason: administrator}
administered := {"outcome": "allow", "reason": "administrator"} if {
	input.user.active == true
	data.portal.user_types[input.user.user_type].linked == "employee"
	some role in ["Portal Admin", "Administrator"]
	role in input.user.effective_roles
}

# METADATA
# title: Different levels below a workspace
# description: What is shown for a workspace comes from its forms, wherever else they are shown.
# custom: {id: levels_differ, reason: multiple_rights}
right_shown := {"outcome": "allow", "reason": "multiple_rights"} if {
	administers
	count(levels_below) > 1
}

# METADATA
# title: One level
# custom: {id: one_level, reason: one_level}
right_shown := {"outcome": "allow", "reason": "one_level", "level": level_shown} if {
	administers
	count(levels_below) < 2
}

# METADATA
# description: The level of all forms of a workspace, and of any other node its own.
level_shown := own_level if count(levels_below) == 0

level_shown := level_below if {
	some level_below in levels_below
	level_below >= 0
}

own_level := input.levels[input.node.id][input.target.of]

# METADATA
# description: The levels of the role at the forms of the workspace. At a form where it has none it is `unset`.
levels_below contains object.get(input.levels, [node.id, input.target.of], unset) if {
	input.node.kind == "workspace"
	some node in input.node.below
	node.kind == "screen"
}

# METADATA
# description: Not set is revoked, but up to 2023 R2 it is no level at all.
unset := -1 if data.portal.settings.rights_generation == "2023r2"

else := 0

# METADATA
# title: Users managed by call
# description: It takes the same two keys as in the portal, and gives no user another account or type.
# custom: {id: managed_user_call, reason: delegated}
delegated := {"outcome": "allow", "reason": "delegated"} if {
	input.resource.type == "user"
	levels.screen >= 3
	calls.managed_type
	calls.own_account
	not reserved
}

# METADATA
# title: Contacts of the own business account by call
# custom: {id: own_contact_call, reason: delegated}
delegated := {"outcome": "allow", "reason": "delegated"} if {
	input.resource.type == "contact"
	levels.screen >= {"admin:read": 1, "admin:update": 2, "admin:create": 3, "admin:delete": 5}[input.action.name]
	calls.own_account
	not reserved
}

# METADATA
# title: The own business account by call
# description: Its name and what else is in its profile; who owns it, and what it hangs below, is for staff.
# custom: {id: own_profile_call, reason: delegated}
delegated := {"outcome": "allow", "reason": "delegated"} if {
	input.resource.type == "account"
	levels.screen >= {"admin:read": 1, "admin:update": 2}[input.action.name]
	input.target.before.id == input.user.account
	count(calls.changed - {"name", "attributes"}) == 0
	not reserved
}

# METADATA
# title: Cases submitted by call
# description: A new case is the user's own, with nothing that staff say of a case.
# custom: {id: new_case_call, reason: delegated}
delegated := {"outcome": "allow", "reason": "delegated"} if {
	input.resource.type == "case"
	input.action.name == "admin:create"
	levels.screen >= 3
	calls.own_account
	input.target.after.contact == input.user.contact
	count(calls.changed - {"type", "id", "account", "contact", "flags", "properties"}) == 0
	not reserved
}

# METADATA
# description: Something is to be changed that staff say - flags, and restriction groups.
reserved if calls.alters(["flags"], {})

reserved if calls.alters(["attributes", "restriction_groups"], null)

reserved if calls.alters(["properties", "restriction_groups"], null)
