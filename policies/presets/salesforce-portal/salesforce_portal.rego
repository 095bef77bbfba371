# METADATA
# title: Salesforce Customer Portal and Partner Portal
# description: |
#   A profile and permission sets say what may be done to an object, a hierarchy
#   of positions below each account and several kinds of sharing say to which of its
#   records. `README.md` beside this file names the rows of the vendor's documents
#   that each rule reproduces.
# related_resources:
# - description: Partner user roles
#   ref: https://help.salesforce.com/s/articleView?id=platform.networks_partner_roles_overview.htm
# - description: Super user access
#   ref: https://help.salesforce.com/s/articleView?id=platform.networks_customer_super_user_access.htm
# - description: Restrict community users' access to cases
#   ref: https://releasenotes.docs.salesforce.com/en-us/summer18/release-notes/rn_networks_case_access.htm
# - description: High-volume community or site users
#   ref: https://help.salesforce.com/apex/HTViewHelpDoc?id=sf.networks_about_hvpu.htm
# - description: Sharing sets
#   ref: https://trailhead.salesforce.com/en/content/learn/projects/communities_share_crm_data/external_user_sharing
# - description: Delegated administration by external users
#   ref: https://help.salesforce.com/HTViewHelpDoc?id=networks_DPUA.htm
# - description: Log in as a user
#   ref: https://help.salesforce.com/s/articleView?id=000395861&type=1
package presets.salesforce_portal

import data.lib.fields
import data.lib.logins

# METADATA
# title: The decision
# description: |
#   The first that holds. Only `granted` lets anyone do anything, for members of the
#   portal alone, and for who acts as one only with the right to. What follows says
#   why not.
# entrypoint: true
# custom:
#   reasons:
#     granted: The licence, the rights at the object and the access to the record all reach.
#     login_required: Nobody is logged in.
#     user_unknown: The portal has no such user.
#     user_inactive: The user is deactivated.
#     login_disabled: The portal is switched off.
#     profile_not_member: The user's profile is no member of the portal.
#     actor_refused: Who acts as the user is not known to have the right to.
#     resource_unknown: The portal shows no such resource.
#     not_licensed: The user's licence does not cover the object.
#     not_granted: Neither the profile nor a permission set opens the object or the field.
#     level_too_low: They reach only the level given.
#     record_unknown: The portal has no such record.
#     record_exists: A record with this id exists already.
#     other_account: The record or the user is to belong to another account.
#     other_contact: A new record is to belong to another contact.
#     comment_not_published: The comment is not published.
#     parent_differs: The record does not go with the one that it belongs to.
#     not_shared: Neither ownership, position nor sharing reaches the record.
#     shared_for_reading: They reach the record for reading alone.
#     not_visible: Lists and search leave out a case that is not marked visible.
#     not_portal_user: Only a portal user logs in, and to the portal asked.
#     target_unknown: The portal has no such user to manage, or no such contact to make one for.
#     only_deactivated: A portal user is never deleted, only deactivated.
#     not_offered: The state of the contact or the user has no use for the action.
#     not_administrator: The user lacks the permission to manage users this way.
#     profile_not_delegated: The profile or the permission set is not among those handed to delegated administrators.
#     user_out_of_reach: Neither the account nor the role tree gives access to the user.
#     action_unknown: Nothing of this type knows the action.
#     caller: No user stands behind the administration call, which the operator lets the caller make.
#     administrator: Staff with the profile System Administrator administer the portal.
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

else := document if {
	not input.context.actor
	not input.context.actor == false
	member
	document := granted
}

else := document if {
	input.context.actor
	member
	impersonated
	document := object.union(granted, {"obligations": [{"id": "record_actor", "actor": input.actor.id}]})
}

else := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "deny", "reason": "user_unknown"} if not input.user.active

else := {"outcome": "deny", "reason": "login_disabled"} if not logins.open

else := {"outcome": "deny", "reason": "profile_not_member"} if not member

else := {"outcome": "deny", "reason": "actor_refused"} if {
	"actor" in object.keys(input.context)
	not impersonated
}

else := {"outcome": "deny", "reason": "not_portal_user"} if input.resource.type == "portal"

else := management_refusal if input.resource.type == "user"

else := {"outcome": "deny", "reason": "resource_unknown"} if not input.screen.screen_id

else := {"outcome": "deny", "reason": "not_licensed"} if not licensed

else := {"outcome": "deny", "reason": "not_granted"} if not level

else := {"outcome": "deny", "reason": "not_granted"} if level == 0

else := {"outcome": "deny", "reason": "action_unknown"} if not need

