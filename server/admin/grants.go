package admin

import (
	"context"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// GrantQuery asks who holds what. Temporary asks for grants that end, Guest for
// those of roles for outside users.
type GrantQuery struct {
	Role, User       string // empty: any
	Temporary, Guest bool
	After            string // GrantPage.Next of the page before
	Limit            int    // users to look at, 1 to authz.MaxPage; 0: 100
}

// HeldGrant is one grant of one user.
type HeldGrant struct {
	User, Account string
	Role          string
	By, Why       string
	From, Until   time.Time // zero: always, for ever
	InForce       bool      // now, and the user is active
	Guest         bool      // the role is for outside users
}

// GrantPage is one page, by user.
type GrantPage struct {
	Grants []HeldGrant
	Next   string // empty after the last
	Looked int    // how many users were looked at
}

// Grants returns who holds which roles, of those users that the caller may read.
func (s *Service) Grants(ctx context.Context, call Call, q GrantQuery) (GrantPage, error) {
	return GrantPage{}, authz.Errorf(authz.Internal, "grants are not read yet")
}
