# METADATA
# title: CRM-service Self-Service Portal
# description: |
#   One profile says which modules and fields a portal user sees; records are those
#   linked to the user's contact or company; workflows in the CRM give and take
#   access. `README.md` beside this file names the rows that each rule reproduces.
# related_resources:
# - description: Managing Portal Users
#   ref: https://resources.crmservice.com/en/guide/managing-portal-users/
# - description: Self-Service Portal
#   ref: https://resources.crmservice.com/en/guide/self-service-portal/
# - description: Portal settings (in Finnish)
#   ref: https://resources.crmservice.com/fi/guide/portaalien-asetukset/
# - description: Managing Workflows
#   ref: https://resources.crmservice.com/en/guide/workflows/
package presets.crm_service

import data.lib.fields
import data.lib.levels
import data.lib.logins

# METADATA
# title: The decision
# description: |
#   The first that holds. Only `granted`, for a portal user who may log in, and
#   `card`, for a user of the CRM, let anyone do anything; what follows them only
#   says why not.
# entrypoint: true
# custom:
#   reasons:
#     granted: The profile shows the module and the field, and the record is in scope.
#     contact_card: A user of the CRM who reads a contact manages its portal access.
#     login_required: Nobody is logged in.
#     user_unknown: The portal has no such user.
#     user_inactive: The user is deactivated.
#     login_disabled: The portal is not active.
#     no_email: The user has no mail address to log in by.
#     login_not_unique: Another active user has the same mail address.
#     acting_unsupported: This portal lets nobody act as somebody else.
#     feature_off: A feature that the module belongs to is switched off.
#     not_portal_user: A portal user is the login of a contact, of a type of such, and this one is not.
#     crm_user: Users of the CRM manage portal access, and do nothing in the portal.
#     crm_only: Portal access is managed in the CRM alone.
#     contact_not_readable: The user of the CRM cannot read contacts.
#     target_unknown: There is no such portal user, or no such contact to give access to.
#     action_unknown: Nothing of this type knows the action.
#     portal_unknown: The login is to another portal.
#     screen_unknown: The portal has no such module or field, or shows such resources nowhere.
#     not_one_profile: The user has no profile, or more than one.
#     module_not_shown: The profile does not show the module.
#     level_too_low: The profile shows the module, but lets nobody add to it.
#     field_not_shown: The profile does not show the field.
#     field_read_only: The profile shows the field, but not for editing.
#     no_field_editable: No field of the module may be edited.
#     record_unknown: The portal has no such record.
#     record_exists: A record with this id exists already.
#     not_admin: Contacts of the company are for those with the admin flag.
#     admin_edit_off: The portal does not let its admins edit the contacts of their company.
#     other_account: The record belongs to another company, or to none.
#     other_contact: The record belongs to a colleague, and the module shows own ones only.
#     caller: No user stands behind the administration call, which the operator lets the caller make.
#     administrator: Users of the CRM with the role crm-admin administer the portal.
#     crm_right: The user's right to the module in the CRM reaches that far.
#     not_administrator: The user makes no such administration call.
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

else := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "deny", "reason": "acting_unsupported"} if input.context.actor

else := {"outcome": "deny", "reason": "feature_off"} if input.screen.features_off[0]

else := document if {
	input.user.active == true
	entrant
	document := granted
}

else := document if {
	input.user.active == true
	input.resource.type == "user"
	document := card
}

else := entry_refusal if not entrant

else := {"outcome": "deny", "reason": "crm_only"} if {
	input.resource.type == "user"
	knows.user[input.action.name]
}

else := {"outcome": "deny", "reason": "portal_unknown"} if {
	input.resource.type == "portal"
	knows.portal[input.action.name]
}

else := field_refusal if {
	input.resource.type == "element"
	knows.element[input.action.name]
	module >= 1
}

else := new_record_refusal if {
	input.action.name == "create"
	knows[input.resource.type].create
	module >= 1
}

else := record_refusal if {
	knows[input.resource.type][input.action.name]
	module >= 1
}

else := {"outcome": "deny", "reason": "action_unknown"} if not knows[input.resource.type][input.action.name]

else := {"outcome": "deny", "reason": "screen_unknown"} if not input.screen.id

else := {"outcome": "deny", "reason": "not_one_profile"} if not profile

else := {"outcome": "hide", "reason": "module_not_shown"}

