# METADATA
# title: Field masks
# description: |
#   What a user may do with each field of a record, for portals where a field that
#   nobody opened is closed. The fields are the elements of the screen on which the
#   record is shown, as `input.fields` has them. Of several roles the widest counts:
#   view shows a field, edit and more let it be changed; revoked is as good as
#   nothing. No fields at all give an empty mask.
package lib.fields

# METADATA
# description: Every field with `hidden`, `read` or `write`, for who may change the record.
mask := {name: access |
	some name, held in input.fields
	access := ["hidden", "read", "write"][min({2, max({0} | {level | some level in held})})]
}

# METADATA
# description: The same for who may only read the record. Every field is `hidden` or `read`.
readable := {name: access |
	some name, held in input.fields
	access := ["hidden", "read"][min({1, max({0} | {level | some level in held})})]
}
