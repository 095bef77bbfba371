# METADATA
# title: Salesforce Self-Service portal
# description: |
#   Users see the visible cases of their own contact, super users those of their
#   whole account, and comment while a case is open; staff with one permission
#   manage the users. `README.md` beside this file names the rows of the vendor's
#   documents that each rule reproduces.
# related_resources:
# - description: Enable Self-Service for Contacts and Person Accounts
#   ref: https://help.salesforce.com/s/articleView?id=sales.contacts_selfservice.htm
# - description: Enabling Self-Service Features and Settings
#   ref: http://login.salesforce.com/help/doc/en/customize_selfserviceenable.htm
# - description: SelfServiceUser object reference
#   ref: http://www.salesforce.com/us/developer/docs/api/Content/sforce_api_objects_selfserviceuser.htm
# - description: Salesforce Selfservice Cheatsheet
#   ref: https://blog.bessereau.eu/autopost-salesforce-selfservice-cheatsheet/
# - description: Case Visibility in Self Service Portals
#   ref: https://help.salesforce.com/apex/HTViewSolution?id=000213630
# - description: CaseComment object reference
#   ref: http://www.salesforce.com/us/developer/docs/api/Content/sforce_api_objects_casecomment.htm
# - description: Edit Self-Service User Permission Is Manage Customer Users
#   ref: https://releasenotes.docs.salesforce.com/en-us/summer18/release-notes/rn_networks_manage_customer_users.htm
package presets.salesforce_self_service

import data.lib.logins
import data.lib.records

# METADATA
# title: The decision
# description: |
#   The first that holds. Only `granted`, for a Self-Service user who may log in,
#   and `managed`, for staff, let anyone do anything; what follows them only says
#   why not.
# entrypoint: true
# custom:
#   reasons:
#     granted: The portal offers it, and the record is visible and in the user's scope.
#     staff_permission: Staff with the permission to edit Self-Service users manage them.
#     login_required: Nobody is logged in.
#     user_unknown: The portal has no such user.
#     user_inactive: The user is deactivated.
#     acting_unsupported: This portal lets nobody act as somebody else.
#     not_self_service: Only Self-Service users, each of a contact, use the portal.
#     login_disabled: The portal is switched off.
#     action_unknown: Nothing of this type knows the action, or the portal does not offer it.
#     portal_unknown: The login is to another portal.
#     staff_only: Self-Service users are managed by staff who hold the permission.
#     edition: The edition of the organization has no Self-Service.
#     target_unknown: There is no such Self-Service user, or no such contact to enable.
#     no_account: The contact has no account.
#     record_unknown: The portal has no such record.
#     record_exists: A record with this id exists already.
#     other_account: The record belongs to another account, or to none.
#     other_contact: The record belongs to another contact of the account.
#     not_visible: The record is not marked to be shown in the portal.
#     not_published: The comment is for internal use.
#     case_closed: The case is closed.
#     browsing_off: The portal offers no solutions.
#     other_category: The solution lies outside the category that the portal offers.
#     caller: No user stands behind the administration call, which the operator lets the caller make.
#     administrator: Staff with the profile System Administrator administer the portal.
#     staff_record: Staff write the records that the portal shows.
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

else := document if {
	input.user.user_type == "Self-Service User"
	input.user.contact
	logins.open
	document := granted
}

else := document if {
	input.resource.type == "user"
	input.user.active == true
	document := managed
}

else := {"outcome": "deny", "reason": "user_unknown"} if not input.user.id

else := {"outcome": "deny", "reason": "action_unknown"} if not knows[input.resource.type][input.action.name]

else := management_refusal if input.resource.type == "user"

else := {"outcome": "deny", "reason": "not_self_service"} if not self_service

else := {"outcome": "deny", "reason": "login_disabled"} if not logins.open

else := {"outcome": "deny", "reason": "portal_unknown"} if input.resource.type == "portal"

else := new_case_refusal if input.action.name == "create"

else := {"outcome": "deny", "reason": "record_unknown"} if not input.record.id

else := case_refusal if input.resource.type == "case"

else := solution_refusal if input.resource.type == "solution"

else := part_refusal

# METADATA
# description: What the portal has a word for. Nothing but the rules below is granted.
knows := {
	"portal": {"login"},
	"case": {"view", "list", "comment", "attach", "create"},
	"comment": {"view", "list"},
	"attachment": {"view", "list"},
	"solution": {"view", "list"},
	"user": {"view", "list", "manage_user.create", "manage_user.edit", "manage_user.disable", "manage_user.reset_password"},
}

self_service if {
	input.user.user_type == "Self-Service User"
	input.user.contact
}

# METADATA
# description: Why a user may not be seen or managed.
management_refusal := {"outcome": "deny", "reason": "staff_only"} if not permitted

else := {"outcome": "deny", "reason": "edition"} if not edition_offers

else := {"outcome": "deny", "reason": "no_account"} if {
	input.action.name == "manage_user.create"
	input.target.type == "contact"
	not input.target.account
}

else := {"outcome": "deny", "reason": "target_unknown"}

# METADATA
# description: Why no case may be submitted.
new_case_refusal := {"outcome": "deny", "reason": "record_exists"} if input.record.id

