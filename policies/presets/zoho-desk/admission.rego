package presets.zoho_desk

import data.lib.administration
import data.lib.delegation

# METADATA
# title: Which administration writes are refused, and what a write takes by default
# description: |
#   The help desk's administrators change the help centre, its agents everything
#   else, and the service itself both. A customer writes own tickets only: no
#   customer administers others.
# entrypoint: true
# custom:
#   reasons:
#     options_exclude: Must register to see anything, and must sign in to submit, exclude each other.
#     not_administrator: Only administrators of the help desk change settings.
#     staff_only: Customers write nothing but tickets.
#     other_contact: A customer's ticket is, and stays, the customer's own.
#     other_account: A customer's ticket is at the customer's account, or at none.
#     no_contact: An end user is somebody at the CRM; the user has no contact.
#     no_email: Who has no mail address cannot be invited.
#     login_taken: Another active user has this login.
#     contact_has_user: The contact is registered already.
#     role_not_allowed: The type of the user does not allow the role.
#     sign_up_off: Nobody signs up for the portal without an invitation.
#     roles_conflict: Nobody is to hold these roles together.
admission := {"refusals": refusals, "defaults": defaults}

# METADATA
# title: The two strict options
# description: Both at once are refused, unless the portal has one of them switched off instead.
# custom: {id: strict_options, reason: options_exclude}
refusals contains {"rule": "strict_options", "field": "settings", "reason": "options_exclude"} if {
	both_strict
	not input.new.settings.exclusive_options == "switch_off"
}

# METADATA
# title: Settings are for administrators
# custom: {id: administrators_only, reason: not_administrator}
refusals contains {"rule": "administrators_only", "field": "actor", "reason": "not_administrator"} if {
	input.actor
	input.entity.kind in {"portal", "screen", "user_type", "role", "right"}
	not administrator
}

# METADATA
# title: Users, companies and the knowledge base are for agents
# custom: {id: agents_only, reason: staff_only}
refusals contains {"rule": "agents_only", "field": "actor", "reason": "staff_only"} if {
	input.actor
	not staff
	not ticket_kept
	input.entity.kind in {"user", "account", "contact", "record"}
}

# METADATA
# title: Tickets in the own name
# custom: {id: own_tickets, reason: other_contact}
refusals contains {"rule": "own_tickets", "field": "contact", "reason": "other_contact"} if {
	input.actor
	not staff
	input.operation == "create"
	input.entity.of == "ticket"
	not input.new.contact == input.actor.contact
}

refusals contains {"rule": "own_tickets", "field": "account", "reason": "other_account"} if {
	input.actor
	not staff
	input.operation == "create"
	input.entity.of == "ticket"
	input.new.account
	not input.new.account == input.actor.account
}

# METADATA
# title: A ticket changes hands by agents only
# custom: {id: ticket_stays, reason: other_contact}
refusals contains {"rule": "ticket_stays", "field": "contact", "reason": "other_contact"} if {
	input.actor
	not staff
	input.entity.of == "ticket"
	some member in ["contact", "account"]
	object.get(input.old, member, "") != object.get(input.new, member, "")
}

# METADATA
# title: An end user has a contact
# custom: {id: contact_needed, reason: no_contact}
refusals contains {"rule": "contact_needed", "field": "contact", "reason": "no_contact"} if {
	end_user_written
	not input.new.contact
}

# METADATA
# title: An end user has a mail address
# custom: {id: address_needed, reason: no_email}
refusals contains {"rule": "address_needed", "field": "contact", "reason": "no_email"} if {
	end_user_created
	input.new.contact
	not administration.address
}

# METADATA
# title: No two active users have one login
# custom: {id: login_unique, reason: login_taken}
refusals contains {"rule": "login_unique", "field": "login", "reason": "login_taken"} if {
	administration.login_taken
}

# METADATA
# title: A contact has one user
# custom: {id: contact_unique, reason: contact_has_user}
refusals contains {"rule": "contact_unique", "field": "contact", "reason": "contact_has_user"} if {
	administration.user_written
	administration.contact_taken
}

# METADATA
# title: Users hold only roles that their type allows
# custom: {id: role_of_type, reason: role_not_allowed}
refusals contains {"rule": "role_of_type", "field": "grants", "reason": "role_not_allowed"} if {
	administration.roles_not_allowed[_]
}

# METADATA
# title: Signing up
# custom: {id: sign_up_open, reason: sign_up_off}
refusals contains {"rule": "sign_up_open", "field": "active", "reason": "sign_up_off"} if {
	signed_up
	not data.portal.settings.self_signup == true
}

# Nobody signs up as an agent.
refusals contains {"rule": "sign_up_open", "field": "user_type", "reason": "sign_up_off"} if {
	signed_up
	agent_type
}

# METADATA
# title: Duties are separate
# description: Whoever writes, the system too.
# custom: {id: separate_duties, reason: roles_conflict}
refusals contains {"rule": "separate_duties", "field": "grants", "reason": "roles_conflict"} if {
	administration.user_written
	delegation.duties_clash(input.new.grants)
}

refusals contains {"rule": "separate_duties", "field": "inherits", "reason": "roles_conflict"} if {
	input.entity.kind == "role"
	delegation.role_clashes
}

# METADATA
# description: The members of the written entity that it takes unless the write is refused.
defaults := object.union_n([patch | some patch in patches])

# METADATA
# title: One strict option instead of two
# custom: {id: strict_option_off}
patches contains {"settings": {"sign_in_to_submit": false}} if both_strict

# METADATA
# title: The address is the login
# custom: {id: login_from_contact}
patches contains {"login": administration.address} if end_user_created

# METADATA
# title: Who signs up waits
# description: An administrator lets a new user in, unless the portal does without.
# custom: {id: sign_up_waits}
patches contains {"active": false} if {
	signed_up
	not data.portal.settings.signup_moderation == false
}

both_strict if {
	input.new.settings.access == "registered_only"
	input.new.settings.sign_in_to_submit == true
}

signed_up if {
	input.entity.kind == "user"
	input.operation == "create"
	input.context.sign_up == true
}

end_user_created if {
	end_user_written
	input.operation == "create"
}

# METADATA
# description: The user who is written is no agent, by what is known of the type.
end_user_written if {
	administration.user_written
	not agent_type
}

agent_type if data.portal.user_types[input.new.user_type].linked == "employee"

# METADATA
# description: The writer is known to be an active agent.
staff if {
	input.actor.active == true
	data.portal.user_types[input.actor.user_type].linked == "employee"
}

administrator if {
	staff
	"Support Channels" in input.actor.effective_roles
}

# METADATA
# description: An active user writes a ticket, which goes on being there.
ticket_kept if {
	input.actor.active == true
	input.entity.of == "ticket"
	input.operation in {"create", "update"}
}
