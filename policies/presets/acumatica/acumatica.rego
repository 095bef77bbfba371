# METADATA
# title: Acumatica ERP Customer Self-Service Portal
# description: |
#   Roles give levels at screens; below a screen only explicit levels count;
#   records are those of the user's own business account. `README.md` beside this
#   file names the rows of the vendor's documents that each rule reproduces.
# related_resources:
# - description: Calculation of the restriction level for a user
#   ref: https://help.myob.com.au/advanced/Docs/Published/UserGuide/User_Roles_User_Access_Level_Calculation.html
package presets.acumatica

import data.lib.groups
import data.lib.levels

# METADATA
# title: The decision
# description: |
#   The first that holds. Nobody gets past the refusals before `granted`; only
#   `granted`, `administrator` and `error_display` let anyone do anything; and
#   what follows them only says why not. `== true`, and conditions that a
#   question may lack, let the evaluator pass over a branch without trying it.
# entrypoint: true
# custom:
#   reasons:
#     granted: The user's roles reach the level that the action needs, and the record is in scope.
#     administrator: The role Administrator is not restricted, and staff with it or with Portal Admin administer the portal.
#     validation_error: A closed field is shown because it carries a validation error.
#     login_required: Nobody is logged in.
#     user_unknown: The portal has no such user.
#     user_inactive: The user is deactivated.
#     acting_unsupported: This portal lets nobody act as somebody else.
#     screen_unknown: The portal has no such screen, or shows such resources nowhere.
#     action_unknown: Nothing of this type knows the action.
#     feature_off: A feature that the screen belongs to is switched off.
#     record_unknown: The portal has no such record.
#     record_exists: A record with this id exists already.
#     revoked: A role closes the screen or the element, and no other opens it.
#     not_in_menu: The screen is reached by its address, not from the menu or by search.
#     level_too_low: The user's roles reach only the level given.
#     class_internal: The class is for internal use and is not offered in the portal.
#     restriction_group: A restriction group keeps the record from the user.
#     other_account: The record or the user belongs to another business account.
#     case_submitted: A case that was submitted can be commented on, but no longer edited.
#     case_closed: The case is closed.
#     other_contact: Only who reported a case may close it.
#     target_unknown: The portal has no such user to manage, or no such contact to make one for.
#     user_exists: A user with this id exists already.
#     type_not_managed: The user's type does not manage users of that type.
#     not_granted: No role of the user has a level there.
#     caller: No user stands behind the administration call, which the operator lets the caller make.
#     one_level: The node has this level for the role, a workspace at all of its forms.
#     multiple_rights: The role has different levels at the forms of the workspace.
#     delegated: The user's roles and type reach the users, contacts and cases of the own account that far.
#     not_administrator: Only staff who administer the portal make this administration call.
#     own_revision: Whoever made a revision of the policy does not approve it.
#     approver_is_no_user: Only users approve a revision of the policy, and no program does.
#     publishing_settings: The portal's settings for publishing cannot be read.
#     not_checked: The revision of the policy has not passed a check.
#     not_previewed: Nobody has looked at whose access the revision of the policy changes.
#     locks_out: Nobody would be left to administer the policy.
#     preview_incomplete: The preview left something out.
#     too_many_lose: More users lose something than the portal's settings allow.
#     too_many_gain: More users gain something than the portal's settings allow.
#     no_cases: The revision of the policy changes somebody's access, and no case holds it.
#     approvals_missing: Fewer users than the portal's settings ask for have approved the revision of the policy.
decision := document if {
	input.action.name in {"admin:read", "admin:create", "admin:update", "admin:delete", "admin:approve", "admin:publish"}
	document := call
}

else := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "deny", "reason": "acting_unsupported"} if input.context.actor

else := {"outcome": "deny", "reason": "feature_off"} if input.screen.features_off[0]

else := document if {
	input.user.active == true
	document := granted
}

else := document if {
	input.user.active == true
	"Administrator" in input.user.effective_roles
	document := administrator
}

else := document if {
	input.user.active == true
	input.context.validation_error == true
	document := error_display
}

else := {"outcome": "hide", "reason": "not_in_menu", "level": level} if {
	input.resource.type in {"screen", "workspace"}
	input.action.name == "list"
	level >= need
}

else := management_refusal if {
	input.resource.type == "user"
	level >= need
}

else := record_refusal if {
	input.resource.type in {
		"account", "contact", "contract", "document", "case",
		"case_class", "contact_class", "account_class", "attribute",
	}
	record_reach
}

else := {"outcome": "deny", "reason": "level_too_low", "level": reached} if {
	input.user.active == true
	reached := too_low
}