# METADATA
# description: Why somebody does nothing in the portal at all.
entry_refusal := card_refusal if data.portal.user_types[input.user.user_type].linked == "employee"

else := {"outcome": "deny", "reason": "user_unknown"} if not input.user.active

else := {"outcome": "deny", "reason": "login_disabled"} if not logins.open

else := {"outcome": "deny", "reason": reason} if reason := logins.mail_refusal

else := {"outcome": "deny", "reason": "not_portal_user"}

# METADATA
# description: Why a user of the CRM may not do it.
card_refusal := {"outcome": "deny", "reason": "crm_user"} if input.resource.type != "user"

else := {"outcome": "deny", "reason": "action_unknown"} if not knows.user[input.action.name]

else := {"outcome": "deny", "reason": "target_unknown"} if not target

else := {"outcome": "deny", "reason": "contact_not_readable"}

# METADATA
# description: Why a field of a module that is shown is out of reach.
field_refusal := {"outcome": "deny", "reason": "field_read_only", "level": 1} if {
	input.rights[input.screen.id][profile] == 1
}

else := {"outcome": "hide", "reason": "field_not_shown"}

# METADATA
# description: Why nothing may be added to a module that is shown.
new_record_refusal := {"outcome": "deny", "reason": "record_exists"} if input.record.id

else := {"outcome": "deny", "reason": "not_admin"} if {
	input.resource.type == "contact"
	not input.user.flags.admin
}

else := {"outcome": "deny", "reason": "level_too_low", "level": module} if {
	input.resource.type == "case"
	module < 3
}

else := {"outcome": "deny", "reason": "other_account"} if not own_account

else := {"outcome": "deny", "reason": "other_contact"}

# METADATA
# description: Why a record of a module that is shown is out of reach.
record_refusal := {"outcome": "deny", "reason": "record_unknown"} if not input.record.id

else := {"outcome": "deny", "reason": "no_field_editable"} if linked

else := {"outcome": "deny", "reason": "other_account"} if not input.record.account == input.user.account

else := {"outcome": "deny", "reason": "not_admin"} if {
	input.resource.type == "contact"
	not input.user.flags.admin
}

else := {"outcome": "deny", "reason": "admin_edit_off"} if {
	input.resource.type == "contact"
	not data.portal.settings.admin_edits_contacts == true
}

else := {"outcome": "deny", "reason": "no_field_editable"} if input.resource.type == "contact"

else := {"outcome": "deny", "reason": "other_contact"}

# METADATA
# description: What each type of resource knows; whatever else is asked of it is unknown.
knows := {
	"portal": {"login"},
	"screen": {"view", "list"},
	"element": {"view", "edit"},
	"contact": {"view", "list", "edit", "create"},
	"account": {"view", "list", "edit"},
	"case": {"view", "list", "edit", "create"},
	"invitation_event": {"view", "list", "edit"},
	"invoice": {"view", "list", "edit"},
	"potential": {"view", "list", "edit"},
	"price_book": {"view", "list", "edit"},
	"product": {"view", "list", "edit"},
	"sales_order": {"view", "list", "edit"},
	"user": {"manage_user.create", "manage_user.edit", "manage_user.disable", "manage_user.assign_role"},
}

# METADATA
# title: Logging in
# description: It takes a contact and a mail address of one's own, but no profile.
# custom: {id: login, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "portal"
	input.action.name == "login"
	input.resource.id == input.portal
}

# METADATA
# title: Modules
# custom: {id: module_shown, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": module} if {
	input.resource.type == "screen"
	input.action.name in {"view", "list"}
	module >= 1
}

# METADATA
# title: Fields
# description: A field that the profile does not name is closed, whatever the module's level.
# custom: {id: field_shown, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": level} if {
	input.resource.type == "element"
	module >= 1
	level := input.rights[input.screen.id][profile]
	level >= {"view": 1, "edit": 2}[input.action.name]
}

# METADATA
# title: Records in scope
# description: What may be done with each field of them comes along.
# custom: {id: linked_record, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": module, "fields": fields.mask} if {
	input.resource.type in {
		"contact", "account", "case", "invitation_event", "invoice",
		"potential", "price_book", "product", "sales_order",
	}
	input.action.name in {"view", "list"}
	module >= 1
	linked
}

