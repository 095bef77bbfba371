package authz

import (
	"crypto/sha256"
	"encoding/hex"
)

// revisionDocument has no text of a file: it goes into audit entries and before
// policies, and none of the two is a place for another copy of the whole.
func revisionDocument(r *PolicyRevision) map[string]any {
	files := make(map[string]any, len(r.Files))
	for path, text := range r.Files {
		sum := sha256.Sum256([]byte(text))
		files[path] = map[string]any{"sha256": hex.EncodeToString(sum[:]), "size": int64(len(text))}
	}
	d := document{
		"number": r.Number, "parent": r.Parent, "digest": r.Digest(), "files": files,
		"approvals":    anyList(r.Approvals, approvalDocument),
		"publications": anyList(r.Publications, publicationDocument),
	}.text("author", r.Author).text("user", r.User).text("message", r.Message).time("at", r.At)
	if r.Checked != nil {
		d["checked"] = checkDocument(r.Checked)
	}
	if r.Difference != nil {
		d["difference"] = differenceDocument(r.Difference)
	}
	return d
}

func checkDocument(c *PolicyCheck) map[string]any {
	return document{
		"config_revision": c.ConfigRevision, "ok": c.OK,
		"cases": int64(c.Cases), "failed": int64(c.Failed), "findings": int64(c.Findings),
	}.time("at", c.At).texts("faults", c.Faults)
}

func differenceDocument(s *AccessSummary) map[string]any {
	return document{
		"against": s.Against, "config_revision": s.ConfigRevision, "complete": s.Complete,
		"users": int64(s.Users), "gained": int64(s.Gained), "lost": int64(s.Lost), "locked_out": s.LockedOut,
	}.time("at", s.At)
}

func approvalDocument(a PolicyApproval) any {
	return map[string]any(document{}.text("by", a.By).text("user", a.User).time("at", a.At).text("note", a.Note))
}

func publicationDocument(p Publication) any {
	return map[string]any(document{"from": p.From}.text("by", p.By).time("at", p.At))
}