else := {"outcome": "deny", "reason": "level_too_low", "level": level} if level < need

else := record_refusal if input.screen.kind == "screen"

else := {"outcome": "deny", "reason": "action_unknown"}

# METADATA
# description: Why a record is out of reach although the object is open enough.
record_refusal := {"outcome": "deny", "reason": "action_unknown"} if input.resource.type == "screen"

else := creation_refusal if input.action.name == "create"

else := {"outcome": "deny", "reason": "record_unknown"} if not input.record.id

else := {"outcome": "deny", "reason": "comment_not_published"} if {
	input.resource.type == "comment"
	not input.record.flags.published
}

else := {"outcome": "deny", "reason": "parent_differs"} if not shared_as

else := {"outcome": "deny", "reason": "not_shared"} if count(reach) == 0

else := {"outcome": "hide", "reason": "not_visible"} if input.action.name == "list"

else := {"outcome": "deny", "reason": "shared_for_reading"} if {
	input.action.name in {"edit", "attach"}
	access < 2
}

# METADATA
# description: Why a record may not be created although the object is open enough.
creation_refusal := {"outcome": "deny", "reason": "record_exists"} if input.record.id

else := {"outcome": "deny", "reason": "action_unknown"} if not creatable

else := {"outcome": "deny", "reason": "other_contact"} if {
	object.get(input.resource.properties, "account", input.user.account) == input.user.account
}

else := {"outcome": "deny", "reason": "other_account"}

# METADATA
# description: Why a user may not be managed, or acted for.
management_refusal := {"outcome": "deny", "reason": "only_deactivated"} if input.action.name == "manage_user.delete"

else := {"outcome": "deny", "reason": "target_unknown"} if not input.target.id

else := staff_refusal if licence.linked == "employee"

else := {"outcome": "deny", "reason": "not_administrator"} if not delegated

else := {"outcome": "deny", "reason": "other_account"} if not input.target.account == input.user.account

else := {"outcome": "deny", "reason": "profile_not_delegated"} if input.action.name in delegable

else := {"outcome": "deny", "reason": "action_unknown"}

# METADATA
# description: Why a member of the staff may not.
staff_refusal := {"outcome": "deny", "reason": "not_licensed"} if not licensed

else := {"outcome": "deny", "reason": "not_granted"} if not level

else := {"outcome": "deny", "reason": "not_granted"} if level == 0

else := {"outcome": "deny", "reason": "level_too_low", "level": level} if level < 2

else := {"outcome": "deny", "reason": "not_administrator"} if not manages_users

else := {"outcome": "hide", "reason": "not_offered"} if {
	input.action.name in offerable
	not input.action.name in offered
}

else := {"outcome": "deny", "reason": "user_out_of_reach"} if input.action.name in offerable

else := {"outcome": "deny", "reason": "action_unknown"}

# METADATA
# description: The portal is on, and the user is active with a profile that is a member of it.
member if {
	logins.open
	some profile in input.user.roles
	profile in data.portal.settings.member_profiles
}

# METADATA
# description: The user's type, which is a licence of portal users or a role of the staff's tree.
licence := data.portal.user_types[input.user.user_type]

licensed if input.screen.screen_id in licence.attributes.objects

# METADATA
# title: Object rights
# description: |
#   The widest level that the profile or a permission set has at the object, as far as
#   the licence covers the object. A permission set only adds.
object_right := max([held | some held in input.rights[input.screen.screen_id]]) if {
	licensed
	not input.screen.features_off[0]
}

# METADATA
# description: The level at the node asked about, be it an object or one of its fields.
level := object_right if input.screen.kind == "screen"

level := min([object_right, max([held | some held in input.rights[input.screen.id]])]) if {
	input.screen.kind == "element"
}

# METADATA
# description: The level that an action takes at the object or the field.
need := {
	"view": 1, "list": 1, "edit": 2, "create": 3,
	"comment": 3, "attach": 3, "delete": 5,
}[input.action.name]

# METADATA
# title: Objects
# description: What a tab shows and what may be done to some record of the object, whichever it is.
# custom: {id: object_right, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": level} if {
	input.resource.type == "screen"
	input.action.name in {"view", "list", "edit", "create", "delete"}
	level >= need
	not input.screen.flags.shows_portal_roles
}

# METADATA
# title: The page that shows the use of portal roles
# custom: {id: system_overview, reason: granted}
granted := {
	"outcome": "allow",
	"reason": "granted",
	"level": level,
	"obligations": [{"id": "show_portal_roles", "limit": data.portal.limits.portal_roles}],
} if {
	input.resource.type == "screen"
	input.action.name == "view"
	input.screen.flags.shows_portal_roles
	licence.linked == "employee"
	level >= 1
}

