package mongodb

import (
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// replyDoc is the answer to a write with an idempotency key.
type replyDoc struct {
	Meta        meta      `bson:",inline"`
	Fingerprint string    `bson:"fingerprint"`
	Answer      []byte    `bson:"answer,omitempty"`
	ExpiresAt   time.Time `bson:"expires_at"`
}

func replyID(portal, key string) string { return portal + "/" + key }

func replyDocOf(portal string, o *authz.Idempotency, st stamp) *replyDoc {
	return &replyDoc{
		Meta:        meta{ID: replyID(portal, o.Key), Portal: portal, Revision: st.revision, UpdatedAt: st.at, UpdatedBy: st.by},
		Fingerprint: o.Fingerprint, Answer: o.Answer, ExpiresAt: st.at.Add(authz.IdempotencyTime),
	}
}

// kept reports whether the reply still counts at now: the database deletes what
// has expired only now and then.
func (d *replyDoc) kept(now time.Time) bool { return now.Before(d.ExpiresAt) }
