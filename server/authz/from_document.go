package authz

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxDocumentFaults bounds the faults of one document; more are not looked for.
const maxDocumentFaults = 100

// FromDocument returns the entity that the document says, the inverse of
// [Document]: a level may be a name or a rank, a grant or an allowed role may be the
// name of the role alone, and what k says of the entity may be left out. Values are
// those of JSON, decoded with or without json.Number. The entity shares nothing with
// the document. Empty lists and mappings are nil in it.
//
// All that is wrong is an Invalid error because of [Faults], with paths within the
// document. Whether what the entity refers to exists is for [World.Validate].
func FromDocument(k Key, doc map[string]any) (Stored, error) {
	r := &documentReader{guesses: guessBudget}
	e := r.entity(k, doc)
	switch {
	case len(r.faults) > 0:
		return nil, Errorf(Invalid, "%s", r.faults[0].Msg).At(r.faults[0].Path).Because(r.faults)
	case e == nil:
		return nil, Errorf(Invalid, "%s is no kind of entity", quote(string(k.Kind)))
	}
	return e, nil
}

// documentReader gathers what is wrong with one document.
type documentReader struct {
	faults  Faults
	guesses int
}

// field reads one member of an object.
type field func(v any, path string)

// fields are the members that an object may have.
type fields map[string]field

func (r *documentReader) fault(path, format string, args ...any) {
	if len(r.faults) < maxDocumentFaults {
		r.faults = append(r.faults, Fault{Path: path, Msg: fmt.Sprintf(format, args...)})
	}
}

func (r *documentReader) entity(k Key, doc map[string]any) Stored {
	switch k.Kind {
	case PortalEntity:
		return r.portal(k, doc)
	case UserTypeEntity:
		return r.userType(k, doc)
	case RoleEntity:
		e := Role{ID: k.ID}
		r.members(doc, "", fields{"id": r.same(k.ID), "title": r.text(&e.Title), "guest": r.flag(&e.Guest),
			"inherits": r.texts(&e.Inherits), "attributes": r.values(&e.Attributes)})
		return e
	case NodeEntity:
		e := Node{ID: k.ID}
		r.members(doc, "", fields{"id": r.same(k.ID), "kind": r.text((*string)(&e.Kind)), "title": r.text(&e.Title), "parent": r.text(&e.Parent),
			"also_in": r.texts(&e.AlsoIn), "feature": r.text(&e.Feature), "flags": r.flags(&e.Flags)})
		return e
	case RightEntity:
		return r.right(k, doc)
	case UserEntity:
		return r.user(k, doc)
	case AccountEntity:
		e := Account{ID: k.ID}
		r.members(doc, "", fields{"id": r.same(k.ID), "name": r.text(&e.Name), "parent": r.text(&e.Parent), "owner": r.text(&e.Owner),
			"flags": r.flags(&e.Flags), "attributes": r.values(&e.Attributes)})
		return e
	case ContactEntity:
		e := Contact{ID: k.ID}
		r.members(doc, "", fields{"id": r.same(k.ID), "name": r.text(&e.Name), "email": r.text(&e.Email), "account": r.text(&e.Account),
			"position": r.text(&e.Position), "flags": r.flags(&e.Flags), "attributes": r.values(&e.Attributes)})
		return e
	case RecordEntity:
		e := Record{Type: k.Of, ID: k.ID}
		r.members(doc, "", fields{"type": r.same(k.Of), "id": r.same(k.ID), "account": r.text(&e.Account), "contact": r.text(&e.Contact),
			"owner": r.text(&e.Owner), "parent": r.text(&e.Parent), "flags": r.flags(&e.Flags), "properties": r.values(&e.Properties)})
		return e
	}
	return nil
}

func (r *documentReader) portal(k Key, doc map[string]any) Portal {
	e := Portal{ID: k.ID}
	r.members(doc, "", fields{
		"id": r.same(k.ID), "title": r.text(&e.Title), "policy": r.text(&e.Policy), "settings": r.values(&e.Settings),
		"features": r.flags(&e.Features), "limits": r.values(&e.Limits), "resource_screens": r.resourceScreens(&e.ResourceScreens),
		"sharing": func(v any, path string) {
			left := MaxValues
			if all, ok := r.free(v, path, 1, &left).([]any); ok && len(all) > 0 {
				e.Sharing = all
			} else if !ok {
				r.wrong(v, path, "a list")
			}
		},
	})
	return e
}

func (r *documentReader) resourceScreens(to *map[string]map[string]string) field {
	return func(v any, path string) {
		r.each(v, path, func(typ string, v any, path string) {
			r.each(v, path, func(action string, v any, path string) {
				var id string
				r.text(&id)(v, path)
				if *to == nil {
					*to = map[string]map[string]string{}
				}
				if (*to)[typ] == nil {
					(*to)[typ] = map[string]string{}
				}
				(*to)[typ][action] = id
			})
		})
	}
}

