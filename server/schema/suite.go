package schema

import "maps"

// suite is the schema of decisions.yaml.
func suite() object {
	s := closed(object{
		"portal":       told(id(), "asked unless a case names another"),
		"now":          told(moment(), "the moment of every decision, RFC 3339"),
		"given":        told(ref("given"), "for all cases, before their own"),
		"cases":        list(oneCase()),
		"matrices":     list(matrix()),
		"admission":    list(change(admissionWant())),
		"provisioning": list(change(provisioningWant())),
		"pending":      list(closed(object{"id": id(), "reason": id()}, "id", "reason")),
	}, "now")
	s["definitions"] = object{"given": given()}
	return s
}

// asked are the keys that all cases share.
func asked() object {
	return object{
		"id": told(id(), "several cases may carry one"), "name": str(), "portal": id(), "now": moment(),
		"given":   ref("given"),
		"context": told(free(), "what the caller says of the circumstances; actor: id of who really acts"),
		"skip":    told(id(), "why it is not run"),
		"only":    told(flag(), "nothing but such cases is run; never passes in CI"),
	}
}

// claimed are the keys of questions.
func claimed() object {
	return object{
		"subject_properties": told(free(), "what the caller claims"),
		"action_properties":  free(),
		"properties":         told(free(), "of the resource, as the caller claims"),
	}
}

func with(parts ...object) object {
	all := object{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

func outcome() object { return words("allow", "deny", "challenge", "hide") }

func level() object { return words("revoked", "view", "edit", "insert", "publish", "delete") }

func number() object { return object{"type": "integer", "minimum": 0} }

func ruleIDs() object { return told(texts(), "custom.id of the rules that decided") }

func oneCase() object {
	return closed(with(asked(), claimed(), object{
		"subject":  told(id(), "a user's id, or type/id"),
		"action":   id(),
		"resource": told(object{"type": "string", "pattern": "^[^/]+/."}, "type/id"),
		"set":      told(free(), "of admin:create and admin:update: what the call writes, a merge patch of the stored entity"),
		"revision": told(closed(object{
			"user": told(id(), "who made it"), "approvals": told(texts(), "users who are for it"), "published": told(flag(), "it was in force before"),
			"checked":    closed(object{"ok": flag(), "cases": number()}),
			"difference": closed(object{"complete": flag(), "locked_out": flag(), "gained": number(), "lost": number()}),
		}), "of administration calls about policy/NUMBER: the revision, with what has come of it"),
		"want": closed(object{
			"outcome": outcome(), "reason": str(), "level": level(),
			"fields":      each(words("hidden", "read", "write")),
			"obligations": list(free()), "rules": ruleIDs(),
		}, "outcome"),
	}), "id", "subject", "action", "resource", "want")
}

func matrix() object {
	some := object{"type": "array", "items": id(), "minItems": 1, "uniqueItems": true}
	return closed(with(asked(), claimed(), object{
		"subjects": some, "actions": some, "resources": some,
		"want": told(list(closed(object{
			"subjects": some, "actions": some, "resources": some,
			"outcome": outcome(), "reason": str(), "level": level(), "rules": ruleIDs(),
		}, "outcome")), "later lines win; what no line names is denied"),
	}), "id", "subjects", "actions", "resources", "want")
}

// counted are what a policy may count.
func counted() []string {
	return []string{"users", "users_of_type", "users_of_account", "accounts_of_owner", "positions", "screens"}
}

// change is a case of admission or provisioning.
func change(want object) object {
	counts := object{}
	for _, name := range counted() {
		counts[name] = number()
	}
	return closed(with(asked(), object{
		"actor":     told(id(), "the user who writes; left out for the system itself"),
		"operation": words("create", "update", "delete"),
		"entity":    told(object{"type": "string", "pattern": "^[^/]+/."}, "kind/id; record/case/CS-1, right/ROLE/NODE"),
		"set":       told(free(), "merge patch of the stored entity; of a new one all but its id"),
		"counts":    told(closed(counts), "stand for that many, so that a limit is tested without as many entities"),
		"latches":   told(texts(), "tasks with once that ran before"),
		"want":      want,
	}), "id", "operation", "entity", "want")
}

func admissionWant() object {
	return closed(object{
		"refusals": told(list(closed(object{"rule": str(), "field": str(), "reason": str()})), "[] for a change that is accepted; members not given are not compared"),
		"defaults": told(free(), "exactly these"),
	}, "refusals")
}

func provisioningWant() object {
	return closed(object{
		"tasks": told(list(closed(object{
			"id": str(), "kind": words("create", "update", "deactivate", "delete", "mail"), "entity": str(), "set": free(),
			"template": str(), "to": str(), "after": object{}, "once": flag(),
		})), "in any order and exactly as many; members not given are not compared"),
	}, "tasks")
}

// given is the schema of a merge patch of a portal's data, by id.
func given() object {
	properties := object{"portal": patchOf(portal()), "rights": rights(true)}
	for name, entity := range entities() {
		properties[name] = each(orNull(patchOf(entity)))
	}
	return told(closed(properties), "a merge patch of the portal's data, by id: null removes, an unknown id adds")
}

// patchOf returns the schema of a merge patch of what s is of.
func patchOf(s object) object {
	properties := object{}
	for name, p := range s["properties"].(object) {
		properties[name] = orNull(inPatch(p.(object)))
	}
	return closed(properties)
}

// inPatch lets null remove members of what is within a patch.
func inPatch(s object) object {
	if values, ok := s["additionalProperties"].(object); ok {
		return each(orNull(inPatch(values)))
	}
	return s
}
