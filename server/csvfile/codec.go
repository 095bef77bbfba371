package csvfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// codec turns the text of a cell into a value of a document and back. read returns
// what is wrong with the text, or ""; a nil value takes the field away.
type codec struct {
	read  func(text string) (value any, fault string)
	write func(value any) (text string, err error)
}

var (
	textCodec      = codec{readText, writeText}
	boolCodec      = codec{readBool, writeBool}
	linkedCodec    = codec{readLinked, writeText}
	levelCodec     = codec{readLevel, writeLevel}
	idsCodec       = codec{readIDs, writeIDs}
	flagCodec      = codec{readFlags, writeFlags}
	allowedCodec   = codec{readAllowed, writeAllowed}
	grantCodec     = codec{readGrants, writeGrants}
	attributeCodec = codec{readAttribute, writeAttribute}
)

// errShape is the error of a document that is none of its kind.
func errShape(value any) error {
	return authz.Errorf(authz.Invalid, "holds a %T, which has no form in CSV", value)
}

func readText(text string) (any, string) {
	if text == "" {
		return nil, ""
	}
	return text, ""
}

func writeText(value any) (string, error) {
	s, ok := value.(string)
	switch {
	case value == nil:
		return "", nil
	case !ok:
		return "", errShape(value)
	case strings.Contains(s, "\r"):
		return "", authz.Errorf(authz.Invalid, "holds a carriage return, which CSV does not keep: take it out")
	}
	return s, nil
}

func readBool(text string) (any, string) {
	switch strings.ToLower(strings.Trim(text, blank)) {
	case "true", "yes", "1":
		return true, ""
	case "false", "no", "0":
		return false, ""
	case "":
		return nil, "is empty: want true or false; leave the column out where it is not to change"
	}
	return nil, fmt.Sprintf("%s is neither true nor false", shown(text))
}

func writeBool(value any) (string, error) {
	switch value {
	case true:
		return "true", nil
	case false, nil:
		return "false", nil
	}
	return "", errShape(value)
}

func readLinked(text string) (any, string) {
	switch l := authz.Linked(text); l {
	case "":
		return nil, ""
	case authz.LinkedContact, authz.LinkedEmployee:
		return text, ""
	}
	return nil, fmt.Sprintf("%s is unknown: want %s or %s", shown(text), authz.LinkedContact, authz.LinkedEmployee)
}

// noLevel takes the explicit level away.
const noLevel = "inherit"

func readLevel(text string) (any, string) {
	name := strings.Trim(text, blank)
	if name == noLevel || name == "not_set" {
		return nil, ""
	}
	if _, err := authz.ParseLevel(name); err != nil {
		names := append(levelNames(), noLevel, "not_set")
		return nil, fmt.Sprintf("unknown level %s: want one of %s%s", shown(name), strings.Join(names, ", "), meant(name, names))
	}
	return name, ""
}

func levelNames() (names []string) {
	for l := authz.Revoked; l.Valid(); l++ {
		names = append(names, l.String())
	}
	return names
}

func writeLevel(value any) (string, error) {
	if name, ok := value.(string); ok {
		_, err := authz.ParseLevel(name)
		return name, err
	}
	rank, err := number(value).Int64()
	if l := authz.Level(rank); err == nil && 0 <= rank && rank < 256 && l.Valid() {
		return l.String(), nil
	}
	return "", errShape(value)
}

func readIDs(text string) (any, string) {
	raw, fault := entries(text)
	all := make([]any, len(raw))
	for i, e := range raw {
		all[i] = plain(e)
	}
	return all, fault
}

func writeIDs(value any) (string, error) {
	return writeList(value, func(e any) (string, error) {
		s, ok := e.(string)
		if !ok {
			return "", errShape(e)
		}
		return slashed(s, nothing), nil
	})
}

// writeList writes the entries of a list.
func writeList(value any, entry func(any) (string, error)) (string, error) {
	all, ok := value.([]any)
	if !ok && value != nil {
		return "", errShape(value)
	}
	texts := make([]string, len(all))
	for i, e := range all {
		var err error
		if texts[i], err = entry(e); err != nil {
			return "", err
		}
		if texts[i] == "" {
			return "", authz.Errorf(authz.Invalid, "holds an empty entry, which has no form in CSV")
		}
	}
	return strings.Join(texts, " | "), nil
}

func readFlags(text string) (any, string) {
	raw, fault := entries(text)
	all := make(map[string]any, len(raw))
	for _, e := range raw {
		on := true
		if name, ok := marked(e, "=false"); ok {
			e, on = name, false
		} else if name, ok := marked(e, "=true"); ok {
			e = name
		}
		if _, twice := all[plain(e)]; twice {
			return nil, fmt.Sprintf("flag %s is there twice: take one away", shown(plain(e)))
		}
		all[plain(e)] = on
	}
	return all, fault
}

func writeFlags(value any) (string, error) {
	all, ok := value.(map[string]any)
	if !ok && value != nil {
		return "", errShape(value)
	}
	var texts []any
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch all[name] {
		case true:
			texts = append(texts, slashed(name, nothing))
		case false:
			texts = append(texts, slashed(name, nothing)+"=false")
		default:
			return "", errShape(all[name])
		}
	}
	return writeList(texts, func(e any) (string, error) { return e.(string), nil })
}