func (r *documentReader) userType(k Key, doc map[string]any) UserType {
	e := UserType{ID: k.ID}
	r.members(doc, "", fields{
		"id": r.same(k.ID), "title": r.text(&e.Title), "linked": r.text((*string)(&e.Linked)), "manages": r.texts(&e.Manages),
		"licence": r.text(&e.Licence), "attributes": r.values(&e.Attributes),
		"allowed_roles": func(v any, path string) {
			r.items(v, path, func(v any, path string) {
				var a AllowedRole
				if s, ok := v.(string); ok {
					a.Role = s
				} else {
					r.object(v, path, fields{"role": r.text(&a.Role), "default": r.flag(&a.Default)})
				}
				e.AllowedRoles = append(e.AllowedRoles, a)
			})
		},
	})
	return e
}

func (r *documentReader) user(k Key, doc map[string]any) User {
	e := User{ID: k.ID}
	r.members(doc, "", fields{
		"id": r.same(k.ID), "login": r.text(&e.Login), "active": r.flag(&e.Active), "user_type": r.text(&e.UserType),
		"account": r.text(&e.Account), "contact": r.text(&e.Contact), "position": r.text(&e.Position),
		"flags": r.flags(&e.Flags), "attributes": r.values(&e.Attributes),
		"grants": func(v any, path string) {
			r.items(v, path, func(v any, path string) {
				var g Grant
				if s, ok := v.(string); ok {
					g.Role = s
				} else {
					r.object(v, path, fields{"role": r.text(&g.Role), "by": r.text(&g.By), "why": r.text(&g.Why), "from": r.time(&g.From), "until": r.time(&g.Until)})
				}
				e.Grants = append(e.Grants, g)
			})
		},
	})
	return e
}

func (r *documentReader) right(k Key, doc map[string]any) Right {
	e := Right{Role: k.Of, Node: k.ID}
	r.members(doc, "", fields{"role": r.same(k.Of), "node": r.same(k.ID), "level": r.level(&e.Level)})
	if _, ok := doc["level"]; !ok {
		r.fault("level", "is missing: want a level such as view")
	}
	return e
}

// level reads a level by its name or its rank.
func (r *documentReader) level(to *Level) field {
	return func(v any, path string) {
		if name, ok := v.(string); ok {
			l, err := ParseLevel(name)
			switch {
			case err == nil:
				*to = l
			case name == "inherit" || name == "not_set":
				r.fault(path, "%s is no level of a right: to have none, delete the right", quote(name))
			default:
				r.fault(path, "unknown level %s: want one of %s", quote(name), strings.Join(levelNames[:], ", "))
			}
			return
		}
		n, _ := number(v)
		rank, whole := n.(int64)
		if !whole || rank < 0 || rank >= int64(len(levelNames)) {
			r.wrong(v, path, fmt.Sprintf("the name of a level, or its rank from 0 to %d", len(levelNames)-1))
			return
		}
		*to = Level(rank)
	}
}

// same reads a member that k says already.
func (r *documentReader) same(want string) field {
	return func(v any, path string) {
		s, ok := v.(string)
		switch {
		case !ok:
			r.wrong(v, path, "text")
		case s != want:
			r.fault(path, "is %s, but the entity is %s: make them the same, or leave it out", quote(s), quote(want))
		}
	}
}

func (r *documentReader) text(to *string) field {
	return func(v any, path string) {
		s, ok := v.(string)
		if *to = s; !ok {
			r.wrong(v, path, "text")
		}
	}
}

func (r *documentReader) flag(to *bool) field {
	return func(v any, path string) {
		b, ok := v.(bool)
		if *to = b; !ok {
			r.wrong(v, path, "true or false")
		}
	}
}

func (r *documentReader) texts(to *[]string) field {
	return func(v any, path string) {
		r.items(v, path, func(v any, path string) {
			var s string
			r.text(&s)(v, path)
			*to = append(*to, s)
		})
	}
}

func (r *documentReader) flags(to *map[string]bool) field {
	return func(v any, path string) {
		r.each(v, path, func(name string, v any, path string) {
			var on bool
			r.flag(&on)(v, path)
			if *to == nil {
				*to = map[string]bool{}
			}
			(*to)[name] = on
		})
	}
}

// time reads a moment. The year 1 would be the zero time, which means no bound at
// all and so the opposite of what it says.
func (r *documentReader) time(to *time.Time) field {
	return func(v any, path string) {
		s, ok := v.(string)
		if !ok {
			r.wrong(v, path, "a time as text")
			return
		}
		var t time.Time
		switch err := t.UnmarshalText([]byte(s)); {
		case err != nil:
			r.fault(path, "%s is no time: want RFC 3339, such as 2026-01-31T00:00:00Z", quote(s))
		case t.UTC().Year() < 1000 || t.UTC().Year() > 9999:
			r.fault(path, "%s is out of range: want a year from 1000 to 9999; leave it out for no bound", quote(s))
		case t.Nanosecond()%int(time.Millisecond) != 0:
			r.fault(path, "%s is finer than a millisecond, which the store does not keep: round it", quote(s))
		default:
			*to = t.UTC()
		}
	}
}

