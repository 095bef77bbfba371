package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// entityTag returns the ETag of an entity that was written at the revision.
func entityTag(revision int64) string { return "r" + strconv.FormatInt(revision, 36) }

// cellsTag returns the ETag of rights: it changes with any of them.
func cellsTag(cells []Cell) string {
	h := sha256.New()
	var text []byte
	for _, c := range cells {
		text = text[:0]
		for _, s := range [...]string{c.Role, c.Node, c.Level} {
			text = append(binary.BigEndian.AppendUint64(text, uint64(len(s))), s...)
		}
		h.Write(text)
	}
	return "c" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15])
}

// matches says whether the condition of a call holds for something that is there
// with the ETag, or, when there is none, is not there. It returns nil,
// authz.Unconditional or authz.Stale.
func matches(condition, etag, what string) *authz.Error {
	there := etag != ""
	switch condition {
	case "":
		if there {
			return authz.Errorf(authz.Unconditional, "%s is there: say with If-Match which state of it you have seen, or * for any", what).At("If-Match")
		}
		return nil
	case None:
		if there {
			return authz.Errorf(authz.Stale, "%s is there already", what).At("If-None-Match")
		}
		return nil
	}
	for one := range strings.SplitSeq(condition, ",") {
		one = strings.TrimSpace(one)
		if there && (one == Whatever || strings.Trim(one, `"`) == etag) {
			return nil
		}
	}
	if !there {
		return authz.Errorf(authz.Stale, "%s is not there any more", what).At("If-Match")
	}
	return authz.Errorf(authz.Stale, "%s has been changed since you read it: read it again", what).At("If-Match")
}