# METADATA
# title: Editing a record in scope
# description: It takes a field that the profile lets edit.
# custom: {id: linked_record_edit, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": module, "fields": fields.mask} if {
	input.resource.type in {
		"contact", "account", "case", "invitation_event", "invoice",
		"potential", "price_book", "product", "sales_order",
	}
	input.action.name == "edit"
	module >= 1
	linked
	editable
}

# METADATA
# title: A new support request
# description: It is the user's own, whatever the caller says.
# custom: {id: new_case, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": module, "fields": fields.mask} if {
	input.resource.type == "case"
	input.action.name == "create"
	module >= 3
	not input.record.id
	own_account
	own_contact
}

# METADATA
# title: Contacts of the own company
# description: The admin flag shows them.
# custom: {id: company_contact, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": module, "fields": contact_fields} if {
	input.resource.type == "contact"
	input.action.name in {"view", "list"}
	input.user.flags.admin == true
	module >= 1
	input.record.account == input.user.account
	input.record.contact != input.user.contact
}

# METADATA
# title: Editing a contact of the own company
# description: The portal decides whether the admin flag reaches that far.
# custom: {id: company_contact_edit, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": module, "fields": fields.mask} if {
	input.resource.type == "contact"
	input.action.name == "edit"
	input.user.flags.admin == true
	data.portal.settings.admin_edits_contacts == true
	module >= 1
	input.record.account == input.user.account
	editable
}

# METADATA
# title: A new contact of the own company
# description: It gives nobody access to the portal.
# custom: {id: new_contact, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": module, "fields": fields.mask} if {
	input.resource.type == "contact"
	input.action.name == "create"
	input.user.flags.admin == true
	module >= 1
	not input.record.id
	own_account
}

# METADATA
# title: The element on the contact card
# description: |
#   To read contacts is enough to give and take their portal access. What a look at
#   the rights or the workflows would tell the user of the CRM comes along as a
#   warning.
# custom: {id: contact_card, reason: contact_card}
card := {"outcome": "allow", "reason": "contact_card", "level": levels.node, "obligations": warnings} if {
	input.resource.type == "user"
	data.portal.user_types[input.user.user_type].linked == "employee"
	levels.node >= 1
	target
}

# METADATA
# description: The contact that is to have access, or the portal user that has.
target if {
	input.action.name == "manage_user.create"
	input.target.type == "contact"
}

target if {
	input.action.name in {"manage_user.edit", "manage_user.disable", "manage_user.assign_role"}
	input.target.type == "user"
	input.target.contact
}

warnings := [{"id": "warn", "about": about} |
	some about in ["read_is_enough", "block_does_not_last"]
	warned[about]
]

warned["read_is_enough"] if levels.node == 1

# A workflow that switches access on at every save undoes a block by hand.
warned["block_does_not_last"] if {
	input.action.name == "manage_user.disable"
	some workflow in data.portal.settings.workflows
	workflow.mode == "every_save"
	some task in workflow.tasks
	task.kind == "add_or_update_portal_user"
	task.active == true
	task.access.active == true
}

# METADATA
# description: A portal user, the login of a contact, who may log in.
entrant if {
	input.user.contact
	data.portal.user_types[input.user.user_type].linked == "contact"
	logins.open_by_mail
}

# METADATA
# description: |
#   The one role of the user. Undefined where there is none, and where there are
#   two, by grant or by inheritance: profiles do not add up.
profile := input.user.effective_roles[0] if count(input.user.effective_roles) == 1

# METADATA
# description: The profile's level at the module asked about, or on which the record is shown.
module := input.rights[input.screen.screen_id][profile]

# METADATA
# description: The profile lets a field of the module be edited.
editable if {
	some held in input.fields
	held[profile] >= 2
}

# METADATA
# description: |
#   The record is linked to the user's contact, and then to no other company than
#   the user's; or to the user's company, where the module's scope is that wide.
linked if {
	input.record.contact == input.user.contact
	input.record.account == input.user.account
}

linked if {
	input.record.contact == input.user.contact
	not input.record.account
}

linked if {
	input.resource.type != "contact"
	data.portal.settings.scope[input.screen.screen_id] == "account"
	input.record.account == input.user.account
}

contact_fields := fields.mask if data.portal.settings.admin_edits_contacts == true

else := fields.readable

# METADATA
# description: What the caller says of the company of a new record is left out, or is the user's own.
own_account if object.get(input.resource.properties, "account", input.user.account) == input.user.account

own_contact if object.get(input.resource.properties, "contact", input.user.contact) == input.user.contact
