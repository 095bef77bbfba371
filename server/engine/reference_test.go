package engine_test

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// The reference states the same facts as the engine from the bundle alone, by
// plain loops and recursion, without Casbin, indexes or anything kept.

func findRole(b *authz.Bundle, id string) *authz.Role {
	for i := range b.Roles {
		if b.Roles[i].ID == id {
			return &b.Roles[i]
		}
	}
	return nil
}

func findType(b *authz.Bundle, id string) *authz.UserType {
	for i := range b.UserTypes {
		if b.UserTypes[i].ID == id {
			return &b.UserTypes[i]
		}
	}
	return nil
}

func findNode(b *authz.Bundle, id string) *authz.Node {
	for i := range b.Screens {
		if b.Screens[i].ID == id {
			return &b.Screens[i]
		}
	}
	return nil
}

func addInherited(b *authz.Bundle, id string, into map[string]bool) {
	r := findRole(b, id)
	if r == nil {
		return
	}
	into[id] = true
	for _, to := range r.Inherits {
		addInherited(b, to, into)
	}
}

func addManaged(b *authz.Bundle, id string, into map[string]bool) {
	t := findType(b, id)
	if t == nil {
		return
	}
	for _, to := range t.Manages {
		into[to] = true
		if to != id {
			addManaged(b, to, into)
		}
	}
}

func sortedSet(set map[string]bool) []string {
	var all []string
	for id := range set {
		all = append(all, id)
	}
	sort.Strings(all)
	return all
}

// refPrincipal is authz.Principal without what cannot be compared.
type refPrincipal struct {
	User                      *authz.User
	Roles, Effective, Manages []string
	SameLogin                 int
	ValidUntil                time.Time
}

func referencePrincipal(b *authz.Bundle, u *authz.User, now time.Time, sameLogin int) *refPrincipal {
	if u == nil {
		return nil
	}
	direct, effective, manages := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var until time.Time
	for _, g := range u.Grants {
		begun := g.From.IsZero() || g.From.Equal(now) || g.From.Before(now)
		ended := !g.Until.IsZero() && (g.Until.Equal(now) || g.Until.Before(now))
		if begun && !ended && findRole(b, g.Role) != nil {
			direct[g.Role] = true
			addInherited(b, g.Role, effective)
		}
		for _, t := range []time.Time{g.From, g.Until} {
			if t.After(now) && (until.IsZero() || t.Before(until)) {
				until = t
			}
		}
	}
	addManaged(b, u.UserType, manages)
	return &refPrincipal{u, sortedSet(direct), sortedSet(effective), sortedSet(manages), sameLogin, until}
}

// refScreen is authz.ScreenFacts without what cannot be compared.
type refScreen struct {
	Node          *authz.Node
	Path          []authz.PathNode
	Features, Off []string
}

func referencePath(b *authz.Bundle, n *authz.Node) []*authz.Node {
	if n.Parent == "" {
		return []*authz.Node{n}
	}
	return append(referencePath(b, findNode(b, n.Parent)), n)
}

func referenceScreen(b *authz.Bundle, q *authz.Query) *refScreen {
	var n *authz.Node
	switch q.Resource.Type {
	case "workspace", "screen", "container", "element":
		if n = findNode(b, q.Resource.ID); n != nil && string(n.Kind) != q.Resource.Type {
			n = nil
		}
	default:
		id, ok := b.Portal.ResourceScreens[q.Resource.Type][q.Action.Name]
		if !ok {
			id = b.Portal.ResourceScreens[q.Resource.Type]["*"]
		}
		n = findNode(b, id)
	}
	if n == nil {
		return nil
	}
	s := &refScreen{Node: n}
	all, off := map[string]bool{}, map[string]bool{}
	for _, step := range referencePath(b, n) {
		configured := slices.ContainsFunc(b.Rights, func(r authz.Right) bool { return r.Node == step.ID })
		s.Path = append(s.Path, authz.PathNode{ID: step.ID, Kind: step.Kind, Configured: configured})
		if step.Feature != "" {
			all[step.Feature] = true
			if !b.Portal.Features[step.Feature] {
				off[step.Feature] = true
			}
		}
	}
	s.Features, s.Off = sortedSet(all), sortedSet(off)
	return s
}

func referenceRights(b *authz.Bundle, p *refPrincipal, s *refScreen) []authz.NodeRights {
	if p == nil || s == nil {
		return nil
	}
	var all []authz.NodeRights
	for _, step := range s.Path {
		var levels []authz.RoleLevel
		for _, role := range p.Effective {
			for _, r := range b.Rights {
				if r.Role == role && r.Node == step.ID {
					levels = append(levels, authz.RoleLevel{Role: role, Level: r.Level})
				}
			}
		}
		if levels != nil {
			all = append(all, authz.NodeRights{Node: step.ID, Levels: levels})
		}
	}
	return all
}

// referenceFields climbs from every element up to the screen in question.
func referenceFields(b *authz.Bundle, p *refPrincipal, s *refScreen) []authz.FieldRights {
	if s == nil || s.Node.Kind != authz.Screen {
		return nil
	}
	elements := map[string]bool{}
	for i := range b.Screens {
		if path := referencePath(b, &b.Screens[i]); b.Screens[i].Kind == authz.Element && slices.Contains(path, findNode(b, s.Node.ID)) {
			elements[b.Screens[i].ID] = true
		}
	}
	var all []authz.FieldRights
	for _, n := range b.Screens {
		if !elements[n.ID] {
			continue
		}
		f := authz.FieldRights{Field: n.ID}
		if short := strings.TrimPrefix(n.ID, s.Node.ID+"."); short != "" && !elements[short] {
			f.Field = short
		}
		if p != nil {
			for _, role := range p.Effective {
				for _, r := range b.Rights {
					if r.Role == role && r.Node == n.ID {
						f.Levels = append(f.Levels, authz.RoleLevel{Role: role, Level: r.Level})
					}
				}
			}
		}
		all = append(all, f)
	}
	return all
}

// refFacts is authz.Facts without what cannot be compared.
type refFacts struct {
	User, Actor, Owner *refPrincipal
	Screen             *refScreen
	Rights             []authz.NodeRights
	Fields             []authz.FieldRights
}

func plainPrincipal(p *authz.Principal) *refPrincipal {
	if p == nil {
		return nil
	}
	return &refPrincipal{p.User, p.Roles, p.EffectiveRoles, p.Manages, p.SameLogin, p.ValidUntil}
}

func plain(f authz.Facts) refFacts {
	r := refFacts{User: plainPrincipal(f.User), Actor: plainPrincipal(f.Actor), Owner: plainPrincipal(f.Owner), Rights: f.Rights, Fields: f.Fields}
	if f.Screen != nil {
		r.Screen = &refScreen{f.Screen.Node, f.Screen.Path, f.Screen.Features, f.Screen.FeaturesOff}
	}
	return r
}
