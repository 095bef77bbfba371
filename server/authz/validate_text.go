package authz

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxQuoted bounds what a message repeats of a faulty value: one huge id that is
// referred to everywhere must not be copied into every fault.
const maxQuoted = 80

// quote returns s in double quotes, clipped, with everything unprintable escaped.
func quote(s string) string { return strconv.Quote(clip(s)) }

// clip returns s, or its beginning and an ellipsis.
func clip(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	cut := maxQuoted
	for cut > maxQuoted-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// textFault says what is wrong with s as text, or "".
func textFault(s string) string {
	if !utf8.ValidString(s) {
		return fmt.Sprintf("%s is not valid UTF-8: save it as UTF-8", quote(s))
	}
	return ""
}

// nameFault says what is wrong with s as an identifier or part of one, or "".
// The empty string is no fault here.
func nameFault(s string) string {
	if len(s) > MaxID {
		return fmt.Sprintf("%s is too long, %d bytes: at most %d", quote(s), len(s), MaxID)
	}
	if msg := textFault(s); msg != "" {
		return msg
	}
	if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 {
		return fmt.Sprintf("%s holds a control character at byte %d: remove it", quote(s), i)
	}
	return ""
}

// idFault is nameFault for an identifier that must be there.
func idFault(s string) string {
	if s == "" {
		return "is missing: give an id that is not empty"
	}
	return nameFault(s)
}

// portalFault says what is wrong with s as a portal's id, or "". The id is part
// of addresses, of keys in the store and of folder names.
func portalFault(s string) string {
	ok := len(s) >= 1 && len(s) <= 63 && lowerAlnum(s[0])
	for i := 0; ok && i < len(s); i++ {
		ok = lowerAlnum(s[i]) || s[i] == '.' || s[i] == '_' || s[i] == '-'
	}
	if ok {
		return ""
	}
	return fmt.Sprintf("%s cannot be a portal's id: want 1 to 63 of a-z, 0-9, \".\", \"_\" and \"-\", beginning with a letter or digit", quote(s))
}

func lowerAlnum(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }

// typeFault says what is wrong with s as a record type, or "". A slash would
// make the store's keys of type and id ambiguous.
func typeFault(s string) string {
	if msg := idFault(s); msg != "" {
		return msg
	}
	if strings.Contains(s, "/") {
		return fmt.Sprintf("record type %s holds a slash: use another sign, such as \"_\"", quote(s))
	}
	return ""
}

// policyFault says what is wrong with s as the name of a Rego package, or "".
func policyFault(s string) string {
	if s == "" {
		return "is missing: name the Rego package that decides, such as \"presets.acumatica\""
	}
	if len(s) > MaxID {
		return nameFault(s)
	}
	for part := range strings.SplitSeq(s, ".") {
		if !identifier(part) {
			return fmt.Sprintf("%s is no Rego package: want identifiers of letters, digits and \"_\" joined by dots, such as \"presets.acumatica\"", quote(s))
		}
	}
	return ""
}

func identifier(s string) bool {
	for i := range len(s) {
		b := s[i]
		letter := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == '_'
		if !letter && (i == 0 || b < '0' || b > '9') {
			return false
		}
	}
	return s != ""
}

// values checks a mapping of settings, attributes or properties: documented
// kinds only, bounded in depth and number.
func (c *checker) values(p place, m map[string]any) {
	if len(m) == 0 {
		return
	}
	left := MaxValues
	c.value(p, m, 1, &left)
}

// value checks v at the given depth and takes it off left, which bounds the work
// on values that hold one another many times over.
func (c *checker) value(p place, v any, depth int, left *int) {
	if *left--; *left < -1 {
		return
	} else if *left == -1 {
		c.add(p, fmt.Sprintf("is one value too many: at most %d in one mapping", MaxValues))
		return
	}
	switch v := v.(type) {
	case nil, bool, int64:
	case string:
		c.add(p, textFault(v))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			c.add(p, fmt.Sprintf("%v is no finite number: JSON cannot carry it", v))
		}
	case []any:
		if c.fits(p, depth) {
			for i, e := range v {
				c.value(p.elem(i), e, depth+1, left)
			}
		}
	case map[string]any:
		if c.fits(p, depth) {
			c.members(p, v, depth, left)
		}
	default:
		c.add(p, fmt.Sprintf("cannot hold a %T: want nil, bool, string, int64, float64, []any or map[string]any", v))
	}
}

// members checks the keys and values of a mapping in a fixed order, so that the
// same faults are reported at every run.
func (c *checker) members(p place, m map[string]any, depth int, left *int) {
	for _, k := range sortedKeys(m) {
		if msg := textFault(k); msg != "" || strings.Contains(k, "\x00") {
			c.add(p, fmt.Sprintf("key %s must be valid UTF-8 without a zero byte", quote(k)))
			continue
		}
		c.value(p.key(k), m[k], depth+1, left)
	}
}

func (c *checker) fits(p place, depth int) bool {
	if depth <= MaxValueDepth {
		return true
	}
	c.add(p, fmt.Sprintf("is nested too deep: at most %d lists and mappings within one another", MaxValueDepth))
	return false
}

// flags checks the names of flags or features.
func (c *checker) flags(p place, m map[string]bool) {
	if len(m) == 0 {
		return
	}
	for _, k := range sortedKeys(m) {
		if msg := idFault(k); msg != "" {
			c.add(p, fmt.Sprintf("key %s: %s", quote(k), msg))
		}
	}
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
