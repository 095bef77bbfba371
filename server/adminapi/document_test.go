package adminapi_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/adminapi"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// schemas calls see with every schema of the document that is written out, and where
// it stands.
func schemas(doc *huma.OpenAPI, see func(where string, s *huma.Schema)) {
	var walk func(where string, s *huma.Schema)
	walk = func(where string, s *huma.Schema) {
		if s == nil {
			return
		}
		see(where, s)
		walk(where+"[]", s.Items)
		for name, member := range s.Properties {
			walk(where+"."+name, member)
		}
		if each, ok := s.AdditionalProperties.(*huma.Schema); ok {
			walk(where+".*", each)
		}
		for _, one := range s.AnyOf {
			walk(where+"|", one)
		}
	}
	for name, s := range doc.Components.Schemas.Map() {
		walk(name, s)
	}
	for id, op := range described(doc) {
		for _, p := range op.Parameters {
			walk(id+" "+p.In+" "+p.Name, p.Schema)
		}
	}
}

// TestTheDocumentTellsAll looks for what a reader would miss.
func TestTheDocumentTellsAll(t *testing.T) {
	_, api := start(t, willing(), nil)
	doc := api.Described()
	var served map[string]any
	require.NoError(t, json.Unmarshal(api.Document(), &served))
	require.Equal(t, "3.1.0", served["openapi"])
	require.Equal(t, "v1.2.3", doc.Info.Version)
	tags := map[string]bool{}
	for _, tag := range doc.Tags {
		tags[tag.Name] = true
	}
	used := map[string]bool{}
	for id, op := range described(doc) {
		require.Regexp(t, `^[a-z]+(_[a-z]+)*$`, id)
		require.NotEmpty(t, op.Summary, id)
		for _, tag := range op.Tags {
			require.True(t, tags[tag], tag)
			used[tag] = true
		}
		require.True(t, len(op.Tags) == 1 || id == "get_openapi", id)
		for _, p := range op.Parameters {
			require.NotEmpty(t, p.Description, "%s %s", id, p.Name)
		}
		for status, res := range op.Responses {
			require.True(t, res.Ref != "" || res.Description != "", "%s %s", id, status)
		}
		for _, status := range []int{400, 401, 403, 404, 503} {
			require.NotNil(t, op.Responses[strconv.Itoa(status)], "%s %d", id, status)
		}
		for _, status := range []int{409, 412, 413, 415, 422, 428} {
			require.Equal(t, op.Method != http.MethodGet, op.Responses[strconv.Itoa(status)] != nil, "%s %d", id, status)
		}
	}
	require.Equal(t, tags, used)
	schemas(doc, func(where string, s *huma.Schema) {
		for name, member := range s.Properties {
			inner := len(member.AnyOf) > 0 || member.Ref != "" || name == "document" || name == "caller"
			require.True(t, member.Description != "" || inner, "%s.%s has no description", where, name)
		}
		if s.Type == huma.TypeObject && s.Properties != nil {
			require.Equal(t, false, s.AdditionalProperties, where)
		}
		require.False(t, s.Nullable, where)
	})
	for _, name := range []string{"ErrorModel", "ErrorDetail"} {
		require.NotContains(t, string(api.Document()), `"`+name+`"`)
	}
}

func TestExamplesAreValid(t *testing.T) {
	_, api := start(t, willing(), nil)
	doc := api.Described()
	seen := 0
	schemas(doc, func(where string, s *huma.Schema) {
		for _, example := range s.Examples {
			seen++
			text, err := json.Marshal(example)
			require.NoError(t, err)
			var v any
			require.NoError(t, json.Unmarshal(text, &v))
			require.Empty(t, violations(doc, s, v), "%s: %s", where, text)
		}
	})
	require.Greater(t, seen, 200)
}

// TestExamplesOfDocumentsAreTaken reads the examples the way the Service does.
func TestExamplesOfDocumentsAreTaken(t *testing.T) {
	_, api := start(t, willing(), nil)
	for kind, name := range bodyNames {
		for _, suffix := range []string{"", "New", "Whole", "Patch"} {
			s := api.Described().Components.Schemas.Map()[name+suffix]
			require.NotEmpty(t, s.Examples, name+suffix)
			doc := maps.Clone(s.Examples[0].(map[string]any))
			key := authz.Key{Kind: kind, Of: "case", ID: "x"}
			if id, ok := doc["id"].(string); ok {
				key.ID = id
			}
			if kind != authz.RecordEntity {
				key.Of = ""
			}
			_, err := authz.FromDocument(key, doc)
			require.NoError(t, err, name+suffix)
		}
	}
}

// bodyNames are the schemas of documents.
var bodyNames = map[authz.EntityKind]string{
	authz.PortalEntity: "Portal", authz.UserTypeEntity: "UserType", authz.RoleEntity: "Role", authz.NodeEntity: "Screen", authz.UserEntity: "User",
	authz.AccountEntity: "Account", authz.ContactEntity: "Contact", authz.RecordEntity: "Record",
}