else := {"outcome": "hide", "reason": "revoked", "level": 0} if {
	input.user.active == true
	hidden
}

else := {"outcome": "deny", "reason": "revoked", "level": 0} if {
	input.user.active == true
	level == 0
}

else := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "not_granted"} if {
	input.user.active == true
	askable
}

else := {"outcome": "deny", "reason": "user_unknown"} if not input.user.id

else := {"outcome": "deny", "reason": "screen_unknown"} if not input.screen.id

else := {"outcome": "deny", "reason": "action_unknown"}

# METADATA
# description: Why a user may not be managed although the screen of contacts is open enough.
management_refusal := {"outcome": "deny", "reason": "target_unknown"} if not input.target.id

else := {"outcome": "deny", "reason": "target_unknown"} if {
	input.action.name != "manage_user.create"
	input.target.type == "contact"
}

else := {"outcome": "deny", "reason": "user_exists"} if {
	input.action.name == "manage_user.create"
	input.target.type == "user"
}

else := {"outcome": "deny", "reason": "other_account"} if not input.target.account == input.user.account

else := {"outcome": "deny", "reason": "type_not_managed"}

# METADATA
# description: Why a record is out of reach although its screen is open enough.
record_refusal := {"outcome": "deny", "reason": "other_account"} if {
	input.action.name == "create"
	not input.record.id
}

else := {"outcome": "deny", "reason": "record_exists"} if input.action.name == "create"

else := {"outcome": "deny", "reason": "record_unknown"} if not input.record.id

else := {"outcome": "hide", "reason": "class_internal"} if input.record.flags.internal

else := {"outcome": "deny", "reason": "other_account"} if not input.record.account == input.user.account

else := {"outcome": "deny", "reason": "restriction_group"} if groups.closed

else := {"outcome": "deny", "reason": "case_submitted"} if input.action.name == "edit"

else := {"outcome": "deny", "reason": "case_closed"} if input.record.flags.closed

else := {"outcome": "deny", "reason": "other_contact"}

# METADATA
# description: |
#   The level that the roles reach at a node, where it lets them do what is asked. What depends
#   on no more than the words of the question and the roles at a node is evaluated once for
#   those, which is why it has rules of its own.
screen_reach := level if {
	input.action.name in {"view", "edit", "create", "publish", "delete"}
	level >= need
}

# METADATA
# description: The level at the screen of records, where it lets the roles do what is asked with a record in scope.
record_reach := levels.screen if levels.screen >= need

# METADATA
# description: A closed node is as if it were not there, unless it is unlisted. Records and users of a closed screen are not.
hidden if {
	input.resource.type in {"workspace", "screen", "container", "element"}
	level == 0
	not input.screen.flags.unlisted
}

# METADATA
# description: The node is there, and the resource knows the action.
askable if {
	input.screen.id
	need
}

# METADATA
# description: The level that the roles reach, where it is one and the action takes more.
too_low := level if {
	level < need
	level > 0
}

# METADATA
# description: |
#   The level that the action takes at the screen asked about, or at the one on
#   which such resources are shown. Undefined for an action that the resource
#   does not know.
need := 1 if {
	input.action.name == "view"
	input.resource.type in {
		"workspace", "screen", "container", "element", "account", "contact", "contract",
		"document", "case", "case_class", "contact_class", "account_class", "attribute",
	}
}

need := 1 if {
	input.action.name == "list"
	input.resource.type in {
		"workspace", "screen", "account", "contact", "contract", "document", "case",
		"case_class", "contact_class", "account_class", "attribute",
	}
}

need := 2 if {
	input.action.name == "edit"
	input.resource.type in {"screen", "container", "element", "account", "contact", "case"}
}

need := 2 if {
	input.action.name in {"comment", "attach", "close"}
	input.resource.type == "case"
}

need := 3 if {
	input.action.name == "create"
	input.resource.type in {"screen", "container", "contact", "case"}
}

need := 3 if {
	input.action.name in {
		"manage_user.create", "manage_user.edit", "manage_user.disable",
		"manage_user.delete", "manage_user.reset_password",
	}
	input.resource.type == "user"
}

need := 4 if {
	input.action.name == "publish"
	input.resource.type in {"screen", "container"}
}

need := 5 if {
	input.action.name == "delete"
	input.resource.type in {"screen", "container", "contact"}
}

# METADATA
# title: Rights at a screen
# description: The roles reach the level there. Being listed takes more.
# custom: {id: screen_right, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": reached} if {
	input.resource.type in {"workspace", "screen", "container", "element"}
	reached := screen_reach
}

