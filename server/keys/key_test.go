package keys_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/keys"
)

func TestNew(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		key, id, hash := keys.New()
		require.True(t, strings.HasPrefix(key, "ptc_"+id+"_"))
		require.Equal(t, 2, strings.Count(key, "_"))
		gotID, secret, ok := keys.Parse(key)
		require.True(t, ok)
		require.Equal(t, id, gotID)
		require.True(t, keys.IsID(id))
		sum := sha256.Sum256([]byte(secret))
		require.Equal(t, sum[:], hash)
		require.True(t, keys.Matches(&authz.Caller{Hash: hash}, secret))
		require.False(t, seen[id] || seen[secret])
		seen[id], seen[secret] = true, true
	}
}

func TestParseRefuses(t *testing.T) {
	key, id, _ := keys.New()
	for name, text := range map[string]string{
		"empty":           "",
		"prefix alone":    "ptc_",
		"other prefix":    "ptk_" + key[4:],
		"upper case":      strings.ToUpper(key),
		"one short":       key[:len(key)-1],
		"one long":        key + "a",
		"space before":    " " + key[:len(key)-1],
		"no separator":    strings.Replace(key, id+"_", id+"a", 1),
		"foreign in id":   "ptc_1" + key[5:],
		"foreign at end":  key[:len(key)-1] + "0",
		"NUL":             key[:len(key)-1] + "\x00",
		"separator moved": "ptc_" + id[:15] + "_a" + key[21:],
	} {
		t.Run(name, func(t *testing.T) {
			_, _, ok := keys.Parse(text)
			require.False(t, ok)
		})
	}
}

func TestMatches(t *testing.T) {
	key, _, hash := keys.New()
	_, secret, _ := keys.Parse(key)
	other, _, _ := keys.New()
	_, wrong, _ := keys.Parse(other)
	c := &authz.Caller{Hash: hash}
	require.True(t, keys.Matches(c, secret))
	for name, s := range map[string]string{"another's": wrong, "empty": "", "cut": secret[:51], "longer": secret + "a"} {
		require.False(t, keys.Matches(c, s), name)
	}
	require.False(t, keys.Matches(nil, secret))
	zero := &authz.Caller{Hash: make([]byte, sha256.Size)}
	for _, broken := range [][]byte{nil, {}, hash[:31], append(hash[:32:32], 0)} {
		require.False(t, keys.Matches(&authz.Caller{Hash: broken}, secret), "a caller whose hash is damaged")
	}
	require.False(t, keys.Matches(zero, secret))
}

func FuzzParse(f *testing.F) {
	key, _, _ := keys.New()
	for _, s := range []string{key, "", "ptc__", strings.ToUpper(key), key + "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, ok := keys.Parse(text)
		if !ok {
			return
		}
		require.Equal(t, text, keys.Prefix+id+"_"+secret)
		require.True(t, keys.IsID(id))
		require.NotContains(t, id+secret, "_")
		sum := sha256.Sum256([]byte(secret))
		require.True(t, keys.Matches(&authz.Caller{Hash: sum[:]}, secret))
		require.False(t, keys.Matches(nil, secret))
	})
}
