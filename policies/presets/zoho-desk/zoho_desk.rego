# METADATA
# title: Zoho Desk help centre
# description: |
#   A portal is open to everyone or to registered customers only; there are no roles
#   and no field rights on the customers' side. A visitor is a subject of type
#   `anonymous`. `README.md` beside this file names the rows of the vendor's
#   documents that each rule reproduces.
# related_resources:
# - description: Managing Help Center Permissions
#   ref: https://help.zoho.com/portal/en/kb/desk/support-channels/help-center/articles/managing-help-center-permissions
# - description: Setting up Knowledge Base permissions
#   ref: https://help.zoho.com/portal/en/kb/desk/self-service/knowledge-base/articles/setting-up-knowledge-base-permissions
# - description: Customer Portal Access
#   ref: http://www.zoho.com/support/help/customer-portal-access.html
package presets.zoho_desk

# METADATA
# title: The decision
# description: |
#   The first that holds. Only `granted` lets anyone do anything, and each of its
#   rules says in full what that takes; what follows it only says why not.
# entrypoint: true
# custom:
#   reasons:
#     granted: The portal is open to the subject, and so is what is asked about.
#     acting_unsupported: This portal lets nobody act as somebody else.
#     user_inactive: The user is deactivated.
#     login_required: It takes a registered customer, and nobody is logged in.
#     user_unknown: The portal has no such user.
#     action_unknown: Nothing of this type knows the action.
#     portal_unknown: Another portal was asked.
#     screen_unknown: The portal has no such tab or widget.
#     feature_off: The tab, the widget or the forums are switched off.
#     not_shown: The designer of the portal hides the tab or the widget.
#     sign_up_off: Nobody signs up for the portal without an invitation, or the user is registered already.
#     not_administrator: Only administrators of the help desk change settings, and the user makes no such administration call.
#     record_unknown: The portal has no such record.
#     record_exists: A ticket with this id exists already.
#     submit_off: Neither the tab nor the widget for new tickets is switched on.
#     other_contact: A ticket is submitted in one's own name only.
#     account_tickets_off: The ticket is a colleague's, and contacts do not see the tickets of their account.
#     other_account: The ticket is of nobody at the user's account.
#     section_hidden: The section or the category is switched off.
#     registered_only: The article is for registered customers.
#     agents_only: The article is for agents.
#     department_private: The department is not public.
#     caller: No user stands behind the administration call, which the operator lets the caller make.
#     administrator: Agents with the permission for support channels administer the portal.
#     agent: Agents administer the customers - their users, accounts, contacts and records.
#     own_ticket: A customer submits own tickets, and answers those in reach.
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

else := {"outcome": "deny", "reason": "acting_unsupported"} if input.context.actor

else := document if document := granted

else := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "challenge", "reason": "login_required"} if {
	input.subject.type == "anonymous"
	input.action.name != "sign_up"
	not data.portal.settings.access == "all_customers"
}

else := {"outcome": "deny", "reason": "user_unknown"} if {
	input.subject.type != "anonymous"
	not input.user.id
}

else := {"outcome": "deny", "reason": "action_unknown"} if not known

else := {"outcome": "hide", "reason": "feature_off"} if input.screen.features_off[0]

else := portal_refusal if input.resource.type == "portal"

else := screen_refusal if input.resource.type in {"container", "element", "screen", "workspace"}

else := {"outcome": "deny", "reason": "record_unknown"} if {
	not input.action.name in {"submit", "create"}
	not input.subject.type == "anonymous"
	not input.record.id
}

else := submit_refusal if input.action.name in {"create", "submit"}

else := ticket_refusal if input.resource.type == "ticket"

else := {"outcome": "deny", "reason": "record_unknown"} if not input.record.id

else := article_refusal if input.resource.type == "article"

else := {"outcome": "hide", "reason": "section_hidden"} if input.resource.type in {"category", "section"}

else := {"outcome": "hide", "reason": "department_private"} if input.resource.type == "department"

else := {"outcome": "hide", "reason": "feature_off"}

# METADATA
# description: Why something at the portal itself is refused.
portal_refusal := {"outcome": "deny", "reason": "portal_unknown"} if input.resource.id != input.portal

else := {"outcome": "deny", "reason": "sign_up_off"} if input.action.name == "sign_up"

else := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "not_administrator"}

# METADATA
# description: Why a tab or a widget is neither shown nor opened although it is switched on.
screen_refusal := {"outcome": "deny", "reason": "screen_unknown"} if not input.screen.id

else := {"outcome": "hide", "reason": "not_shown"} if input.screen.flags.hidden

else := {"outcome": "challenge", "reason": "login_required"}

# METADATA
# description: Why no ticket may be submitted.
submit_refusal := {"outcome": "hide", "reason": "department_private"} if {
	input.resource.type == "department"
	not input.record.flags.public == true
}

else := {"outcome": "deny", "reason": "record_exists"} if {
	input.resource.type == "ticket"
	input.record
}

else := {"outcome": "deny", "reason": "submit_off"} if not offered

else := {"outcome": "challenge", "reason": "login_required"} if {
	input.subject.type == "anonymous"
	not data.portal.settings.sign_in_to_submit == false
}

else := {"outcome": "deny", "reason": "other_contact"}

# METADATA
# description: Why a stored ticket is out of reach.
ticket_refusal := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "account_tickets_off"} if input.record.account == input.user.account

else := {"outcome": "deny", "reason": "other_account"}

# METADATA
# description: |
#   Why an article is not shown. Whether a visitor is told that there is one for
#   registered customers is a setting.
article_refusal := {"outcome": "hide", "reason": "section_hidden"} if not input.parent.flags.visible == true

else := {"outcome": "challenge", "reason": "login_required"} if {
	input.record.properties.audience == "registered"
	data.portal.settings.registered_articles == "challenge"
}

else := {"outcome": "hide", "reason": "registered_only"} if input.record.properties.audience == "registered"

else := {"outcome": "hide", "reason": "agents_only"}

# METADATA
# description: The type knows the action.
known if {
	input.resource.type == "portal"
	input.action.name in {"view", "login", "sign_up", "configure"}
}

known if {
	input.resource.type in {"workspace", "screen", "container", "element"}
	input.action.name in {"view", "list", "open"}
}

known if {
	input.resource.type == "ticket"
	input.action.name in {"view", "list", "track", "reply", "submit", "create"}
}

known if {
	input.resource.type in {"article", "section", "category", "topic", "department"}
	input.action.name in {"view", "list"}
}

known if {
	input.resource.type == "department"
	input.action.name == "submit"
}

# METADATA
# title: The portal
# custom: {id: portal_open, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "portal"
	input.action.name == "view"
	input.resource.id == input.portal
	admitted
}

# METADATA
# title: Logging in
# custom: {id: log_in, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "portal"
	input.action.name == "login"
	input.resource.id == input.portal
	input.user.active == true
}

# METADATA
# title: Signing up
# description: A new user waits for an administrator unless the portal does without.
# custom: {id: sign_up, reason: granted}
granted := {"outcome": "allow", "reason": "granted", "obligations": moderation} if {
	input.resource.type == "portal"
	input.action.name == "sign_up"
	input.resource.id == input.portal
	input.subject.type == "anonymous"
	data.portal.settings.self_signup == true
}

moderation := [] if data.portal.settings.signup_moderation == false

else := [{"id": "await_moderation"}]

# METADATA
# title: Settings
# description: Staff with the role for support channels change them; no customer does.
# custom: {id: configure, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "portal"
	input.action.name == "configure"
	input.resource.id == input.portal
	input.user.active == true
	"Support Channels" in input.user.effective_roles
	agent
}

# METADATA
# title: Tabs and widgets shown
# description: Everyone who is in sees what is switched on and not hidden by the designer.
# custom: {id: shown, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type in {"workspace", "screen", "container", "element"}
	input.action.name in {"view", "list"}
	input.screen.id
	not input.screen.features_off[0]
	not input.screen.flags.hidden
	admitted
}

# METADATA
# title: Tabs and widgets opened
# custom: {id: opened, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type in {"workspace", "screen", "container", "element"}
	input.action.name == "open"
	input.screen.id
	not input.screen.features_off[0]
	not input.screen.flags.hidden
	input.user.active == true
}