func (r *documentReader) values(to *map[string]any) field {
	return func(v any, path string) {
		left := MaxValues
		m, ok := r.free(v, path, 1, &left).(map[string]any)
		if !ok {
			r.wrong(v, path, "an object")
		}
		if len(m) > 0 {
			*to = m
		}
	}
}

// wrong says that v is not what is wanted.
func (r *documentReader) wrong(v any, path, want string) {
	if v == nil {
		r.fault(path, "is null where %s is wanted: leave it out to have none", want)
		return
	}
	r.fault(path, "is %s where %s is wanted", kindOf(v), want)
}

// kindOf names the kind of a JSON value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "text"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	if _, ok := number(v); ok {
		return "a number"
	}
	return fmt.Sprintf("a %T", v)
}

func (r *documentReader) object(v any, path string, known fields) {
	m, ok := v.(map[string]any)
	if !ok {
		r.wrong(v, path, "an object")
		return
	}
	r.members(m, path, known)
}

// members reads the members of an object in a fixed order, so that the same faults
// are found at every run.
func (r *documentReader) members(m map[string]any, path string, known fields) {
	for _, name := range sortedKeys(m) {
		at := memberPath(path, name)
		if read, ok := known[name]; ok {
			read(m[name], at)
			continue
		}
		hint := "want one of " + strings.Join(sortedKeys(known), ", ")
		if near := nearest(name, maps.Keys(known), &r.guesses); near != "" {
			hint = "did you mean " + quote(near) + "?"
		}
		r.fault(at, "unknown member %s: %s", quote(name), hint)
	}
}

func (r *documentReader) items(v any, path string, read field) {
	list, ok := v.([]any)
	if !ok {
		r.wrong(v, path, "a list")
	}
	for i, item := range list {
		read(item, path+"["+strconv.Itoa(i)+"]")
	}
}

func (r *documentReader) each(v any, path string, read func(name string, v any, path string)) {
	m, ok := v.(map[string]any)
	if !ok {
		r.wrong(v, path, "an object")
	}
	for _, name := range sortedKeys(m) {
		read(name, m[name], memberPath(path, name))
	}
}

func memberPath(path, name string) string { return strings.TrimPrefix(path+keyPath(name), ".") }

// free returns a copy of any value in the form in which values are stored. left
// bounds the number of values.
func (r *documentReader) free(v any, path string, depth int, left *int) any {
	if *left--; *left < 0 {
		if *left == -1 {
			r.fault(path, "is one value too many: at most %d in one mapping", MaxValues)
		}
		return nil
	}
	switch v := v.(type) {
	case nil, bool, string:
		return v
	case []any:
		if r.deep(path, depth) {
			return []any(nil)
		}
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = r.free(x, path+"["+strconv.Itoa(i)+"]", depth+1, left)
		}
		return list
	case map[string]any:
		if r.deep(path, depth) {
			return map[string]any(nil)
		}
		m := make(map[string]any, len(v))
		for _, name := range sortedKeys(v) {
			m[name] = r.free(v[name], memberPath(path, name), depth+1, left)
		}
		return m
	}
	n, ok := number(v)
	if !ok {
		r.fault(path, "%s is no number that can be kept: want a whole number of 64 bits or a finite one of double precision", quote(fmt.Sprint(v)))
	}
	return n
}

func (r *documentReader) deep(path string, depth int) bool {
	if depth <= MaxValueDepth {
		return false
	}
	r.fault(path, "is nested too deep: at most %d lists and objects within one another", MaxValueDepth)
	return true
}

// number returns a number as it is stored: int64 when it is whole and fits, and else
// float64.
func number(v any) (any, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return canonical(v)
	case json.Number:
		if i, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return i, true
		}
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil || !strings.ContainsAny(string(v), ".eE") {
			return nil, false
		}
		return canonical(f)
	}
	return nil, false
}

func canonical(f float64) (any, bool) {
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return int64(f), true
	}
	return f, !math.IsNaN(f) && !math.IsInf(f, 0)
}

// MergePatch returns doc with the patch applied to it (RFC 7396): null removes, an
// object is merged, and all else replaces. Neither is written to, and the result
// shares with both what it does not change.
func MergePatch(doc, patch map[string]any) map[string]any {
	merged := make(map[string]any, len(doc)+len(patch))
	maps.Copy(merged, doc)
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(merged, name)
		case map[string]any:
			old, _ := merged[name].(map[string]any)
			merged[name] = MergePatch(old, v)
		default:
			merged[name] = v
		}
	}
	return merged
}
