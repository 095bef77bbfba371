package schema_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/schema"
)

// stranger is a key that no decoder knows and that is near none that it does, so
// that the decoder answers with the list of those.
const stranger = "qqqqqqqqqqqqqqqqqqqq"

var keyList = regexp.MustCompile(`unknown (?:key|count) "q+": want one of ([a-z_, ]+)`)

// TestKeys holds the keys of every mapping in the schemas to those that the
// decoder takes there: no more, no fewer.
func TestKeys(t *testing.T) {
	for name, tc := range map[string]struct {
		file, at string // schema, and path of the mapping within it
		yaml     string // a file with the stranger in that mapping
	}{
		"portal":       {"portal", "", "@: 1"},
		"user type":    {"user_types", "items", "- {@: 1}"},
		"allowed role": {"user_types", "items.properties.allowed_roles.items.anyOf.1", "- {allowed_roles: [{@: 1}]}"},
		"role":         {"roles", "items", "- {@: 1}"},
		"screen":       {"screens", "definitions.node", "- {@: 1}"},
		"account":      {"accounts", "items", "- {@: 1}"},
		"contact":      {"contacts", "items", "- {@: 1}"},
		"user":         {"users", "items", "- {@: 1}"},
		"grant":        {"users", "items.properties.grants.items.anyOf.1", "- {grants: [{@: 1}]}"},
		"record":       {"records", "items", "- {@: 1}"},
		"suite":        {"suite", "", "@: 1"},
		"case":         {"suite", "properties.cases.items", "cases: [{@: 1}]"},
		"want":         {"suite", "properties.cases.items.properties.want", "cases: [{want: {@: 1}}]"},
		"matrix":       {"suite", "properties.matrices.items", "matrices: [{@: 1}]"},
		"line":         {"suite", "properties.matrices.items.properties.want.items", "matrices: [{want: [{@: 1}]}]"},
		"admission":    {"suite", "properties.admission.items", "admission: [{@: 1}]"},
		"refusal":      {"suite", "properties.admission.items.properties.want.properties.refusals.items", "admission: [{want: {refusals: [{@: 1}]}}]"},
		"accepted":     {"suite", "properties.admission.items.properties.want", "admission: [{want: {@: 1}}]"},
		"counts":       {"suite", "properties.admission.items.properties.counts", "admission: [{counts: {@: 1}}]"},
		"provisioning": {"suite", "properties.provisioning.items", "provisioning: [{@: 1}]"},
		"task":         {"suite", "properties.provisioning.items.properties.want.properties.tasks.items", "provisioning: [{want: {tasks: [{@: 1}]}}]"},
		"done":         {"suite", "properties.provisioning.items.properties.want", "provisioning: [{want: {@: 1}}]"},
		"pending":      {"suite", "properties.pending.items", "pending: [{@: 1}]"},
	} {
		t.Run(name, func(t *testing.T) {
			source := strings.ReplaceAll(tc.yaml, "@", stranger) + "\n"
			require.Equal(t, decoderKeys(t, tc.file, source), schemaKeys(t, tc.file, tc.at))
		})
	}
}

// decoderKeys returns what the decoder says it takes in place of the stranger.
func decoderKeys(t *testing.T, file, source string) []string {
	t.Helper()
	var err error
	if file == "suite" {
		_, err = policytest.Parse("decisions.yaml", []byte(source))
	} else {
		_, err = fixture.Load(fstest.MapFS{"p/portal.yaml": {Data: []byte("policy: presets.x\n")}, "p/" + file + ".yaml": {Data: []byte(source)}})
	}
	require.Error(t, err)
	m := keyList.FindStringSubmatch(err.Error())
	require.NotNil(t, m, err.Error())
	return slices.Sorted(slices.Values(strings.Split(m[1], ", ")))
}

func schemaKeys(t *testing.T, file, at string) []string {
	t.Helper()
	var node any = decoded(t, file)
	for _, step := range strings.FieldsFunc(at, func(r rune) bool { return r == '.' }) {
		if list, ok := node.([]any); ok {
			node = list[int(step[0]-'0')]
			continue
		}
		node = node.(map[string]any)[step]
	}
	mapping := node.(map[string]any)
	require.Equal(t, false, mapping["additionalProperties"], "unknown keys are refused")
	keys := slices.Sorted(maps.Keys(mapping["properties"].(map[string]any)))
	for _, required := range orEmpty(mapping["required"]) {
		require.Contains(t, keys, required)
	}
	return keys
}

func orEmpty(v any) []any {
	list, _ := v.([]any)
	return list
}

func decoded(t *testing.T, file string) map[string]any {
	t.Helper()
	files, err := schema.Files()
	require.NoError(t, err)
	var s map[string]any
	require.NoError(t, json.Unmarshal(files[file+".json"], &s))
	return s
}

// TestGiven: a patch takes the keys of the entities, and null for each.
func TestGiven(t *testing.T) {
	patch := decoded(t, "suite")["definitions"].(map[string]any)["given"].(map[string]any)["properties"].(map[string]any)
	for file, at := range map[string]string{"users": "items", "roles": "items", "records": "items", "screens": "definitions.node", "accounts": "items", "contacts": "items", "user_types": "items"} {
		entity := patch[file].(map[string]any)["additionalProperties"].(map[string]any)["anyOf"].([]any)
		require.Equal(t, map[string]any{"type": "null"}, entity[1], file)
		keys := slices.DeleteFunc(schemaKeys(t, file, at), func(k string) bool { return k == "children" })
		require.Equal(t, keys, slices.Sorted(maps.Keys(entity[0].(map[string]any)["properties"].(map[string]any))), file)
	}
	portal := patch["portal"].(map[string]any)["properties"].(map[string]any)
	require.Equal(t, schemaKeys(t, "portal", ""), slices.Sorted(maps.Keys(portal)))
}

func TestFiles(t *testing.T) {
	all, err := schema.Files()
	require.NoError(t, err)
	require.Len(t, all, 11)
	for name, text := range all {
		require.Contains(t, string(text), `"$schema": "http://json-schema.org/draft-07/schema#"`, name)
	}
	of, err := schema.Files("suite")
	require.NoError(t, err)
	require.Equal(t, []string{"suite.json"}, slices.Collect(maps.Keys(of)))
	_, err = schema.Files("policy")
	require.EqualError(t, err, "there is no schema of policy: want input, fixture or suite")
}