# METADATA
# title: Tabs and widgets opened by visitors
# description: |
#   A visitor opens no list of own tickets, and the form for a new one only where
#   the login comes later or never.
# custom: {id: opened_by_visitor, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type in {"workspace", "screen", "container", "element"}
	input.action.name == "open"
	input.subject.type == "anonymous"
	data.portal.settings.access == "all_customers"
	input.screen.id
	not input.screen.features_off[0]
	not input.screen.flags.hidden
	not input.screen.flags.personal
	not form_asks_login
}

# METADATA
# title: A new ticket
# custom: {id: submit_ticket, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "ticket"
	input.action.name in {"submit", "create"}
	not input.record
	submission
}

# METADATA
# title: A new ticket for a department
# description: Every user of the portal may use a public department.
# custom: {id: submit_to_department, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "department"
	input.action.name == "submit"
	input.record.flags.public == true
	submission
}

# METADATA
# title: Own tickets
# custom: {id: own_ticket, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "ticket"
	input.action.name in {"view", "list", "track", "reply"}
	input.user.active == true
	input.record.contact == input.user.contact
}

# METADATA
# title: Tickets of the own account
# description: One switch opens them to all contacts of the account.
# custom: {id: account_ticket, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "ticket"
	input.action.name in {"view", "list", "track", "reply"}
	input.user.active == true
	data.portal.settings.contacts_see_account_tickets == true
	input.record.account == input.user.account
}

# METADATA
# title: Articles for everyone
# custom: {id: public_article, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "article"
	input.action.name in {"view", "list"}
	not input.screen.features_off[0]
	input.record.properties.audience == "everyone"
	input.parent.flags.visible == true
	admitted
}

# METADATA
# title: Articles for registered customers
# custom: {id: registered_article, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "article"
	input.action.name in {"view", "list"}
	not input.screen.features_off[0]
	input.record.properties.audience == "registered"
	input.parent.flags.visible == true
	input.user.active == true
}

# METADATA
# title: Articles for agents
# custom: {id: agents_article, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "article"
	input.action.name in {"view", "list"}
	not input.screen.features_off[0]
	input.record.properties.audience == "agents"
	input.parent.flags.visible == true
	input.user.active == true
	agent
}

# METADATA
# title: Sections of the knowledge base
# custom: {id: section_shown, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "section"
	input.action.name in {"view", "list"}
	not input.screen.features_off[0]
	input.record.flags.visible == true
	input.parent.flags.visible == true
	admitted
}

# METADATA
# title: Categories of the knowledge base
# custom: {id: category_shown, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "category"
	input.action.name in {"view", "list"}
	not input.screen.features_off[0]
	input.record.flags.visible == true
	admitted
}

# METADATA
# title: Forums
# description: They are bought, and then shown or not; who reads them is as for the knowledge base.
# custom: {id: forum_topic, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "topic"
	input.action.name in {"view", "list"}
	data.portal.features.forums == true
	data.portal.features.forums_visible == true
	input.record.id
	admitted
}

# METADATA
# title: Public departments
# custom: {id: public_department, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	input.resource.type == "department"
	input.action.name in {"view", "list"}
	input.record.flags.public == true
	admitted
}

# METADATA
# description: Who is in - a registered user, or a visitor of an open portal.
admitted if input.user.active == true

admitted if {
	input.subject.type == "anonymous"
	data.portal.settings.access == "all_customers"
}

# METADATA
# description: |
#   The subject may submit a ticket: a registered user in the own name, a visitor
#   in nobody's, where no login is asked for.
submission if {
	offered
	input.user.active == true
	object.get(input.resource.properties, "contact", input.user.contact) == input.user.contact
}

submission if {
	offered
	input.subject.type == "anonymous"
	data.portal.settings.access == "all_customers"
	data.portal.settings.sign_in_to_submit == false
	not input.resource.properties.contact
}

# METADATA
# description: Tickets are taken in the portal, by the tab or by the widget.
offered if data.portal.features.submit_tab == true

offered if data.portal.features.submit_widget == true

# METADATA
# description: What is opened is the form for a new ticket, and the login comes before it.
form_asks_login if {
	input.screen.flags.form
	not data.portal.settings.sign_in_to_submit == false
	not data.portal.settings.sign_in_at == "submit"
}

# METADATA
# description: The user works for the company whose portal it is.
agent if data.portal.user_types[input.user.user_type].linked == "employee"
