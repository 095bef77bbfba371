# METADATA
# title: Logins
# description: |
#   Who may log in to the portal at all. It takes a stored user who is active, and
#   a portal whose setting `login_enabled` is true; where users log in by mail
#   address, it takes an address as well, and no other active user with the same.
#   Logins are compared trimmed and in lower case, and an empty one is nobody's.
package lib.logins

# METADATA
# description: The stored user is active, and the portal lets its users in.
open if {
	input.user.active == true
	data.portal.settings.login_enabled == true
}

# METADATA
# description: |
#   As `open`, for portals whose users log in by their mail address: every holder of
#   an address that two active users have is kept out.
open_by_mail if {
	input.user.active == true
	data.portal.settings.login_enabled == true
	address
	input.user.same_login == 0
}

# METADATA
# description: The login is a mail address.
address if regex.match(`^\s*[^@\s]+@[^@\s]+\s*$`, input.user.login)

# METADATA
# description: |
#   Why a user of an open portal may not log in where users log in by mail address:
#   a reason for the decision. It only says why; undefined, it opens nothing.
mail_refusal := "no_email" if not address

else := "login_not_unique" if not input.user.same_login == 0