else := {"outcome": "deny", "reason": "no_account"} if not input.user.account

else := {"outcome": "deny", "reason": "other_account"} if not claimed("account", input.user.account)

else := {"outcome": "deny", "reason": "other_contact"}

# METADATA
# description: Why a case is out of reach.
case_refusal := {"outcome": "deny", "reason": "other_account"} if not records.own_account

else := {"outcome": "deny", "reason": "other_contact"} if not reached

else := {"outcome": "deny", "reason": "not_visible"} if not records.visible

else := {"outcome": "deny", "reason": "case_closed"}

# METADATA
# description: Why a comment or an attachment of a case is out of reach.
part_refusal := {"outcome": "deny", "reason": "other_account"} if not records.parent_own_account

else := {"outcome": "deny", "reason": "other_contact"} if not parent_reached

else := {"outcome": "deny", "reason": "not_visible"} if not records.parent_visible

else := {"outcome": "hide", "reason": "not_published"}

# METADATA
# description: Why a solution is not shown.
solution_refusal := {"outcome": "deny", "reason": "browsing_off"} if not data.portal.settings.solution_browsing == true

else := {"outcome": "deny", "reason": "not_visible"} if not records.visible

else := {"outcome": "deny", "reason": "other_category"}

# METADATA
# title: Login
# custom: {id: portal_login, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "portal"
	input.action.name == "login"
	input.resource.id == input.portal
}

# METADATA
# title: Cases seen
# description: A visible case of the own account, open or closed.
# custom: {id: case_seen, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "case"
	input.action.name in {"view", "list"}
	records.visible
	records.own_account
	reached
}

# METADATA
# title: Work on an open case
# description: Who sees a case comments on it and attaches files to it while it is open.
# custom: {id: open_case, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "case"
	input.action.name in {"comment", "attach"}
	records.open
	records.visible
	records.own_account
	reached
}

# METADATA
# title: New cases
# description: A new case is of the user's own contact and account, whatever the caller says.
# custom: {id: new_case, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "case"
	input.action.name == "create"
	input.user.account
	not input.record.id
	claimed("account", input.user.account)
	claimed("contact", input.user.contact)
}

# METADATA
# title: Comments of cases
# description: Those published, of a case that the user sees.
# custom: {id: published_comment, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "comment"
	input.action.name in {"view", "list"}
	input.parent.type == "case"
	records.published_under_visible
	records.parent_own_account
	parent_reached
}

# METADATA
# title: Attachments of cases
# custom: {id: attachment_seen, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "attachment"
	input.action.name in {"view", "list"}
	input.parent.type == "case"
	records.parent_visible
	records.parent_own_account
	parent_reached
}

# METADATA
# title: Solutions
# description: The visible ones within the top category, of every category where none is set.
# custom: {id: solution_read, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "solution"
	input.action.name in {"view", "list"}
	data.portal.settings.solution_browsing == true
	records.visible
	offered
}

# METADATA
# title: Users managed by staff
# description: |
#   Staff with the permission see, edit, deactivate Self-Service users and reset
#   their passwords, where the edition has Self-Service. Nobody deletes one.
# custom: {id: staff_manages, reason: staff_permission}
managed := {"outcome": "allow", "reason": "staff_permission"} if {
	input.action.name in {"view", "list", "manage_user.edit", "manage_user.disable", "manage_user.reset_password"}
	input.target.user_type == "Self-Service User"
	permitted
	edition_offers
}

# METADATA
# title: A contact enabled by staff
# description: The contact has an account, and the new user is a Self-Service user.
# custom: {id: staff_enables, reason: staff_permission}
managed := {"outcome": "allow", "reason": "staff_permission"} if {
	input.action.name == "manage_user.create"
	input.target.type == "contact"
	input.target.account
	claimed("user_type", "Self-Service User")
	permitted
	edition_offers
}

# METADATA
# description: What the caller says of the resource, if anything, is that value.
claimed(name, value) if object.get(input.resource.properties, name, value) == value

# METADATA
# description: |
#   The case is within the user's reach at the account: the own ones, all for a
#   super user, and all for everyone where the portal says so.
reached if records.own

reached if input.user.flags.super_user == true

reached if data.portal.settings.normal_scope == "account"

# METADATA
# description: As `reached`, for the case that a comment or an attachment belongs to.
parent_reached if records.parent_own

parent_reached if input.user.flags.super_user == true

parent_reached if data.portal.settings.normal_scope == "account"

# METADATA
# description: |
#   The solution's category is offered: it is the top one or lies right below it,
#   or there is no top one.
offered if not data.portal.settings.top_solution_category

offered if input.record.parent == data.portal.settings.top_solution_category

offered if {
	input.parent.type == "category"
	input.parent.parent == data.portal.settings.top_solution_category
}

# METADATA
# description: The asker is staff with the permission, which has had two names.
permitted if {
	data.portal.user_types[input.user.user_type].linked == "employee"
	some role in input.user.effective_roles
	role in {"Edit Self-Service Users", "Manage Customer Users"}
}

# METADATA
# description: The organization's edition is one that has Self-Service.
edition_offers if data.portal.settings.edition in editions