# METADATA
# title: Fields
# description: A field takes the right at the object as well.
# custom: {id: field_right, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": level} if {
	input.resource.type == "element"
	input.action.name in {"view", "edit"}
	level >= need
}

# METADATA
# title: Reading
# custom: {id: read_record, reason: granted}
granted := {
	"outcome": "allow",
	"reason": "granted",
	"level": min([object_right, access]),
	"fields": fields.readable,
} if {
	input.action.name == "view"
	object_right >= 1
	access >= 1
}

# METADATA
# title: Changing
# custom: {id: edit_record, reason: granted}
granted := {
	"outcome": "allow",
	"reason": "granted",
	"level": access,
	"fields": fields.mask,
} if {
	input.action.name == "edit"
	object_right >= 2
	access >= 2
}

# METADATA
# title: Lists and search
# description: They leave out cases that are not marked visible, own ones too.
# custom: {id: list_record, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": min([object_right, access])} if {
	input.action.name == "list"
	object_right >= 1
	access >= 1
	listed
}

listed if input.record.flags.visible

listed if shared_as != "case"

# METADATA
# title: Comments on a case
# custom: {id: comment_case, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": object_right} if {
	input.resource.type == "case"
	input.action.name == "comment"
	object_right >= 3
	access >= 1
}

# METADATA
# title: Files at a case
# custom: {id: attach_to_case, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": object_right} if {
	input.resource.type == "case"
	input.action.name == "attach"
	object_right >= 3
	access >= 2
}

# METADATA
# title: Deleting
# description: Where the portal lets owners, and nobody else.
# custom: {id: delete_own_record, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": object_right} if {
	input.action.name == "delete"
	data.portal.settings.owners_delete == true
	object_right >= 5
	shared_as
	input.record.owner == input.user.id
}

# METADATA
# title: New records
# description: They belong to the user's own account and contact, whatever the caller says.
# custom: {id: new_record, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "level": object_right, "fields": fields.mask} if {
	input.action.name == "create"
	object_right >= 3
	creatable
	not input.record.id
	object.get(input.resource.properties, "account", input.user.account) == input.user.account
	object.get(input.resource.properties, "contact", input.user.contact) == input.user.contact
}

# METADATA
# description: Portal users make records of the object, but neither accounts and contacts nor parts of a record.
creatable if {
	licence.linked == "contact"
	not input.resource.type in {"account", "contact"}
	data.portal.settings.objects[input.resource.type].external_default != "controlled_by_parent"
}

# METADATA
# title: Log in
# custom: {id: log_in, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "portal"
	input.action.name == "login"
	input.resource.id == input.portal
	licence.linked == "contact"
}

# METADATA
# title: The object whose sharing decides
# description: |
#   That of the record, or of the one that it belongs to. A part, such as a comment,
#   names the owner, account and contact of its record as its own, so that the facts
#   about them are those of the record; one that differs is reached by nobody.
#   Comments are seen once published.
shared_as := input.record.type if {
	data.portal.settings.objects[input.record.type].external_default != "controlled_by_parent"
}

shared_as := input.parent.type if {
	data.portal.settings.objects[input.record.type].external_default == "controlled_by_parent"
	data.portal.settings.objects[input.parent.type].external_default != "controlled_by_parent"
	input.record.owner == input.parent.owner
	input.record.account == input.parent.account
	object.get(input.record, "contact", null) == object.get(input.parent, "contact", null)
	published
}

published if input.record.flags.published

published if input.record.type != "comment"

# METADATA
# description: |
#   The user's place in the tree of roles below the account. Undefined for licences
#   without roles, whatever the user is said to be.
rank := ranks[input.user.position] if licence.attributes.role_based == true

# METADATA
# description: The same for the owner of the record.
owner_rank := ranks[input.owner.position] if {
	data.portal.user_types[input.owner.user_type].attributes.role_based == true
}

ranks := {"User": 1, "Manager": 2, "Executive": 3}

accesses := {"read": 1, "edit": 2}

# METADATA
# description: |
#   The access to the record, 1 to read and 2 to edit: the widest of all. Undefined
#   where nothing gives any, and for a part that does not go with its record.
access := max(reach) if shared_as

# METADATA
# title: Owner
# custom: {id: owner, reason: granted}
reach contains 2 if {
	input.record.owner == input.user.id
}

# METADATA
# title: Roles above the owner's
# custom: {id: role_above_owner, reason: granted}
reach contains 2 if {
	input.owner.account == input.user.account
	rank > owner_rank
}

