package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Prefix begins every key, so that one that is lost in a text or a repository can
// be found by it.
const Prefix = "ptc_"

const (
	idBytes     = 10 // nobody has two of the same
	secretBytes = 32

	idLen     = 16 // characters of the alphabet below
	secretLen = 52
	keyLen    = len(Prefix) + idLen + 1 + secretLen
)

const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

// New returns a key that is nobody's yet, with its public part and the hash that
// the store keeps. The key itself is to be shown once and kept nowhere.
func New() (key, id string, hash []byte) {
	id, secret := random(idBytes), random(secretBytes)
	sum := sha256.Sum256([]byte(secret))
	return Prefix + id + "_" + secret, id, sum[:]
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it ends the process rather than fail
	return base32.NewEncoding(alphabet).WithPadding(base32.NoPadding).EncodeToString(b)
}

// Parse returns the two parts of a key, without a copy. It reports false for what
// cannot be a key.
func Parse(key string) (id, secret string, ok bool) {
	if len(key) != keyLen || key[:len(Prefix)] != Prefix || key[len(Prefix)+idLen] != '_' {
		return "", "", false
	}
	id, secret = key[len(Prefix):len(Prefix)+idLen], key[keyLen-secretLen:]
	return id, secret, spelt(id) && spelt(secret)
}

// IsID reports whether a key may have this public part.
func IsID(id string) bool { return len(id) == idLen && spelt(id) }

func spelt(s string) bool {
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}

// nobody has a hash that no secret has, as far as anybody knows.
var nobody = authz.Caller{Hash: make([]byte, sha256.Size)}

// Matches reports whether the secret is the caller's. It takes as long for no
// caller at all as for one whose secret it is not.
func Matches(c *authz.Caller, secret string) bool {
	known := c != nil
	if !known {
		c = &nobody
	}
	var text [secretLen]byte
	n := copy(text[:], secret)
	sum := sha256.Sum256(text[:n])
	return subtle.ConstantTimeCompare(sum[:], c.Hash) == 1 && known && n == len(secret)
}