const defaultMark = "=default"

func readAllowed(text string) (any, string) {
	raw, fault := entries(text)
	all := make([]any, len(raw))
	for i, e := range raw {
		role, byDefault := marked(e, defaultMark)
		all[i] = map[string]any{"role": plain(role), "default": byDefault}
	}
	return all, fault
}

func writeAllowed(value any) (string, error) {
	return writeList(value, func(e any) (string, error) {
		if id, ok := e.(string); ok {
			return slashed(id, nothing), nil
		}
		m, _ := e.(map[string]any)
		id, ok := m["role"].(string)
		if !ok || id == "" {
			return "", errShape(e)
		}
		if m["default"] == true {
			return slashed(id, nothing) + defaultMark, nil
		}
		return slashed(id, nothing), nil
	})
}

// grantWords begin the parts of a grant behind its role.
var grantWords = []struct {
	word, field string
	moment      bool
}{
	{" from ", "from", true}, {" until ", "until", true}, {" by=", "by", false}, {" why=", "why", false},
}

// grantWord returns which of grantWords rest begins with, or -1. A moment begins
// with a digit, so that a role may well be called "Guest until recalled".
func grantWord(rest string) int {
	for i, w := range grantWords {
		if tail, ok := strings.CutPrefix(rest, w.word); ok && (!w.moment || tail != "" && '0' <= tail[0] && tail[0] <= '9') {
			return i
		}
	}
	return -1
}

func isGrantWord(rest string) bool { return grantWord(rest) >= 0 }

func readGrants(text string) (any, string) {
	raw, fault := entries(text)
	all := make([]any, len(raw))
	for i, e := range raw {
		g, fault := readGrant(e)
		if fault != "" {
			return nil, fmt.Sprintf("entry %d: %s", i+1, fault)
		}
		all[i] = g
	}
	return all, fault
}

func readGrant(raw string) (map[string]any, string) {
	part := func() (text string) {
		end := unslashed(raw, isGrantWord)
		if end < 0 {
			end = len(raw)
		}
		text, raw = raw[:end], raw[end:]
		return plain(trim(text))
	}
	g := map[string]any{"role": part()}
	for raw != "" {
		w := grantWords[grantWord(raw)]
		raw = raw[len(w.word):]
		value, fault := part(), ""
		if w.moment {
			value, fault = moment(value)
		}
		if _, twice := g[w.field]; twice {
			fault = fmt.Sprintf("%q is there twice: take one away", strings.Trim(w.word, " ="))
		}
		if fault != "" {
			return nil, fault
		}
		if value != "" {
			g[w.field] = value
		}
	}
	return g, ""
}

// moment returns a time as documents have it.
func moment(text string) (string, string) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		if t, err = time.Parse(time.RFC3339, text); err != nil {
			return "", fmt.Sprintf("%s is no time: want 2026-12-31 or 2026-12-31T18:00:00Z", shown(text))
		}
	}
	return t.UTC().Format(time.RFC3339Nano), ""
}

func writeGrants(value any) (string, error) {
	return writeList(value, func(e any) (string, error) {
		if id, ok := e.(string); ok {
			return slashed(id, isGrantWord), nil
		}
		m, _ := e.(map[string]any)
		role, ok := m["role"].(string)
		if !ok || role == "" {
			return "", errShape(e)
		}
		text := slashed(role, isGrantWord)
		for _, w := range grantWords {
			if v, ok := m[w.field].(string); ok && v != "" {
				text += w.word + slashed(v, isGrantWord)
			} else if m[w.field] != nil && !ok {
				return "", errShape(m[w.field])
			}
		}
		return text, nil
	})
}

func readAttribute(text string) (any, string) {
	if text == "" {
		return absent{}, ""
	}
	if v, ok := jsonValue(text); ok {
		return v, ""
	}
	return text, ""
}

// absent takes an attribute away; nil is the value null.
type absent struct{}

// jsonValue returns the value that text is as JSON, with numbers as they stand, and
// whether it is one.
func jsonValue(text string) (v any, ok bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil, false
	}
	_, err := dec.Token()
	return v, errors.Is(err, io.EOF)
}

func writeAttribute(value any) (string, error) {
	if s, ok := value.(string); ok {
		if _, isJSON := jsonValue(s); s != "" && !isJSON && !strings.Contains(s, "\r") {
			return s, nil
		}
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(exponential(value)); err != nil {
		return "", authz.Errorf(authz.Invalid, "cannot be written as JSON").Because(err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// exponential returns the value with its numbers that are too large for 64 bits written
// with an exponent: as digits alone they would be read as whole numbers.
func exponential(value any) any {
	switch v := value.(type) {
	case float64:
		if math.Abs(v) >= 1<<63 {
			return json.Number(strconv.FormatFloat(v, 'e', -1, 64))
		}
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = exponential(v[i])
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for name := range v {
			all[name] = exponential(v[name])
		}
		return all
	}
	return value
}

// maxShown bounds what a message repeats of a faulty cell, in characters.
const maxShown = 60

func shown(text string) string {
	if runes := []rune(text); len(runes) > maxShown {
		text = string(runes[:maxShown]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// meant returns the question whether a near name is meant, or "".
func meant(name string, known []string) string {
	if near := authz.Nearest(name, slices.Values(known)); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
