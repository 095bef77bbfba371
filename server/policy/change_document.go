package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds of what a policy may say of one change.
const (
	maxRefusals = 1000
	maxTasks    = 1000
	maxAfter    = 10 * 366 * 24 * time.Hour
)

// readAdmission turns {refusals, defaults?} into an Admission. As with decisions,
// anything else is an error.
func readAdmission(v ast.Value) (authz.Admission, error) {
	var a authz.Admission
	said := false
	err := eachMember("the admission", v, func(name string, v ast.Value) (err error) {
		switch name {
		case "refusals":
			said = true
			err = eachItem(name, v, maxRefusals, func(v ast.Value) error {
				r, err := readRefusal(v)
				a.Refusals = append(a.Refusals, r)
				return err
			})
		case "defaults":
			a.Defaults, err = readPatch(name, v)
		default:
			err = unknownMember("the admission", name, "refusals, defaults")
		}
		return err
	})
	switch {
	case err != nil:
		return authz.Admission{}, err
	case !said:
		return authz.Admission{}, fmt.Errorf("the admission has no refusals: say so with an empty set")
	case len(a.Refusals) > 0:
		a.Defaults = nil // a change that is refused takes none
	}
	return a, nil
}

func readRefusal(v ast.Value) (r authz.Refusal, err error) {
	err = eachMember("a refusal", v, func(name string, v ast.Value) (err error) {
		switch name {
		case "rule":
			r.Rule, err = readText(name, v)
		case "field":
			r.Field, err = readText(name, v)
		case "reason":
			r.Reason, err = readText(name, v)
		default:
			err = unknownMember("a refusal", name, "rule, field, reason")
		}
		return err
	})
	if err == nil && (r.Rule == "" || r.Reason == "") {
		err = fmt.Errorf("a refusal names no rule or no reason: %s", v)
	}
	return r, err
}

// readProvisioning turns {tasks} into tasks in the order of their ids.
func readProvisioning(v ast.Value) ([]authz.Task, error) {
	var tasks []authz.Task
	said := false
	err := eachMember("the provisioning", v, func(name string, v ast.Value) error {
		if name != "tasks" {
			return unknownMember("the provisioning", name, "tasks")
		}
		said = true
		return eachItem(name, v, maxTasks, func(v ast.Value) error {
			t, err := readTask(v)
			tasks = append(tasks, t)
			return err
		})
	})
	if err == nil && !said {
		err = fmt.Errorf("the provisioning has no tasks: say so with an empty set")
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tasks, func(a, b authz.Task) int { return strings.Compare(a.ID, b.ID) })
	for i := 1; i < len(tasks); i++ {
		if tasks[i].ID == tasks[i-1].ID {
			return nil, fmt.Errorf("two tasks are called %q: give each an id of its own", tasks[i].ID)
		}
	}
	return tasks, nil
}

func readTask(v ast.Value) (authz.Task, error) {
	var t authz.Task
	if err := eachMember("a task", v, func(name string, v ast.Value) error { return readTaskMember(&t, name, v) }); err != nil {
		return authz.Task{}, err
	}
	if msg := taskFault(&t); msg != "" {
		return authz.Task{}, fmt.Errorf("task %q %s", t.ID, msg)
	}
	return t, nil
}

func readTaskMember(t *authz.Task, name string, v ast.Value) (err error) {
	var text string
	switch name {
	case "id":
		t.ID, err = readText(name, v)
	case "kind":
		text, err = readText(name, v)
		t.Kind = authz.TaskKind(text)
	case "entity":
		if text, err = readText(name, v); err == nil {
			t.Entity, err = authz.ParseKey(text)
		}
	case "set":
		t.Set, err = readPatch(name, v)
	case "template":
		t.Template, err = readText(name, v)
	case "to":
		t.To, err = readText(name, v)
	case "after":
		t.After, err = readSeconds(name, v)
	case "once":
		t.Once, err = readSwitch(name, v)
	default:
		err = unknownMember("a task", name, "id, kind, entity, set, template, to, after, once")
	}
	return err
}

