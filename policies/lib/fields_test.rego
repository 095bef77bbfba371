package lib.fields_test

import data.lib.fields

cases := {
	"nobody opened it": {"held": {}, "mask": "hidden", "readable": "hidden"},
	"revoked": {"held": {"r": 0}, "mask": "hidden", "readable": "hidden"},
	"view": {"held": {"r": 1}, "mask": "read", "readable": "read"},
	"edit": {"held": {"r": 2}, "mask": "write", "readable": "read"},
	"insert": {"held": {"r": 3}, "mask": "write", "readable": "read"},
	"publish": {"held": {"r": 4}, "mask": "write", "readable": "read"},
	"delete": {"held": {"r": 5}, "mask": "write", "readable": "read"},
	"one role hides it, another shows it": {"held": {"q": 0, "r": 1}, "mask": "read", "readable": "read"},
	"the widest of three": {"held": {"q": 1, "r": 0, "s": 2}, "mask": "write", "readable": "read"},
	"two roles of one level": {"held": {"q": 1, "r": 1}, "mask": "read", "readable": "read"},
}

test_one_field[name] if {
	some name, case in cases
	fields.mask == {"phone": case.mask} with input.fields as {"phone": case.held}
	fields.readable == {"phone": case.readable} with input.fields as {"phone": case.held}
}

# Each field is for itself.
test_every_field if {
	every mask in ["mask", "readable"] {
		fields[mask] == {name: case[mask] | some name, case in cases} with input.fields as {name: case.held |
			some name, case in cases
		}
	}
}

# Without fields there is nothing to show.
test_no_fields if {
	every question in [{}, {"fields": {}}] {
		fields.mask == {} with input as question
		fields.readable == {} with input as question
	}
}
