# METADATA
# title: Helpdesk
package helpdesk

# METADATA
# entrypoint: true
# custom: {id: own, reasons: {granted: It may., closed: It may not.}}
decision := {"outcome": "allow", "reason": "granted"} if input.user.active == true

else := {"outcome": "deny", "reason": "not_granted"}