# METADATA
# title: The contact of the case
# custom: {id: case_contact, reason: granted}
reach contains accesses[data.portal.settings.contact_access] if {
	input.record.contact == input.user.contact
	shared_as == "case"
}

# METADATA
# title: Roles above that of the case's contact
# custom: {id: role_above_contact, reason: granted}
reach contains accesses[data.portal.settings.contact_access] if {
	input.record.account == input.user.account
	input.contact.account == input.user.account
	shared_as == "case"
	rank > ranks[input.contact.position]
}

# METADATA
# title: Default for everybody outside
# custom: {id: external_default, reason: granted}
reach contains {"public_read": 1, "public_read_write": 2}[data.portal.settings.objects[shared_as].external_default] if {
	licence.linked == "contact"
}

# METADATA
# title: Sharing rules
# description: They reach one role of one account. Users without a role are never reached.
# custom: {id: sharing_rule, reason: granted}
reach contains accesses[rule.access] if {
	rank
	some rule in data.portal.sharing
	rule.kind == "sharing_rule"
	rule.active == true
	rule.object == shared_as
	some to in rule.to
	to.account == input.user.account
	to.position == input.user.position
	selects(rule)
}

selects(rule) if value_of(rule.criteria.field) == rule.criteria.equals

selects(rule) if {
	owner_rank
	rule.owned_by.account == input.owner.account
	rule.owned_by.position == input.owner.position
}

# METADATA
# description: A property of the record whose sharing decides.
value_of(property) := input.record.properties[property] if input.record.type == shared_as

value_of(property) := input.parent.properties[property] if input.record.type != shared_as

# METADATA
# title: Sharing sets
# description: |
#   They reach the users of some profiles whose account or contact is the one that a
#   lookup of the record names.
# custom: {id: sharing_set, reason: granted}
reach contains accesses[set.access] if {
	licence.linked == "contact"
	some set in data.portal.sharing
	set.kind == "sharing_set"
	set.active == true
	set.object == shared_as
	some profile in input.user.roles
	profile in set.profiles
	held_by_user(set.user) == lookup(set.record)
}

held_by_user("account") := input.user.account

held_by_user("contact") := input.user.contact

lookup("account") := input.record.account

lookup("contact") := input.record.contact

lookup("contact.account") := input.contact.account

lookup("parent.account") := input.parent.account if input.record.type == shared_as

lookup("parent.contact") := input.parent.contact if input.record.type == shared_as

# METADATA
# title: Super users among peers
# custom: {id: super_user, reason: granted}
reach contains 2 if {
	input.user.flags.super_user == true
	data.portal.settings.super_user_access == true
	input.owner.account == input.user.account
	rank >= owner_rank
	super_object
}

super_object if shared_as in {"case", "lead", "opportunity"}

super_object if data.portal.settings.objects[shared_as].custom == true

# METADATA
# title: Super users of the whole account
# description: The licence Customer Portal Manager gives a super user the cases of everybody there.
# custom: {id: super_user_of_account, reason: granted}
reach contains 2 if {
	input.user.flags.super_user == true
	data.portal.settings.super_user_access == true
	licence.attributes.super_scope == "account"
	input.owner.account == input.user.account
	rank
	shared_as == "case"
}

# METADATA
# title: The own account of users without a role
# custom: {id: own_account, reason: granted}
reach contains 1 if {
	input.record.type == "account"
	input.record.id == input.user.account
	licence.linked == "contact"
	licence.attributes.role_based == false
}

# METADATA
# title: The owner of the account
# description: The roles of an account hang below the role of its owner.
# custom: {id: account_owner, reason: granted}
reach contains 2 if {
	input.account.owner == input.user.id
	input.account.id == input.owner.account
	licence.linked == "employee"
	owner_rank
}

# METADATA
# title: Staff above the owner of the account
# custom: {id: role_above_account_owner, reason: granted}
reach contains 2 if {
	input.account.attributes.owner_role in input.user.manages
	input.account.id == input.owner.account
	licence.linked == "employee"
	owner_rank
}

# METADATA
# title: Share groups
# description: They hand the records of users without a role to users and roles of the staff.
# custom: {id: share_group, reason: granted}
reach contains accesses[group.access] if {
	licence.linked == "employee"
	data.portal.user_types[input.owner.user_type].attributes.role_based == false
	some group in data.portal.sharing
	group.kind == "share_group"
	group.active == true
	some profile in input.owner.roles
	profile in group.profiles
	receives(group)
}

receives(group) if input.user.id in group.users

receives(group) if input.user.user_type in group.roles
