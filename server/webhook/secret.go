package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds of a secret: how long its key is, in bytes, and how many may be
// configured at a time.
const (
	minKey     = 24
	maxKey     = 64
	maxSecrets = 3
)

const secretPrefix = "whsec_"

// keys are what requests are signed with.
type keys [][]byte

// parseSecrets reads one secret or several, separated by spaces. No error holds
// any part of them.
func parseSecrets(text string) (keys, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 || len(fields) > maxSecrets {
		return nil, secretFault("holds %d secrets, and 1 to %d are wanted, separated by spaces", len(fields), maxSecrets)
	}
	ks := make(keys, len(fields))
	for i, f := range fields {
		encoded, ok := strings.CutPrefix(f, secretPrefix)
		if !ok {
			return nil, secretFault(`must begin with "%s", which base64 follows`, secretPrefix)
		}
		k, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, secretFault(`holds no base64 behind "%s": make one with: echo %s$(openssl rand -base64 32)`, secretPrefix, secretPrefix)
		}
		if len(k) < minKey || len(k) > maxKey {
			return nil, secretFault("is a key of %d bytes, and %d to %d are wanted", len(k), minKey, maxKey)
		}
		ks[i] = k
	}
	return ks, nil
}

func secretFault(format string, args ...any) error {
	return authz.Errorf(authz.Invalid, format, args...).At("webhook.secret")
}

// sign returns the value of webhook-signature.
func (ks keys) sign(id string, at time.Time, body []byte) string {
	signatures := make([]string, len(ks))
	for i, k := range ks {
		mac := hmac.New(sha256.New, k)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}
