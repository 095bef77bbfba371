package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Reach returns the paths of the modules that the package's rules can come to
// evaluate, its own included, sorted. The error is Invalid when no module is of the
// package.
func (p *Program) Reach(pkg string) ([]string, error) {
	root, err := ast.ParseRef("data." + pkg)
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "%q is no policy package", pkg).At("policy")
	}
	var reached []string
	for path, m := range p.compiler.Modules {
		if m.Package.Path.Equal(root) {
			reached = append(reached, path)
		}
	}
	if len(reached) == 0 {
		return nil, authz.Errorf(authz.Invalid, "no policy package %q", pkg).At("policy")
	}
	for i := 0; i < len(reached); i++ {
		for _, path := range p.refersTo(p.compiler.Modules[reached[i]]) {
			if !slices.Contains(reached, path) {
				reached = append(reached, path)
			}
		}
	}
	slices.Sort(reached)
	return reached, nil
}

// refersTo returns the modules of the packages that the module refers to, or of
// which it names a part.
func (p *Program) refersTo(m *ast.Module) []string {
	var paths []string
	ast.WalkRefs(m, func(ref ast.Ref) bool {
		if !ref.HasPrefix(ast.DefaultRootRef) {
			return false
		}
		ground := ref.GroundPrefix()
		for path, other := range p.compiler.Modules {
			pkg := other.Package.Path
			if (ground.HasPrefix(pkg) || pkg.HasPrefix(ground)) && !slices.Contains(paths, path) && other != m {
				paths = append(paths, path)
			}
		}
		return false
	})
	return paths
}
