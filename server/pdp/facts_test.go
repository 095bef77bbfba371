package pdp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// TestCostlyFactsAreReadOnDemand asks one question under policies that read different
// facts, and holds what the store is asked.
func TestCostlyFactsAreReadOnDemand(t *testing.T) {
	const record = "user=ann[clerk] record=comment/1/a account= contact=C owner=bob map[] map[]"
	const lost = "user=ann[clerk] record=comment/2 account= contact=gone owner=a queue map[] map[]"
	for name, tc := range map[string]struct {
		reads authz.Reads
		ask   authz.Query
		seen  []string
		facts string
	}{
		"none": {authz.Reads{}, about("comment", "1/a"), []string{"user ann", "record comment/1/a"}, record},
		"parent": {
			authz.Reads{Parent: true}, about("comment", "1/a"), []string{"user ann", "record comment/1/a", "record case/1"}, record + " parent=case/1",
		},
		"owner": {
			authz.Reads{Owner: true}, about("comment", "1/a"), []string{"user ann", "record comment/1/a", "user bob"}, record + " owned by=bob[]",
		},
		"contact": {
			authz.Reads{Contact: true}, about("comment", "1/a"), []string{"user ann", "record comment/1/a", "contact C"}, record + " contact=C",
		},
		"all": {
			authz.Reads{Logins: true, Parent: true, Owner: true, Contact: true, Fields: true}, about("comment", "1/a"),
			[]string{"user ann", "login ann", "record comment/1/a", "contact C", "user bob", "login bob", "record case/1"},
			"user=ann[clerk] same_login=1 record=comment/1/a account= contact=C owner=bob map[] map[] parent=case/1 owned by=bob[] contact=C",
		},
		"parent that is gone": {
			authz.Reads{Parent: true}, about("comment", "2"), []string{"user ann", "record comment/2", "record case/gone"}, lost,
		},
		"owner who is no user": {
			authz.Reads{Owner: true}, about("comment", "2"), []string{"user ann", "record comment/2", "user a queue"}, lost,
		},
		"contact that is gone": {
			authz.Reads{Contact: true}, about("comment", "2"), []string{"user ann", "record comment/2", "contact gone"}, lost,
		},
		"record without any": {
			authz.Reads{Parent: true, Owner: true, Contact: true}, about("case", "2"), []string{"user ann", "record case/2"},
			"user=ann[clerk] record=case/2 account= contact= owner= map[] map[]",
		},
		"record unknown": {
			authz.Reads{Parent: true, Owner: true, Contact: true}, about("case", "9"), []string{"user ann", "record case/9"}, "user=ann[clerk]",
		},
		"contact of a target": {
			authz.Reads{Contact: true}, by("bob", about("user", "ann")), []string{"user bob", "user ann", "account A", "contact C"},
			"user=bob[] contact=C of=A target user=ann",
		},
		"contact of a target, unread": {
			authz.Reads{}, by("bob", about("user", "ann")), []string{"user bob", "user ann", "account A"}, "user=bob[] of=A target user=ann",
		},
		"contact that is the target": {
			authz.Reads{Contact: true}, naming("C", about("user", "new")), []string{"user ann", "user new", "contact C", "account A"},
			"user=ann[clerk] contact=C of=A target contact=C",
		},
		"fields of a resource's screen": {
			authz.Reads{Fields: true}, about("ticket", "9"), []string{"user ann", "record ticket/9"}, "user=ann[clerk] field phone[{clerk view}] field fax[]",
		},
		"fields of a screen": {
			authz.Reads{Fields: true}, about("screen", "Desk"), []string{"user ann"}, "user=ann[clerk] field phone[{clerk view}] field fax[]",
		},
		"fields unread": {authz.Reads{}, about("screen", "Desk"), []string{"user ann"}, "user=ann[clerk]"},
		"fields for nobody": {
			authz.Reads{Fields: true}, by("zoe", about("screen", "Desk")), []string{"user zoe"}, "field phone[] field fax[]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t)
			b.publish(pdp.View{Snapshot: b.snapshot, Reads: tc.reads})
			require.Equal(t, tc.facts, b.ask(t, tc.ask).Reason)
			require.Equal(t, tc.seen, b.seen())

			for _, read := range tc.seen {
				b := setUp(t)
				b.publish(pdp.View{Snapshot: b.snapshot, Reads: tc.reads})
				b.breakAt(read, authz.Errorf(authz.Unavailable, "no connection"))
				require.Equal(t, authz.ReasonStoreUnavailable, b.ask(t, tc.ask).Reason, read)
			}
		})
	}
}
