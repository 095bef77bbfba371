package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/portcullis-authz/portcullis/server/authz"
)

var seeds = []string{
	`{"subject":{"type":"user","id":"alice"},"action":{"name":"read"},"resource":{"type":"record","id":"1"}}`,
	`{"subject":{"type":"u","id":"\u0061","properties":{"a":[1,2.50,-1e3,null,true,{"":""}]}},"action":{"name":"r","properties":{}},"resource":{"type":"r","id":"1"},"context":{"x":"\ud83d\ude00"},"more":[{}]}`,
	`{"subject":{"type":"u","id":"a"},"action":{"name":"r"},"resource":{"type":"r","id":"1"},"evaluations":[{},{"action":{"name":"w"}},{"subject":{}},5,null,{"context":[]}],"options":{"evaluations_semantic":"deny_on_first_deny","reasons":true}}`,
	`{"evaluations":[],"subject":null}`,
	`{"subject":{"type":"u","id":"a","id":"b"}}`,
	`{"subject":{"type":"u","\u0069d":"a","id":"b"}}`,
	`{"evaluations":[{"context":{"n":1e999}}],"options":null}`,
	`[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[`,
	"{\"a\":\"\xff\"}", "", " ", "null", "{}", "{}{}", `{"a":`, `{"a"}`, `{1:2}`, `{,}`, `[1,]`,
}

// reference decodes a body with the standard library, and fails the test when
// the body has a name twice, faulty UTF-8 or anything after the object.
func reference(t *testing.T, body []byte) map[string]any {
	t.Helper()
	if !utf8.Valid(body) {
		t.Fatalf("accepted faulty UTF-8: %q", body)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	v, err := refValue(dec)
	if err != nil {
		t.Fatalf("accepted %q: %v", body, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("accepted data after the object: %q", body)
	}
	m, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("accepted what is no object: %q", body)
	}
	return m
}

// refValue reads a value token by token, since Unmarshal hides duplicates.
func refValue(dec *json.Decoder) (any, error) {
	dec.UseNumber()
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		return refObject(dec)
	case json.Delim('['):
		l := []any{}
		for dec.More() {
			v, err := refValue(dec)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
		_, err := dec.Token()
		return l, err
	}
	return tok, nil
}

func refObject(dec *json.Decoder) (any, error) {
	m := map[string]any{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		if _, twice := m[name.(string)]; twice {
			return nil, errors.New("duplicate name " + name.(string))
		}
		if m[name.(string)], err = refValue(dec); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return m, err
}

// refQuery is the query that the members of m ask.
func refQuery(m map[string]any) authz.Query {
	object := func(m map[string]any, name string) map[string]any { o, _ := m[name].(map[string]any); return o }
	text := func(m map[string]any, name string) string { s, _ := m[name].(string); return s }
	entity := func(name string) authz.Entity {
		o := object(m, name)
		return authz.Entity{Type: text(o, "type"), ID: text(o, "id"), Properties: object(o, "properties")}
	}
	a := object(m, "action")
	return authz.Query{
		Subject: entity("subject"), Resource: entity("resource"), Context: object(m, "context"),
		Action: authz.Action{Name: text(a, "name"), Properties: object(a, "properties")},
	}
}

func checkQuery(t *testing.T, body []byte, q authz.Query, m map[string]any) {
	t.Helper()
	for _, s := range []string{q.Subject.Type, q.Subject.ID, q.Action.Name, q.Resource.Type, q.Resource.ID} {
		if s == "" || len(s) > maxText {
			t.Fatalf("accepted a name of %d bytes: %q", len(s), body)
		}
	}
	if diff := cmp.Diff(refQuery(m), q, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%q: (-want +got)\n%s", body, diff)
	}
}

// spoiled runs the reader over a copy of body and spoils the copy before the result
// is looked at, as the transport would with the next request.
func spoiled[T any](r *reader, body []byte, read func() (T, error)) (T, error) {
	own := bytes.Clone(body)
	r.reset(own)
	v, err := read()
	for i := range own {
		own[i] = 'X'
	}
	return v, err
}

func FuzzEvaluation(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	r := newReader(Options{Depth: 32, Batch: 10})
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := spoiled(r, body, func() (authz.Query, error) { return r.one(time.Time{}) })
		if err != nil {
			if authz.KindOf(err) != authz.Invalid {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		checkQuery(t, body, q, reference(t, body))
	})
}

func FuzzEvaluations(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	const most = 10
	r := newReader(Options{Depth: 32, Batch: most})
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := spoiled(r, body, r.many)
		if err != nil {
			if authz.KindOf(err) != authz.Invalid {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		m := reference(t, body)
		sent, _ := m["evaluations"].([]any)
		if len(e.items) != len(sent) || len(sent) > most {
			t.Fatalf("%d items of %d: %q", len(e.items), len(sent), body)
		}
		if len(sent) == 0 {
			if q, err := e.alone(time.Time{}); err == nil {
				checkQuery(t, body, q, m)
			}
		}
		for i := range sent {
			if q, fault := e.resolve(i, time.Time{}); fault == nil {
				checkQuery(t, body, q, withDefaults(sent[i].(map[string]any), m))
			}
		}
	})
}

// withDefaults returns the members of item, and those of m for what item lacks.
func withDefaults(item, m map[string]any) map[string]any {
	all := map[string]any{}
	for _, name := range []string{"subject", "action", "resource", "context"} {
		if all[name] = item[name]; all[name] == nil {
			all[name] = m[name]
		}
	}
	return all
}
