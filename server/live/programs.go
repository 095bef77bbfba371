package live

import (
	"errors"
	"slices"
	"sync"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// maxPrograms bounds the compiled policies that are kept besides those in force: for a
// draft that is examined and then published, and for a step back.
const maxPrograms = 8

// programs compiles the policies that portals keep in the store, each once while it is
// in use: the same modules make the same program, whatever revision of which portal they
// are of.
type programs struct {
	compile func(files map[string]string) (*policy.Program, error) // nil: there are none

	mu     sync.Mutex
	recent []*compiled // the last that was asked for first
}

// compiled is what came of one set of modules.
type compiled struct {
	digest  string
	once    sync.Once
	program *policy.Program
	err     error
}

// Compile returns what the files of an authz.PolicyRevision compile to: what decides
// when they come into force.
func (m *Manager) Compile(files map[string]string) (*policy.Program, error) {
	return m.programs.of(files)
}

// of returns the program of the modules among the files.
func (p *programs) of(files map[string]string) (*policy.Program, error) {
	if p.compile == nil {
		return nil, authz.Errorf(authz.Unavailable, "this server decides by its folder alone: policies that are kept in the store are not compiled here")
	}
	c := p.entry(policy.Of(files).Revision())
	c.once.Do(func() { c.make(p.compile, files) })
	return c.program, c.err
}

// make compiles the files. They are data by now, and must not end the process.
func (c *compiled) make(compile func(map[string]string) (*policy.Program, error), files map[string]string) {
	defer func() {
		if r := recover(); r != nil {
			c.program, c.err = nil, authz.Errorf(authz.Internal, "the compiler panicked: %v", r)
		}
	}()
	c.program, c.err = compile(files)
}

// entry returns the place of what comes of the files. Those that wait for it do not
// keep others waiting.
func (p *programs) entry(digest string) *compiled {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &compiled{digest: digest}
	if i := slices.IndexFunc(p.recent, func(c *compiled) bool { return c.digest == digest }); i >= 0 {
		c = p.recent[i]
		p.recent = slices.Delete(p.recent, i, i+1)
	}
	p.recent = slices.Insert(p.recent, 0, c)
	if len(p.recent) > maxPrograms {
		p.recent = slices.Delete(p.recent, maxPrograms, len(p.recent))
	}
	return c
}

// errNoPolicy is the cause of an error for want of the folder's policies.
var errNoPolicy = errors.New("no policies have compiled yet")

// programOf returns what decides under b: the folder's policies, of which there may be
// none, or those that the portal keeps in the store. old, which may be nil, is what is
// published of the portal.
func (m *Manager) programOf(old *pdp.View, b *authz.Bundle, folder *policy.Program) (*policy.Program, error) {
	switch {
	case b.Published != nil:
		return m.ownProgram(old, b.Published)
	case folder == nil:
		return nil, authz.Errorf(authz.Unavailable, "there is no usable policy").Because(errNoPolicy)
	}
	return folder, nil
}

func (m *Manager) ownProgram(old *pdp.View, r *authz.PolicyRevision) (*policy.Program, error) {
	if program := inForce(old, r); program != nil {
		return program, nil
	}
	program, err := m.programs.of(r.Files)
	if err != nil {
		return nil, authz.Errorf(authz.KindOf(err), "revision %d of the policy cannot be used: %v", r.Number, err).Because(err)
	}
	return program, nil
}

// inForce returns the program that decides by the very files of r already, or nil.
func inForce(old *pdp.View, r *authz.PolicyRevision) *policy.Program {
	if !own(old) {
		return nil
	}
	p, ok := old.Snapshot.Policy().(*policy.Policy)
	was := old.Snapshot.Bundle().Published
	if !ok || was != r && was.Digest() != r.Digest() {
		return nil
	}
	return p.Program()
}

// own reports whether the view decides by a policy that is kept in the store, which
// the folder's does not matter to.
func own(v *pdp.View) bool {
	return v != nil && v.Snapshot != nil && v.Snapshot.Bundle().Published != nil
}

// folder returns the folder's policies in force; nil: none have compiled yet.
func (m *Manager) folder() *policy.Program {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.program
}