// taskFault says which members the task has or lacks against its kind, or "".
func taskFault(t *authz.Task) string {
	mails, none := t.Template != "" || t.To != "", t.Entity == authz.Key{}
	switch t.Kind {
	case authz.CreateTask, authz.UpdateTask, authz.DeactivateTask, authz.DeleteTask:
		switch {
		case none:
			return "names no entity"
		case mails:
			return "is no mail, and has a template or someone to send it to"
		case t.Set != nil && (t.Kind == authz.DeactivateTask || t.Kind == authz.DeleteTask):
			return fmt.Sprintf("is of kind %s and sets something", t.Kind)
		}
	case authz.MailTask:
		switch {
		case t.Template == "" || t.To == "":
			return "is a mail and needs a template and someone to send it to"
		case !none || t.Set != nil:
			return "is a mail and has an entity or something to set"
		}
	default:
		return fmt.Sprintf("is of kind %q: want one of create, update, deactivate, delete, mail", t.Kind)
	}
	if t.ID == "" {
		return "has no id"
	}
	return ""
}

// eachMember calls visit for every member of the object, which is what in messages.
func eachMember(what string, v ast.Value, visit func(name string, v ast.Value) error) error {
	object, ok := v.(ast.Object)
	if !ok {
		return fmt.Errorf("%s is %s, not an object", what, ast.ValueName(v))
	}
	return object.Iter(func(k, v *ast.Term) error {
		name, ok := k.Value.(ast.String)
		if !ok {
			return fmt.Errorf("%s has a member %s, whose name is no string", what, k)
		}
		return visit(string(name), v.Value)
	})
}

// eachItem calls visit for every item of the set or array, of which there are at
// most that many. An object is none: it iterates over pairs.
func eachItem(name string, v ast.Value, most int, visit func(ast.Value) error) error {
	list, ok := v.(interface {
		Len() int
		Iter(func(*ast.Term) error) error
	})
	if !ok {
		return fmt.Errorf("%s is %s, not a set or an array", name, ast.ValueName(v))
	}
	if list.Len() > most {
		return fmt.Errorf("%s are %d: at most %d", name, list.Len(), most)
	}
	return list.Iter(func(t *ast.Term) error { return visit(t.Value) })
}

func unknownMember(what, name, want string) error {
	return fmt.Errorf("%s has an unknown member %q: want %s", what, name, want)
}

// readText returns a string that is not empty.
func readText(name string, v ast.Value) (string, error) {
	s, ok := v.(ast.String)
	if !ok || s == "" {
		return "", fmt.Errorf("%s is %s, not a string that says something", name, v)
	}
	return string(s), nil
}

func readSwitch(name string, v ast.Value) (bool, error) {
	b, ok := v.(ast.Boolean)
	if !ok {
		return false, fmt.Errorf("%s is %s, not true or false", name, v)
	}
	return bool(b), nil
}

func readSeconds(name string, v ast.Value) (time.Duration, error) {
	n, ok := v.(ast.Number)
	seconds, whole := n.Int64()
	if !ok || !whole || seconds < 0 || seconds > int64(maxAfter/time.Second) {
		return 0, fmt.Errorf("%s is %s: want whole seconds, at most %d", name, v, int64(maxAfter/time.Second))
	}
	return time.Duration(seconds) * time.Second, nil
}

func readPatch(name string, v ast.Value) (map[string]any, error) {
	if _, ok := v.(ast.Object); !ok {
		return nil, fmt.Errorf("%s is %s, not an object", name, ast.ValueName(v))
	}
	if err := keysAreText(v); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	x, err := ast.JSON(v)
	patch, ok := x.(map[string]any)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s cannot be written as JSON: %w", name, err)
	}
	return patch, nil
}

// keysAreText fails when an object in v has a key that is no string, which JSON
// would turn into one.
func keysAreText(v ast.Value) (err error) {
	ast.WalkTerms(v, func(t *ast.Term) bool {
		if object, is := t.Value.(ast.Object); is && err == nil {
			err = object.Iter(func(k, _ *ast.Term) error {
				if _, text := k.Value.(ast.String); !text {
					return fmt.Errorf("the key %s is no string", k)
				}
				return nil
			})
		}
		return err != nil
	})
	return err
}
