# METADATA
# title: Helpdesk
package helpdesk

# METADATA
# entrypoint: true
# custom: {id: own, reasons: {granted: It may., not_granted: It may not.}}
decision := {"outcome": "allow", "reason": "granted"} if input.user.actve == true

else := {"outcome": "deny", "reason": "not_granted"}
