package policy

import (
	"context"
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
)

// settings is OPA's view of data: a portal's settings as data.portal, and nothing
// else. It is immutable, so that one transaction, opened by nobody and closed by
// nobody, serves every evaluation.
type settings struct {
	storage.PolicyNotSupported
	storage.TriggersNotSupported
	storage.WritesNotSupported

	portal ast.Value
}

const portalKey = ast.String("portal")

var errNoSuchSetting = &storage.Error{Code: storage.NotFoundErr, Message: "the portal has no such setting"}

// ID returns the number of the one transaction.
func (s *settings) ID() uint64 { return 0 }

// NewTransaction returns the one transaction.
func (s *settings) NewTransaction(context.Context, ...storage.TransactionParams) (storage.Transaction, error) {
	return s, nil
}

// Commit has nothing to write.
func (s *settings) Commit(context.Context, storage.Transaction) error { return nil }

// Abort has nothing to undo.
func (s *settings) Abort(context.Context, storage.Transaction) {}

// Truncate is refused, as every write is.
func (s *settings) Truncate(context.Context, storage.Transaction, storage.TransactionParams, storage.Iterator) error {
	return errors.New("the settings cannot be written")
}

// Read returns the setting at path as an ast.Value, or OPA's error for what is
// not found.
func (s *settings) Read(_ context.Context, _ storage.Transaction, path storage.Path) (any, error) {
	if len(path) == 0 {
		return ast.NewObject([2]*ast.Term{ast.NewTerm(portalKey), ast.NewTerm(s.portal)}), nil
	}
	if path[0] != string(portalKey) {
		return nil, errNoSuchSetting
	}
	v := s.portal
	for i, step := range path[1:] {
		object, ok := v.(ast.Object)
		if !ok {
			return find(v, path[1+i:])
		}
		member := object.Get(ast.InternedTerm(step))
		if member == nil {
			return nil, errNoSuchSetting
		}
		v = member.Value
	}
	return v, nil
}

// find returns what is at path within v, which is no object.
func find(v ast.Value, path storage.Path) (any, error) {
	found, err := v.Find(path.Ref(ast.DefaultRootDocument)[1:])
	if err != nil {
		return nil, errNoSuchSetting
	}
	return found, nil
}

// Get is OPA's cache of data: it answers what is there without a path to read,
// and returns nil for the rest, which goes to Read.
func (s *settings) Get(ref ast.Ref) ast.Value {
	if len(ref) < 2 || !ref[0].Equal(ast.DefaultRootDocument) || ref[1].Value != portalKey {
		return nil
	}
	v, err := s.portal.Find(ref[2:])
	if err != nil {
		return nil
	}
	return v
}

// Put keeps nothing: the settings never change.
func (s *settings) Put(ast.Ref, ast.Value) {}
