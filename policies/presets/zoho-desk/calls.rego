package presets.zoho_desk

import data.lib.calls
import data.lib.publishing

# METADATA
# title: Administration calls
# description: |
#   Agents with the role Support Channels administer everything, and every active
#   agent the customers - their users, accounts, contacts and records. A customer
#   submits own tickets and answers those in reach; nothing else is the customer's to
#   write, and nobody else's is.
call := {"outcome": "deny", "reason": "user_inactive"} if input.user.active == false

else := {"outcome": "deny", "reason": "acting_unsupported"} if input.context.actor

else := document if {
	document := publishing.refused
	administers
}

else := document if document := called

else := document if document := administered

else := document if {
	input.user.active == true
	document := written
}

else := {"outcome": "challenge", "reason": "login_required"} if input.subject.type == "anonymous"

else := {"outcome": "deny", "reason": "user_unknown"} if not input.user.id

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
# description: They are agents with the permission for support channels. No customer is one by holding it.
# custom: {id: administrator_call, reason: administrator}
administered := {"outcome": "allow", "reason": "administrator"} if {
	input.user.active == true
	"Support Channels" in input.user.effective_roles
	agent
}

# METADATA
# title: Customers managed by agents
# custom: {id: agent_call, reason: agent}
written := {"outcome": "allow", "reason": "agent"} if {
	agent
	calls.fits
	input.target.type in {"account", "contact", "record"}
}

# METADATA
# title: End users managed by agents
# description: Agents are for administrators. A user of a type that is gone might have been one.
# custom: {id: end_user_call, reason: agent}
written := {"outcome": "allow", "reason": "agent"} if {
	agent
	input.target.type == "user"
	count(calls.states) > 0
	every user in calls.states {
		data.portal.user_types[user.user_type].linked == "contact"
	}
}

# METADATA
# title: Tickets submitted by call
# description: The ticket is at the customer's account, or at none.
# custom: {id: new_ticket_call, reason: own_ticket}
written := {"outcome": "allow", "reason": "own_ticket"} if {
	input.resource.type == "ticket"
	input.action.name == "admin:create"
	calls.fits
	offered
	input.target.after.contact == input.user.contact
	at_own_account
	count(calls.changed - {"type", "id", "account", "contact", "flags", "properties"}) == 0
	not calls.alters(["flags"], {})
	not agent
}

at_own_account if not input.target.after.account

at_own_account if input.target.after.account == input.user.account

# METADATA
# title: Tickets answered by call
# custom: {id: answer_call, reason: own_ticket}
written := {"outcome": "allow", "reason": "own_ticket"} if {
	input.resource.type == "ticket"
	input.action.name == "admin:update"
	in_reach
	count(calls.changed - {"properties"}) == 0
	not agent
}

# METADATA
# description: The ticket is the customer's own, or one that its account lets it answer.
in_reach if input.record.contact == input.user.contact

in_reach if {
	data.portal.settings.contacts_see_account_tickets == true
	input.record.account == input.user.account
}
