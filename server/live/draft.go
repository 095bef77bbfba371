package live

import (
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// Draft returns the view of a configuration that is not published, under the
// policies that b has, or else under those of the folder in force. It shares with base, the portal's published view, what is the
// same in both; base may be nil. Nobody may write to b afterwards.
func (m *Manager) Draft(base *pdp.View, b *authz.Bundle) (pdp.View, error) {
	return m.rebuilt(base, b, m.folder())
}
