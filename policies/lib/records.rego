# METADATA
# title: Records
# description: |
#   Whose a record is, and what its flags say, each for the record asked about and,
#   as `parent_...`, for the record that it belongs to. Every rule holds of what is
#   stored only, and of nothing that is missing: a user of no account has no
#   account in common with a record of none.
package lib.records

# METADATA
# description: The record is of the user's contact.
own if input.record.contact == input.user.contact

# METADATA
# description: The record is of the user's account.
own_account if input.record.account == input.user.account

# METADATA
# description: The record is marked to be shown in the portal.
visible if input.record.flags.visible == true

# METADATA
# description: The record exists and is not closed. Of one that is not there, neither this nor the contrary holds.
open if {
	input.record.id
	not input.record.flags.closed
}

# METADATA
# description: The record belongs to one of the user's contact.
parent_own if input.parent.contact == input.user.contact

# METADATA
# description: The record belongs to one of the user's account.
parent_own_account if input.parent.account == input.user.account

# METADATA
# description: The record belongs to one that is marked to be shown in the portal.
parent_visible if input.parent.flags.visible == true

# METADATA
# description: The record is a published one that belongs to one shown in the portal, as comments are.
published_under_visible if {
	input.record.flags.published == true
	input.parent.flags.visible == true
}
