# METADATA
# title: Helpdesk
package helpdesk

import data.lib.level

# METADATA
# entrypoint: true
# custom: {id: own, reasons: {granted: It may., not_granted: It may not.}}
decision := {"outcome": "allow", "reason": "granted"} if level.screen >= 1

else := {"outcome": "deny", "reason": "not_granted"}
