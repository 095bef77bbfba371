# METADATA
# title: Helpdesk
package helpdesk

# METADATA
# entrypoint: true
# custom: {reasons: {granted: It may., not_granted: It may not.}}
decision := granted if granted

else := {"outcome": "deny", "reason": "not_granted"}

# METADATA
# custom: {id: member, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if input.user.account == "A"

# METADATA
# custom: {id: member, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if input.user.contact == "A"
