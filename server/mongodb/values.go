package mongodb

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// listInList is the key under which a list that lies directly in a list is
// stored, since FerretDB takes no such lists. No escaped key can be equal to it.
const listInList = "%list"

// maxDepth bounds what is read: our lists within lists take two levels each.
const maxDepth = 2*authz.MaxValueDepth + 2

// escape returns k as the name of a stored field. FerretDB takes no name with a
// dot or with a dollar sign at its front, and a dot would make a path of the
// name in MongoDB's filters.
func escape(k string) string {
	if k == "" {
		return "%"
	}
	k = strings.ReplaceAll(k, "%", "%25")
	k = strings.ReplaceAll(k, ".", "%2E")
	if strings.HasPrefix(k, "$") {
		k = "%24" + k[1:]
	}
	return k
}

// unescape undoes escape, and returns any other name as it is.
func unescape(k string) string {
	if k == "%" {
		return ""
	}
	if !strings.Contains(k, "%") {
		return k
	}
	return strings.NewReplacer("%25", "%", "%2E", ".", "%24", "$").Replace(k)
}

// encodeMap returns m with escaped keys in a fixed order; value turns each value
// into what the driver stores.
func encodeMap[V any](m map[string]V, value func(V) any) bson.D {
	d := make(bson.D, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		d = append(d, bson.E{Key: escape(k), Value: value(m[k])})
	}
	return d
}

func encodeValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return encodeMap(v, encodeValue)
	case []any:
		return encodeList(v)
	}
	return v
}

func encodeList(l []any) bson.A {
	a := make(bson.A, len(l))
	for i, v := range l {
		if inner, ok := v.([]any); ok {
			a[i] = bson.D{{Key: listInList, Value: encodeList(inner)}}
			continue
		}
		a[i] = encodeValue(v)
	}
	return a
}

// decodeMap returns the fields of doc by their own names.
func decodeMap[V any](doc bson.Raw, value func(bson.RawValue) (V, error)) (map[string]V, error) {
	fields, err := doc.Elements()
	if err != nil {
		return nil, err
	}
	m := make(map[string]V, len(fields))
	for _, f := range fields {
		v, err := value(f.Value())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Key(), err)
		}
		m[unescape(f.Key())] = v
	}
	return m, nil
}

// decodeValue returns v as one of nil, bool, string, int64, float64, []any and
// map[string]any. Dates, object ids and decimals, which only other writers
// store, come as strings.
func decodeValue(v bson.RawValue, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return decodeDocument(v.Document(), depth)
	case bson.TypeArray:
		return decodeList(v.Array(), depth)
	case bson.TypeNull:
		return nil, nil
	case bson.TypeBoolean:
		return v.Boolean(), nil
	case bson.TypeString:
		return v.StringValue(), nil
	case bson.TypeInt32, bson.TypeInt64:
		return v.AsInt64(), nil
	case bson.TypeDouble:
		return v.Double(), nil
	}
	return decodeForeign(v)
}

func decodeForeign(v bson.RawValue) (any, error) {
	switch v.Type {
	case bson.TypeDateTime:
		return v.Time().UTC().Format(time.RFC3339Nano), nil
	case bson.TypeObjectID:
		return v.ObjectID().Hex(), nil
	case bson.TypeDecimal128:
		return v.Decimal128().String(), nil
	}
	return nil, fmt.Errorf("a value of BSON type %s has no meaning here", v.Type)
}

// decodeDocument returns a mapping, or the list that a mapping stands for.
func decodeDocument(doc bson.Raw, depth int) (any, error) {
	if l, err := doc.LookupErr(listInList); err == nil && l.Type == bson.TypeArray {
		return decodeList(l.Array(), depth+1)
	}
	return decodeMap(doc, func(v bson.RawValue) (any, error) { return decodeValue(v, depth+1) })
}

func decodeList(a bson.RawArray, depth int) (any, error) {
	items, err := a.Values()
	if err != nil {
		return nil, err
	}
	l := make([]any, len(items))
	for i, v := range items {
		if l[i], err = decodeValue(v, depth+1); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return l, nil
}

// The types below are fields that are absent when nil and stored when empty.
type (
	values     map[string]any
	flags      map[string]bool
	sharing    []any
	shownOn    map[string]map[string]string
	opt[T any] []T
)

func (m values) IsZero() bool  { return m == nil }
func (m flags) IsZero() bool   { return m == nil }
func (l sharing) IsZero() bool { return l == nil }
func (m shownOn) IsZero() bool { return m == nil }
func (o opt[T]) IsZero() bool  { return o == nil }

func (m values) MarshalBSONValue() (byte, []byte, error) { return marshal(encodeMap(m, encodeValue)) }

func (m flags) MarshalBSONValue() (byte, []byte, error) {
	return marshal(encodeMap(m, func(b bool) any { return b }))
}

func (l sharing) MarshalBSONValue() (byte, []byte, error) { return marshal(encodeList(l)) }

func (m shownOn) MarshalBSONValue() (byte, []byte, error) {
	return marshal(encodeMap(m, func(byAction map[string]string) any {
		return encodeMap(byAction, func(screen string) any { return screen })
	}))
}

func marshal(v any) (byte, []byte, error) {
	t, b, err := bson.MarshalValue(v)
	return byte(t), b, err
}

func (m *values) UnmarshalBSONValue(typ byte, data []byte) error {
	return unmarshalMap((*map[string]any)(m), typ, data, func(v bson.RawValue) (any, error) { return decodeValue(v, 1) })
}

func (m *flags) UnmarshalBSONValue(typ byte, data []byte) error {
	return unmarshalMap((*map[string]bool)(m), typ, data, func(v bson.RawValue) (bool, error) {
		b, ok := v.BooleanOK()
		return b, mustBe(ok, "a boolean", v.Type)
	})
}

func (l *sharing) UnmarshalBSONValue(typ byte, data []byte) error {
	v := bson.RawValue{Type: bson.Type(typ), Value: data}
	a, ok := v.ArrayOK()
	if !ok {
		return mustBe(false, "an array", v.Type)
	}
	decoded, err := decodeList(a, 1)
	if err == nil {
		*l = decoded.([]any)
	}
	return err
}

func (m *shownOn) UnmarshalBSONValue(typ byte, data []byte) error {
	return unmarshalMap((*map[string]map[string]string)(m), typ, data, func(v bson.RawValue) (byAction map[string]string, err error) {
		err = unmarshalMap(&byAction, byte(v.Type), v.Value, func(v bson.RawValue) (string, error) {
			s, ok := v.StringValueOK()
			return s, mustBe(ok, "a string", v.Type)
		})
		return byAction, err
	})
}

func unmarshalMap[V any](m *map[string]V, typ byte, data []byte, value func(bson.RawValue) (V, error)) error {
	v := bson.RawValue{Type: bson.Type(typ), Value: data}
	doc, ok := v.DocumentOK()
	if !ok {
		return mustBe(false, "a document", v.Type)
	}
	decoded, err := decodeMap(doc, value)
	if err == nil {
		*m = decoded
	}
	return err
}

func mustBe(ok bool, want string, got bson.Type) error {
	if ok {
		return nil
	}
	return fmt.Errorf("is a %s, not %s", got, want)
}
