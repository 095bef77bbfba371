package schema

import "maps"

// portal is the schema of portal.yaml.
func portal() object {
	return closed(object{
		"id":               told(id(), "of the portal; left out when its folder has its name"),
		"title":            str(),
		"policy":           told(id(), "package of its policy, such as presets.acumatica or one of its own"),
		"settings":         told(free(), "what the policy reads as data.portal.settings"),
		"features":         told(flags(), "switches that screens name and policies read"),
		"sharing":          told(object{"type": "array"}, "sharing rules and groups, as the policy knows them"),
		"limits":           free(),
		"resource_screens": told(each(each(id())), "type of resource -> action, or * for all others -> the screen on which it is shown"),
	}, "policy")
}

// rights is the schema of rights.yaml, or of a patch of it.
func rights(patch bool) object {
	level := words("revoked", "view", "edit", "insert", "publish", "delete", "inherit", "not_set")
	if patch {
		return each(orNull(each(orNull(level))))
	}
	return told(each(each(level)), "role -> node -> level; inherit and not_set stand for no right")
}

// entities are the schemas of one element of each list, by the list's name.
func entities() map[string]object {
	return map[string]object{
		"user_types": closed(object{
			"id": id(), "title": str(), "linked": words("contact", "employee"),
			"allowed_roles": told(list(allowedRole()), "roles that its users may hold"),
			"manages":       told(texts(), "user types whose users it manages"),
			"licence":       str(), "attributes": free(),
		}, "id"),
		"roles": closed(object{
			"id": id(), "title": str(), "guest": told(flag(), "outside users may hold it"),
			"inherits": told(texts(), "roles whose rights it has too"), "attributes": free(),
		}, "id"),
		"screens": node(),
		"accounts": closed(object{
			"id": id(), "name": str(), "parent": told(str(), "account above it"), "owner": told(str(), "user who owns it"),
			"flags": flags(), "attributes": free(),
		}, "id"),
		"contacts": closed(object{
			"id": id(), "name": str(), "email": str(), "account": str(), "position": str(), "flags": flags(), "attributes": free(),
		}, "id"),
		"users": closed(object{
			"id": id(), "login": str(), "active": told(flag(), "false, or left out: may do nothing"), "user_type": str(),
			"grants":  told(list(grant()), "roles held"),
			"account": str(), "contact": str(), "position": str(), "flags": flags(), "attributes": free(),
		}, "id"),
		"records": closed(object{
			"type": told(id(), "such as case, article, invoice"), "id": id(), "account": str(), "contact": str(), "owner": str(),
			"parent": told(str(), "type/id of the record that it belongs to, such as case/CS-1"),
			"flags":  flags(), "properties": free(),
		}, "type", "id"),
	}
}

func allowedRole() object {
	return object{"anyOf": []any{id(), closed(object{"role": id(), "default": told(flag(), "given to new users")}, "role")}}
}

func grant() object {
	return object{"anyOf": []any{id(), closed(object{
		"role": id(), "by": told(str(), "who granted it"), "why": told(str(), "why, in the words of who granted it"), "from": moment(), "until": moment(),
	}, "role")}}
}

// node is one node of the screen tree, without nodes nested in it.
func node() object {
	return closed(object{
		"id": id(), "kind": words("workspace", "screen", "container", "element"), "title": str(),
		"parent": told(str(), "node above it; left out below children"), "also_in": told(texts(), "further workspaces that list it"),
		"feature": told(str(), "feature without which it is switched off"), "flags": flags(),
	}, "id", "kind")
}

func nodeWithChildren() object {
	n := node()
	properties := maps.Clone(n["properties"].(object))
	properties["children"] = told(list(ref("node")), "nodes below it")
	n["properties"] = properties
	return n
}