# METADATA
# title: Menu and search
# description: A screen is found there unless it is unlisted or its workspace is closed.
# custom: {id: screen_listed, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": level} if {
	input.resource.type in {"workspace", "screen"}
	input.action.name == "list"
	level >= need
	not input.screen.flags.unlisted
	not levels.workspace == 0
}

# METADATA
# title: Records of the own business account
# description: Everyone at the account sees what anyone there reported or holds.
# custom: {id: account_record, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": reached} if {
	input.resource.type in {"account", "contact", "contract", "document"}
	input.action.name != "create"
	reached := record_reach
	input.record.account == input.user.account
	not groups.closed
}

# METADATA
# title: Cases of the own business account
# custom: {id: account_case, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": reached} if {
	input.resource.type == "case"
	input.action.name in {"view", "list"}
	input.record.account == input.user.account
	reached := record_reach
	not groups.closed
}

# METADATA
# title: Work on an open case
# description: Anyone at the account comments on an open case and attaches files to it.
# custom: {id: open_case, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": reached} if {
	input.resource.type == "case"
	input.action.name in {"comment", "attach"}
	reached := record_reach
	input.record.account == input.user.account
	not groups.closed
	not input.record.flags.closed
}

# METADATA
# title: Closing an own case
# description: Who reported a case closes it, and the portal records the reason.
# custom: {id: close_case, reason: granted}
granted := {
	"outcome": "allow",
	"reason": "granted",
	"level": reached,
	"obligations": [{"id": "set_case_reason", "value": "Closed on Portal"}],
} if {
	input.resource.type == "case"
	input.action.name == "close"
	reached := record_reach
	input.record.account == input.user.account
	input.record.contact == input.user.contact
	not groups.closed
	not input.record.flags.closed
}

# METADATA
# title: New records
# description: A new case or contact belongs to the user's own account, whatever the caller says.
# custom: {id: new_record, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": reached} if {
	input.resource.type in {"case", "contact"}
	input.action.name == "create"
	reached := record_reach
	not input.record.id
	object.get(input.resource.properties, "account", input.user.account) == input.user.account
}

# METADATA
# title: Classes offered in the portal
# custom: {id: public_class, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": reached} if {
	input.resource.type in {"case_class", "contact_class", "account_class", "attribute"}
	reached := record_reach
	input.record.id
	not input.record.flags.internal
}

# METADATA
# title: Delegated management of users
# description: |
#   It takes two keys: the right to insert on the screen of contacts, and a user
#   type that manages the other's. The other is at the user's own account.
# custom: {id: managed_user, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": level} if {
	input.resource.type == "user"
	level >= need
	target_type in input.user.manages
	input.target.account == input.user.account
}

# METADATA
# title: Administrator
# description: Restrictions do not apply to the role Administrator.
# custom: {id: administrator, reason: administrator}
administrator := {"outcome": "allow", "reason": "administrator", "level": 5} if {
	"Administrator" in input.user.effective_roles
	input.screen.id
	need
	known
}

# METADATA
# title: A closed field with a validation error
# description: It is shown with the error, so that the user can tell what is wrong.
# custom: {id: error_display, reason: validation_error}
error_display := {
	"outcome": "allow",
	"reason": "validation_error",
	"level": 0,
	"obligations": [{"id": "show_error_only"}],
} if {
	input.context.validation_error == true
	input.resource.type == "element"
	input.action.name == "view"
	level == 0
	levels.screen > 0
}

# METADATA
# description: |
#   The type that the managed user has, or is to have. A new user is made for a
#   stored contact, whose account counts, not for whatever the caller claims.
target_type := input.target.user_type if input.action.name != "manage_user.create"

target_type := input.resource.properties.user_type if {
	input.target.type == "contact"
	input.action.name == "manage_user.create"
}

# METADATA
# description: What the question is about exists, or is about to.
known if input.resource.type in {"workspace", "screen", "container", "element"}

known if input.record.id

known if input.target.id

known if input.action.name == "create"

# METADATA
# description: The level that the user's roles reach at the node asked about. Undefined where none has any.
level := levels.screen if input.screen.kind == "screen"

level := levels.node if input.screen.kind == "workspace"

level := nested_level if input.screen.kind in {"container", "element"}

# METADATA
# description: |
#   Below a screen only explicit levels count, and nothing there is reached while
#   the screen is closed.
nested_level := 0 if levels.screen == 0

nested_level := levels.screen if not levels.nearest

nested_level := levels.nearest if {
	levels.screen > 0
	not capped
}

nested_level := min([levels.nearest, levels.screen]) if capped

capped if data.portal.settings.nested_rights == "capped"
