# METADATA
# title: Helpdesk
package helpdesk

# METADATA
# entrypoint: true
# custom: {reasons: {granted: It may., not_granted: It may not.}}
decision := granted if granted

else := {"outcome": "deny", "reason": "not_granted"}

granted := {"outcome": "allow", "reason": "granted"} if input.user.active == true