// TestDocumentsHaveTheMembersOfEntities holds the schemas against what authz.Document
// shows and what authz.FromDocument takes.
func TestDocumentsHaveTheMembersOfEntities(t *testing.T) {
	_, api := start(t, willing(), nil)
	doc := api.Described()
	for kind, name := range bodyNames {
		s := doc.Components.Schemas.Map()[name]
		full := entity(kind).Document
		require.Equal(t, slices.Sorted(maps.Keys(full)), slices.Sorted(maps.Keys(s.Properties)), name)
		text, err := json.Marshal(full)
		require.NoError(t, err)
		for _, suffix := range []string{"", "New", "Whole", "Patch"} {
			var v any
			require.NoError(t, json.Unmarshal(text, &v))
			require.Empty(t, violations(doc, &huma.Schema{Ref: "#/components/schemas/" + name + suffix}, v), name+suffix)
		}
		back, err := authz.FromDocument(entity(kind).Key, full)
		require.NoError(t, err)
		require.Equal(t, documents[kind], back)
	}
}

// TestSchemasAgreeWithWhatIsRead makes documents that are nearly right, and holds what
// the schema says of them against authz.FromDocument: neither takes what the other
// refuses, as far as their forms go.
func TestSchemasAgreeWithWhatIsRead(t *testing.T) {
	_, api := start(t, willing(), nil)
	doc := api.Described()
	kinds := slices.Sorted(maps.Keys(bodyNames))
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		s := &huma.Schema{Ref: "#/components/schemas/" + bodyNames[kind] + "New"}
		v := rapid.Custom(func(t *rapid.T) map[string]any { return nearly(t, entity(kind).Document) }).Draw(t, "document")
		v["id"] = entity(kind).Key.ID
		if _, ok := v["type"].(string); ok && kind == authz.RecordEntity {
			v["type"] = entity(kind).Key.Of // which the path says, and no schema
		}
		found := violations(doc, s, v)
		_, err := authz.FromDocument(entity(kind).Key, v)
		if wrong := formFaults(found); (len(wrong) > 0) != (err != nil) {
			t.Fatalf("%v\nschema: %v\nread: %v", v, wrong, err)
		}
	})
}

// formFaults are those violations that are about the form: limits of text and members
// that must be there are for the validation of the world.
func formFaults(all []error) []error {
	var out []error
	for _, err := range all {
		msg := err.Error()
		if !strings.Contains(msg, "expected length") && !strings.Contains(msg, "match pattern") && !strings.Contains(msg, "required property") && !strings.Contains(msg, "expected value to be one of") {
			out = append(out, err)
		}
	}
	return out
}

// nearly returns the document with some of its values replaced by others. None is null,
// which huma's validation passes over, though the schema does not allow it.
func nearly(t *rapid.T, full map[string]any) map[string]any {
	odd := rapid.SampledFrom([]any{true, "x", 1.0, 1.5, []any{}, []any{"x"}, []any{1.0}, []any{map[string]any{"role": "x"}}, []any{map[string]any{"rule": "x"}},
		map[string]any{}, map[string]any{"x": true}, map[string]any{"x": "y"}, map[string]any{"x": map[string]any{"y": "z"}}, []any{nil}, []any{map[string]any{"role": "x", "from": "2026-01-01T00:00:00Z"}}, []any{map[string]any{"role": "x", "from": "now"}}})
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(full)) {
		switch rapid.IntRange(0, 5).Draw(t, name) {
		case 0:
		case 1:
			out[name] = odd.Draw(t, name+" odd")
		default:
			out[name] = plain(full[name])
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
		out["unknown"] = odd.Draw(t, "unknown value")
	}
	return out
}

// plain returns v as JSON decodes it.
func plain(v any) any {
	text, _ := json.Marshal(v)
	var out any
	_ = json.Unmarshal(text, &out)
	return out
}

