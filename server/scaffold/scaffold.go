package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/schema"
)

//go:embed all:templates
var templates embed.FS

const (
	common        = "common"          // folder of what every portal gets beside its data
	shared        = "shared"          // folder of the data that is the same for all presets
	casesTemplate = "cases.yaml.tmpl" // in a preset's folder: what becomes a part of the suite
)

// Presets returns the presets that a portal can start from, sorted: those with
// templates whose policy is built in.
func Presets() []string {
	entries, err := fs.ReadDir(templates, "templates")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if _, err := fs.Stat(policies.FS, "presets/"+e.Name()); err == nil {
			names = append(names, e.Name())
		}
	}
	return names
}

// maxName bounds the name of a portal, in bytes.
const maxName = 40

var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// taken are names that mean something else to Rego or to a policy.
var taken = []string{
	"as", "contains", "data", "default", "else", "every", "false", "if", "import", "in", "input", "lib",
	"not", "null", "package", "portal", "presets", "some", "system", "true", "with",
}

// NameFault says why a portal's name cannot be that of its Rego package too, or "".
func NameFault(name string) string {
	switch {
	case len(name) > maxName || !identifier.MatchString(name):
		return fmt.Sprintf("%q cannot name a Rego package: want a letter, then letters, digits and _, all in lower case and at most %d, such as helpdesk", name, maxName)
	case slices.Contains(taken, name):
		return fmt.Sprintf("%q means something else in a policy: want another name, such as helpdesk", name)
	}
	return ""
}

// NameOf returns a name for the portal in a folder, made from the folder's own; it
// may still have a fault.
func NameOf(folder string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(folder), "_"), "_")
}

// values are what the templates may use.
type values struct {
	Name    string // of the portal and of its package
	Preset  string // folder of the preset
	Package string // last step of the preset's package
	// Admission and Provisioning tell what the preset has beside decision.
	Admission, Provisioning bool
	Cases                   string // of the preset, as items of the list of cases
}

// Files returns the files of a new portal by slash-separated path.
func Files(preset, name string) (map[string]string, error) {
	if !slices.Contains(Presets(), preset) {
		return nil, fmt.Errorf("there is no preset %q: want one of %s", preset, strings.Join(Presets(), ", "))
	}
	if fault := NameFault(name); fault != "" {
		return nil, fmt.Errorf("%s", fault)
	}
	v := values{
		Name: name, Preset: preset, Package: strings.ReplaceAll(preset, "-", "_"),
		Admission: has(preset, "admission.rego"), Provisioning: has(preset, "provisioning.rego"),
	}
	cases, err := v.render(path.Join("templates", preset, casesTemplate))
	if err != nil {
		return nil, err
	}
	v.Cases = strings.TrimRight(cases, "\n")
	files := map[string]string{}
	if err := v.common(files); err != nil {
		return nil, err
	}
	if err := v.data(files); err != nil {
		return nil, err
	}
	return files, schemas(files)
}

func has(preset, file string) bool {
	_, err := fs.Stat(policies.FS, path.Join("presets", preset, file))
	return err == nil
}

// places are the files that every portal gets, by the name of their template.
func (v *values) places() map[string]string {
	return map[string]string{
		"policy.rego.tmpl":      path.Join("policies", v.Name, v.Name+".rego"),
		"policy_test.rego.tmpl": path.Join("policies", v.Name, v.Name+"_test.rego"),
		"decisions.yaml.tmpl":   "portal/decisions.yaml",
		"workflow.yaml.tmpl":    ".github/workflows/policies.yml",
		"access.yaml.tmpl":      ".github/workflows/access.yml",
		"README.md.tmpl":        "README.md",
	}
}

func (v *values) common(files map[string]string) error {
	for source, file := range v.places() {
		text, err := v.render(path.Join("templates", common, source))
		if err != nil {
			return err
		}
		files[file] = text
	}
	return nil
}

// data adds the portal's own files.
func (v *values) data(files map[string]string) error {
	for _, folder := range []string{shared, v.Preset} {
		dir := path.Join("templates", folder)
		entries, err := fs.ReadDir(templates, dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			section, _ := strings.CutSuffix(e.Name(), ".yaml.tmpl")
			if e.Name() == casesTemplate {
				continue
			}
			text, err := v.render(path.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			files["portal/"+section+".yaml"] = fmt.Sprintf("# yaml-language-server: $schema=../schemas/%s.json\n%s", section, text)
		}
	}
	return nil
}

// schemas adds the schemas that the first lines of the portal's files point at.
func schemas(files map[string]string) error {
	all, err := schema.Files()
	for name, text := range all {
		files["schemas/"+name] = string(text)
	}
	return err
}

// render fills in one template. Its delimiters are not those of the workflow's own.
func (v *values) render(name string) (string, error) {
	source, err := templates.ReadFile(name)
	if err != nil {
		return "", err
	}
	t, err := template.New(name).Delims("<%", "%>").Option("missingkey=error").Parse(string(source))
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = t.Execute(&b, v)
	return b.String(), err
}
