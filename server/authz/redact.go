package authz

import (
	"bytes"
	"maps"
	"slices"
)

// Redacted stands in audit entries for what is left out of them.
const Redacted = "(left out)"

// secretWords are the words that mark a member as secret when its name holds one.
var secretWords = [...]string{"password", "passwd", "passphrase", "passcode", "secret", "token", "credential", "apikey", "privatekey", "accesskey", "keyhash"}

// secretNames are names of members that are secret by themselves. As words within
// others they would hide too much: a spinner, a salty, the hash of a file.
var secretNames = [...]string{"pin", "salt", "otp", "totp", "cvv", "cvc", "pwd", "auth", "authorization"}

// Redact returns the document with every member left out of which the name says
// that it is secret, such as password, client_secret, token or key_hash: its value
// is [Redacted], whatever it was. It shares with doc what it does not change, and is
// doc itself when nothing is secret. The members of settings, features and flags
// that are true or false are no secrets, whatever their names.
func Redact(doc map[string]any) map[string]any {
	out, _ := redactedMap(doc)
	return out
}

// redactedMap is Redact, and says whether anything is left out.
func redactedMap(doc map[string]any) (out map[string]any, changed bool) {
	for name, v := range doc {
		r, left := redacted(name, v)
		if !left {
			continue
		}
		if !changed {
			out, changed = maps.Clone(doc), true
		}
		out[name] = r
	}
	if !changed {
		return doc, false
	}
	return out, true
}

// redacted returns the value that stands for the member, and whether it is another.
func redacted(name string, v any) (any, bool) {
	switch v.(type) {
	case bool, nil:
		return v, false
	}
	if IsSecret(name) {
		return Redacted, true
	}
	switch v := v.(type) {
	case map[string]any:
		return redactedMap(v)
	case []any:
		return redactedList(v)
	}
	return v, false
}

func redactedList(list []any) (any, bool) {
	var out []any
	for i, v := range list {
		r, changed := redacted("", v)
		if !changed {
			continue
		}
		if out == nil {
			out = slices.Clone(list)
		}
		out[i] = r
	}
	if out == nil {
		return list, false
	}
	return out, true
}

// IsSecret reports whether a member of this name is taken for a secret, in whatever
// case and however its words are joined.
func IsSecret(name string) bool {
	var text [64]byte
	plain := text[:0]
	for i := range len(name) {
		if b := lower(name[i]); b != '_' && b != '-' && b != '.' && b != ' ' {
			plain = append(plain, b)
		}
	}
	if slices.Contains(secretNames[:], string(plain)) {
		return true
	}
	return slices.ContainsFunc(secretWords[:], func(w string) bool { return bytes.Contains(plain, []byte(w)) })
}
