# METADATA
# title: Helpdesk
package helpdesk

# METADATA
# entrypoint: true
# custom: {id: own, reasons: {granted: It may.}}
decision := {"outcome": "allow", "reason": "granted"}