// TestLimitsAreThoseOfTheDomain: what tags cannot take from constants.
func TestLimitsAreThoseOfTheDomain(t *testing.T) {
	_, api := start(t, willing(), nil)
	doc := api.Described()
	ids := regexp.MustCompile(`(^| path | query | header |\.)(id|type|role|node|screen|user_type|account|contact|owner|manages\[\]|inherits\[\]|also_in\[\]|feature|licence|position|login|user|Portcullis-User)$`)
	counted := 0
	schemas(doc, func(where string, s *huma.Schema) {
		sent := strings.Contains(where, " ") || strings.Contains(where, "New") || strings.Contains(where, "Whole") || strings.Contains(where, "Set")
		if !sent || s.Type != huma.TypeString || !ids.MatchString(where) || s.MaxLength == nil {
			return
		}
		counted++
		want := authz.MaxID
		if strings.HasPrefix(where, "Portal") {
			want = 63
		}
		require.Equal(t, want, *s.MaxLength, where)
	})
	require.Greater(t, counted, 100)

	ops := described(doc)
	for id, op := range ops {
		for _, p := range op.Parameters {
			switch p.Name {
			case "limit":
				require.Equal(t, float64(authz.MaxPage), *p.Schema.Maximum, id)
			case "Portcullis-Note":
				require.Equal(t, admin.MaxNote, *p.Schema.MaxLength, id)
			case "Idempotency-Key":
				require.Equal(t, admin.MaxKey, *p.Schema.MaxLength, id)
			}
		}
	}
	m := doc.Components.Schemas.Map()
	require.Equal(t, admin.MaxItems, *m["SetCells"].Properties["cells"].MaxItems)
	require.Equal(t, authz.MaxCallerNames, *m["NewCaller"].Properties["portals"].MaxItems)
	require.Equal(t, authz.MaxCallerNames, *m["NewCaller"].Properties["acts_for"].MaxItems)
	require.Equal(t, len(authz.Permissions()), *m["NewCaller"].Properties["permissions"].MaxItems)
	var permissions []any
	for _, p := range authz.Permissions() {
		permissions = append(permissions, string(p))
	}
	require.Equal(t, permissions, m["NewCaller"].Properties["permissions"].Items.Enum)
	var levels []any
	for l := authz.Revoked; l.Valid(); l++ {
		levels = append(levels, l.String())
	}
	require.Equal(t, levels, m["Right"].Properties["level"].Enum)
	require.Equal(t, append(slices.Clone(levels), admin.Inherit), m["SetCell"].Properties["level"].Enum)
	require.Equal(t, append(slices.Clone(levels), admin.Inherit, admin.Multiple), m["Cell"].Properties["shown"].Enum)
	states := []any{string(authz.TaskPending), string(authz.TaskDone), string(authz.TaskRefused), string(authz.TaskDead)}
	require.Equal(t, states, m["StoredTask"].Properties["state"].Enum)
	kinds := []any{string(authz.CreateTask), string(authz.UpdateTask), string(authz.DeactivateTask), string(authz.DeleteTask), string(authz.MailTask)}
	require.Equal(t, kinds, m["StoredTask"].Properties["kind"].Enum)
}

// TestFiltersAreThoseOfTheStore holds the parameters of each list against
// authz.ListFilters.
func TestFiltersAreThoseOfTheStore(t *testing.T) {
	_, api := start(t, willing(), nil)
	ops := described(api.Described())
	for id, kind := range map[string]authz.EntityKind{
		"list_portals": authz.PortalEntity, "list_user_types": authz.UserTypeEntity, "list_roles": authz.RoleEntity, "list_screens": authz.NodeEntity,
		"list_users": authz.UserEntity, "list_accounts": authz.AccountEntity, "list_contacts": authz.ContactEntity, "list_records": authz.RecordEntity, "list_rights": authz.RightEntity,
	} {
		var have []string
		for _, p := range ops[id].Parameters {
			paging := p.Name == "after" || p.Name == "limit" || id == "list_rights" && p.Name == "role"
			if p.In == "query" && !paging {
				have = append(have, p.Name)
			}
		}
		require.ElementsMatch(t, authz.ListFilters(kind), have, id)
	}
}

// TestLinksLead follows every link as far as the document goes: the operation is
// there, has the parameters, and none that it requires is left out.
func TestLinksLead(t *testing.T) {
	_, api := start(t, willing(), nil)
	ops, links := described(api.Described()), 0
	expression := regexp.MustCompile(`^\$(request\.path\.[a-z]+|response\.body(#/[a-z0-9_/]+)?|response\.header\.ETag)$`)
	for id, op := range ops {
		for status, res := range op.Responses {
			for name, l := range res.Links {
				links++
				to := ops[l.OperationID]
				require.NotNil(t, to, "%s %s %s", id, status, name)
				given := map[string]bool{}
				for p, from := range l.Parameters {
					require.Regexp(t, expression, from, "%s %s", id, name)
					in, bare, qualified := strings.Cut(p, ".")
					if !qualified {
						in, bare = "path", p
					}
					given[bare] = true
					require.True(t, slices.ContainsFunc(to.Parameters, func(q *huma.Param) bool { return q.In == in && q.Name == bare }), "%s %s %s", id, name, p)
					if path, ok := strings.CutPrefix(from.(string), "$request.path."); ok {
						require.Contains(t, op.Path, "{"+path+"}", "%s %s", id, name)
					}
				}
				for _, p := range to.Parameters {
					require.True(t, !p.Required || given[p.Name], "%s %s lacks %s", id, name, p.Name)
				}
			}
		}
	}
	require.Greater(t, links, 90)
}

// TestNoGlobalsAreChanged: two APIs share nothing.
func TestNoGlobalsAreChanged(t *testing.T) {
	before := reflect.ValueOf(huma.NewError).Pointer()
	mounted(t)
	mounted(t)
	require.Equal(t, before, reflect.ValueOf(huma.NewError).Pointer())
	require.False(t, huma.ValidateStrictCasing)
	require.Contains(t, huma.DefaultFormats, "application/json")
	_ = adminapi.Prefix
}
