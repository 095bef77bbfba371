package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds of one body.
const (
	// maxDepth leaves room for the members of an entity around what they hold.
	maxDepth  = authz.MaxValueDepth + 4
	maxValues = 5 * authz.MaxValues
	maxNumber = 64 // characters of a number
	// maxExponent keeps numbers within what an IEEE double holds, more or less:
	// written out in full, 1e999999999 would take a gigabyte.
	maxExponent = 400
)

// decoder reads one JSON text. It refuses names that come twice, faulty UTF-8, too
// deep a nesting, too many values and numbers that no store can hold.
type decoder struct {
	dec    *jsontext.Decoder
	values int // that may still come
	number func(string) (any, error)
	null   any // what null is read as
}

// decodeObject returns the object that is all of the text. Numbers are json.Number.
func decodeObject(text []byte) (map[string]any, error) {
	v, err := decode(text, nil, func(n string) (any, error) { return json.Number(n), nil })
	if err != nil {
		return nil, err
	}
	if m, ok := v.(map[string]any); ok {
		return m, nil
	}
	return nil, authz.Errorf(authz.Invalid, "must be a JSON object, in braces")
}

// null stands for a null that is held against a schema. No schema here allows one, but
// huma passes over nil in members that may be left out.
type null struct{}

// decodeValue returns the value that is all of the text, to be held against a schema.
// Numbers are float64.
func decodeValue(text []byte) (any, error) {
	return decode(text, null{}, func(n string) (any, error) { return strconv.ParseFloat(n, 64) })
}

func decode(text []byte, null any, number func(string) (any, error)) (any, error) {
	d := &decoder{dec: jsontext.NewDecoder(bytes.NewReader(text)), values: maxValues, number: number, null: null}
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if _, err := d.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, authz.Errorf(authz.Invalid, "holds more than one JSON value: send one")
	}
	return v, nil
}

// decodeStruct reads the text into the struct that v points to. Members that the
// struct does not have are refused, another case of their letters included.
func decodeStruct(text []byte, v any) error {
	if err := jsonv2.Unmarshal(text, v, jsonv2.RejectUnknownMembers(true)); err != nil {
		return authz.Errorf(authz.Invalid, "is not of the form that the OpenAPI document describes: %s", plain(err))
	}
	return nil
}

// value reads any value. Its recursion is as deep as the nesting, which enter
// bounds.
func (d *decoder) value() (any, error) {
	if d.values--; d.values < 0 {
		return nil, authz.Errorf(authz.Invalid, "has too many values: at most %d in one body", maxValues)
	}
	switch d.dec.PeekKind() {
	case '{':
		return d.object()
	case '[':
		return d.array()
	case '0':
		return d.numeral()
	}
	tok, err := d.dec.ReadToken()
	if err != nil {
		return nil, syntax(err)
	}
	switch tok.Kind() {
	case 'n':
		return d.null, nil
	case '"':
		return tok.String(), nil
	}
	return tok.Bool(), nil
}

func (d *decoder) enter() error {
	if _, err := d.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	if d.dec.StackDepth() > maxDepth {
		return authz.Errorf(authz.Invalid, "is nested too deep: at most %d objects and arrays within one another", maxDepth).At(dotted(d.dec.StackPointer()))
	}
	return nil
}

func (d *decoder) object() (any, error) {
	m := map[string]any{}
	if err := d.enter(); err != nil {
		return nil, err
	}
	for d.dec.PeekKind() != '}' {
		name, err := d.dec.ReadToken()
		if err != nil {
			return nil, syntax(err)
		}
		key := name.String()
		if m[key], err = d.value(); err != nil {
			return nil, err
		}
	}
	_, err := d.dec.ReadToken()
	return m, syntax(err)
}

func (d *decoder) array() (any, error) {
	l := []any{}
	if err := d.enter(); err != nil {
		return nil, err
	}
	for d.dec.PeekKind() != ']' {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		l = append(l, v)
	}
	_, err := d.dec.ReadToken()
	return l, syntax(err)
}

func (d *decoder) numeral() (any, error) {
	raw, err := d.dec.ReadValue()
	if err != nil {
		return nil, syntax(err)
	}
	n := string(raw)
	if len(n) > maxNumber || !measured(n) {
		return nil, authz.Errorf(authz.Invalid, "is a number out of range: at most %d characters, at most 1.7976931348623157e308 and no exponent beyond %d",
			maxNumber, maxExponent).At(dotted(d.dec.StackPointer()))
	}
	return d.number(n)
}

// measured reports whether the number is within the range of numbers.
func measured(n string) bool {
	i := strings.IndexAny(n, "eE")
	if i < 0 {
		return true // its length bounds it
	}
	exp, err := strconv.Atoi(n[i+1:])
	if err != nil || exp < -maxExponent || exp > maxExponent {
		return false
	}
	_, err = strconv.ParseFloat(n, 64)
	return err == nil
}

// syntax returns the error for a text that is not JSON as this API takes it, or
// nil for nil.
func syntax(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return authz.Errorf(authz.Invalid, "is empty: send a JSON value")
	}
	at := ""
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = dotted(s.JSONPointer)
	}
	return authz.Errorf(authz.Invalid, "is not valid JSON: %s", plain(err)).At(at)
}

// plain is the text of a library's error without the library's name.
func plain(err error) string {
	text := strings.TrimPrefix(err.Error(), "jsontext: ")
	return clip(strings.TrimPrefix(text, "json: "), maxMessage)
}

// dotted returns a JSON pointer the way faults name fields: "grants[3].role". A name
// that is a number looks like a position.
func dotted(p jsontext.Pointer) string {
	var b strings.Builder
	for tok := range p.Tokens() {
		if _, err := strconv.ParseUint(tok, 10, 32); err == nil {
			b.WriteString("[" + tok + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(clip(tok, 80))
	}
	return clip(b.String(), 300)
}

// clip returns s, or its beginning and an ellipsis.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
