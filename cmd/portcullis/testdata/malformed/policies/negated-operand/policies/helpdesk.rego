# METADATA
# title: Helpdesk
package helpdesk

# METADATA
# entrypoint: true
# custom: {reasons: {not_granted: It may not., other_team: The case is of another team.}}
decision := {"outcome": "deny", "reason": "other_team"} if not input.user.attributes.team in data.portal.settings.teams

else := {"outcome": "deny", "reason": "not_granted"}
