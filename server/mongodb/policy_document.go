package mongodb

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// policyDoc is a revision of a portal's policy without its files, which are kept
// apart: they are large, and never change.
type policyDoc struct {
	Meta         meta                `bson:",inline"`
	Number       int64               `bson:"number"`
	Parent       int64               `bson:"parent,omitempty"`
	Author       string              `bson:"author,omitempty"`
	User         string              `bson:"user,omitempty"`
	Message      string              `bson:"message,omitempty"`
	At           time.Time           `bson:"at"`
	Digest       string              `bson:"digest"` // of the files
	Checked      *checkDoc           `bson:"checked,omitempty"`
	Difference   *differenceDoc      `bson:"difference,omitempty"`
	Approvals    opt[approvalDoc]    `bson:"approvals,omitempty"`
	Publications opt[publicationDoc] `bson:"publications,omitempty"`
}

type checkDoc struct {
	At             time.Time `bson:"at"`
	ConfigRevision int64     `bson:"config_revision"`
	OK             bool      `bson:"ok"`
	Cases          int       `bson:"cases"`
	Failed         int       `bson:"failed"`
	Findings       int       `bson:"findings"`
	Faults         []string  `bson:"faults,omitempty"`
}

type differenceDoc struct {
	At             time.Time `bson:"at"`
	Against        int64     `bson:"against"`
	ConfigRevision int64     `bson:"config_revision"`
	Complete       bool      `bson:"complete"`
	Users          int       `bson:"users"`
	Gained         int       `bson:"gained"`
	Lost           int       `bson:"lost"`
	LockedOut      bool      `bson:"locked_out"`
}

type approvalDoc struct {
	By   string    `bson:"by"`
	User string    `bson:"user,omitempty"`
	At   time.Time `bson:"at"`
	Note string    `bson:"note,omitempty"`
}

type publicationDoc struct {
	At   time.Time `bson:"at"`
	By   string    `bson:"by"`
	From int64     `bson:"from"`
}

// filesDoc holds the files of a revision, in the order of their paths. It is written
// once.
type filesDoc struct {
	Meta  meta      `bson:",inline"`
	Files []fileDoc `bson:"files"`
}

type fileDoc struct {
	Path string `bson:"path"`
	Text string `bson:"text"`
}

// policyID returns the _id of a revision, and of its files. It sorts as numbers do.
func policyID(portal string, number int64) string { return fmt.Sprintf("%s/%016d", portal, number) }

func policyMeta(portal string, number int64, st stamp) meta {
	return meta{ID: policyID(portal, number), Portal: portal, Revision: st.revision, UpdatedAt: st.at, UpdatedBy: st.by}
}

func policyDocOf(m meta, r *authz.PolicyRevision, digest string) *policyDoc {
	return &policyDoc{
		Meta: m, Number: r.Number, Parent: r.Parent, Author: r.Author, User: r.User, Message: r.Message, At: r.At, Digest: digest,
		Checked: (*checkDoc)(r.Checked), Difference: (*differenceDoc)(r.Difference),
		Approvals:    each(r.Approvals, func(a authz.PolicyApproval) approvalDoc { return approvalDoc(a) }),
		Publications: each(r.Publications, func(p authz.Publication) publicationDoc { return publicationDoc(p) }),
	}
}

// revision returns the revision without its files.
func (d *policyDoc) revision() authz.PolicyRevision {
	return authz.PolicyRevision{
		Number: d.Number, Parent: d.Parent, Author: d.Author, User: d.User, Message: d.Message, At: d.At.UTC(),
		Checked: (*authz.PolicyCheck)(d.Checked), Difference: (*authz.AccessSummary)(d.Difference),
		Approvals:    each(d.Approvals, func(a approvalDoc) authz.PolicyApproval { return authz.PolicyApproval(a) }),
		Publications: each(d.Publications, func(p publicationDoc) authz.Publication { return authz.Publication(p) }),
	}
}

func filesDocOf(m meta, files map[string]string) *filesDoc {
	d := &filesDoc{Meta: m, Files: make([]fileDoc, 0, len(files))}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		d.Files = append(d.Files, fileDoc{path, files[path]})
	}
	return d
}

func (d *filesDoc) files() map[string]string {
	files := make(map[string]string, len(d.Files))
	for _, f := range d.Files {
		files[f.Path] = f.Text
	}
	return files
}
