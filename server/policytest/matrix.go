package policytest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// maxLines bounds the lines that each case of a matrix is held against.
const maxLines = 500

// matrix is every combination of some subjects, actions and resources.
type matrix struct {
	subjects, actions, resources []string
	lines                        []matrixLine
}

// matrixLine says what a part of a matrix must come to. An empty dimension is all
// of it.
type matrixLine struct {
	subjects, actions, resources []string
	want                         Want
	line                         int
}

func (p *parser) matrix(n *yamltree.Node, path string) {
	c, m := Case{Head: p.start(n)}, matrix{}
	fields := p.claimed(&c)
	maps.Copy(fields, yamltree.Fields{
		"subjects":  p.entities(&m.subjects, "user", "ray.newman"),
		"actions":   p.dimension(&m.actions),
		"resources": p.entities(&m.resources, "", "screen/SP408030"),
		"want":      func(*yamltree.Node, string) {}, // after the dimensions, whose members it names
	})
	p.Object(n, path, fields)
	p.checkHead(&c.Head, n, path)
	p.present(n, path, "subjects", "[ray.newman]")
	p.present(n, path, "actions", "[view, edit]")
	p.present(n, path, "resources", "[screen/SP408030]")
	if n.Kind != yamltree.Map {
		return
	}
	if want := n.Get("want"); want == nil {
		p.Fault(n.Pos, yamltree.Dot(path, "want"), "is missing: add a line such as {actions: [view], outcome: allow}; what no line names is denied")
	} else {
		yamltree.ListOf(&p.Decoder, &m.lines, m.line(p))(want, yamltree.Dot(path, "want"))
	}
	if len(m.lines) > maxLines {
		p.Fault(n.Pos, path, "has %d lines of want: at most %d", len(m.lines), maxLines)
		return
	}
	if size := len(m.subjects) * len(m.actions) * len(m.resources); size > MaxMatrix {
		p.Fault(n.Pos, path, "stands for %d cases: a matrix has at most %d", size, MaxMatrix)
		return
	}
	p.expand(&m, &c, n, path)
}

// dimension decodes a list of names, each given once.
func (p *parser) dimension(dst *[]string) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		p.Texts(dst)(n, path)
		if n.Kind == yamltree.List && len(n.Items) == 0 {
			p.Fault(n.Pos, path, "is empty: name at least one")
		}
		seen := make(map[string]bool, len(*dst))
		for i, name := range *dst {
			if seen[name] {
				p.Fault(n.Items[i].Pos, yamltree.Index(path, i), "%s is named twice: remove one", yamltree.Clip(name))
			}
			seen[name] = true
		}
	}
}

// entities decodes a dimension of subjects or resources.
func (p *parser) entities(dst *[]string, typ, example string) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		p.dimension(dst)(n, path)
		for i, name := range *dst {
			p.checkEntity(n.Items[i], yamltree.Index(path, i), entity(name, typ), example)
		}
	}
}

// line returns what decodes one line of want.
func (m *matrix) line(p *parser) func(*matrixLine, *yamltree.Node, string) {
	return func(l *matrixLine, n *yamltree.Node, path string) {
		l.line = n.Line
		p.Object(n, path, yamltree.Fields{
			"subjects":  p.part(&l.subjects, m.subjects),
			"actions":   p.part(&l.actions, m.actions),
			"resources": p.part(&l.resources, m.resources),
			"outcome":   p.outcome(&l.want.Outcome),
			"reason":    p.Text(&l.want.Reason),
			"level":     p.level(&l.want.Level),
			"rules":     p.rules(&l.want.Rules),
		})
		p.needs(n, path, "outcome", "allow, deny, challenge or hide")
	}
}

// part decodes names of a dimension.
func (p *parser) part(dst *[]string, dimension []string) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		p.dimension(dst)(n, path)
		for i, name := range *dst {
			if !slices.Contains(dimension, name) {
				p.Fault(n.Items[i].Pos, yamltree.Index(path, i), "%s is none of the matrix%s", yamltree.Clip(name), yamltree.Nearest(name, dimension))
			}
		}
	}
}

// expand adds the cases of the matrix.
func (p *parser) expand(m *matrix, c *Case, n *yamltree.Node, path string) {
	for _, subject := range m.subjects {
		for _, action := range m.actions {
			for _, resource := range m.resources {
				one := *c
				props := one.Query
				one.Query.Subject, one.Query.Resource = entity(subject, "user"), entity(resource, "")
				one.Query.Subject.Properties, one.Query.Resource.Properties = props.Subject.Properties, props.Resource.Properties
				one.Query.Action.Name = action
				one.Name = fmt.Sprintf("%s: %s %s %s", c.Name, subject, action, resource)
				one.Want, one.Line = m.want(subject, action, resource, n.Line)
				p.add(one, n.Pos, path)
			}
		}
	}
}

// want returns what the last line that names the case says, with its place.
func (m *matrix) want(subject, action, resource string, line int) (Want, int) {
	for _, l := range slices.Backward(m.lines) {
		if l.names(subject, action, resource) {
			return l.want, l.line
		}
	}
	return Want{Outcome: authz.Deny}, line
}

func (l *matrixLine) names(subject, action, resource string) bool {
	in := func(part []string, name string) bool { return len(part) == 0 || slices.Contains(part, name) }
	return in(l.subjects, subject) && in(l.actions, action) && in(l.resources, resource)
}
