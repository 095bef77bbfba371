// Package csvfile reads and writes users, user types, roles and rights as CSV, the
// form in which a portal's owner has them when moving in.
//
// A file is RFC 4180 in UTF-8, with or without a byte order mark. Its first line
// names the columns, in any order; cells are separated by "," or ";", whichever
// gives the first line more known columns. A row says what an entity is to be: one
// that is not there is created, one that is there changes in the columns that the
// file has and in no other. Rows without any text are passed over.
//
//	users       id, login, active, user_type, roles, account, contact, position, flags, attributes.NAME
//	user_types  id, title, linked, allowed_roles, manages, licence, attributes.NAME
//	roles       id, title, guest, inherits, attributes.NAME
//	rights      role, screen, level
//
// The columns id, role, screen and level must be there. An empty cell of another
// column takes the value away; active and guest want true or false (yes, no, 1, 0).
//
// roles, allowed_roles, manages, inherits and flags hold a list separated by "|".
// In it, "\" takes its meaning from the sign that follows: "\|", "\=", "\ " and
// "\\" are those signs, "\n", "\r" and "\t" ends of lines and a tab.
//
//	roles          Clerk | Guest until 2026-12-31 | Buyer from 2026-01-01T08:00:00Z by=ann why=stands in for Bob
//	allowed_roles  Clerk=default | Buyer
//	flags          super_user | admin=false
//
// A date alone is its first moment in UTC: a grant until 2026-12-31 is not in force
// on that day. A grant that the user has already, with the same times, keeps who
// gave it and why, unless the row says it.
//
// A cell of attributes.NAME that is a JSON number, true, false, null, list, object
// or text in double quotes is that value; any other text is itself.
//
// A level is revoked, view, edit, insert, publish or delete; inherit and not_set
// take an explicit level away.
//
// A spreadsheet takes a cell that begins with "=", "+", "-" or "@" for a formula,
// and runs it. [Write] puts "'" before such a cell, and before one that begins so
// behind "'" already; [Read] takes one "'" off again. All else is as it is.
//
// What Write writes of an entity, Read and [Row.Apply] make the same again.
package csvfile
