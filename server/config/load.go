package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
)

// Sources are the layers above the defaults, the lowest first.
type Sources struct {
	File    string            // path of the YAML file; empty: none
	Environ []string          // as os.Environ returns it
	Flags   map[string]string // of the flags given: key, such as limits.body, to value
}

// MaxFile is the greatest size of the file, in bytes.
const MaxFile = 64 << 10

// Problem is one fault of the configuration.
type Problem struct {
	Source string // what the operator wrote: "file:line", a variable, or a flag; empty for a default
	Key    string // such as limits.body; empty when no key is at fault
	Msg    string // what is wrong and what would be right

	rank, line int // by which problems are sorted
}

// Error returns the problem as "source: key: message", without the parts that it
// does not have.
func (p *Problem) Error() string {
	s := ""
	for _, part := range []string{p.Source, p.Key} {
		if part != "" {
			s += part + ": "
		}
	}
	return s + p.Msg
}

// Load returns the configuration that the sources give together. The error joins
// a *[Problem] for everything wrong in any source, overridden values included,
// and the configuration is then the zero value.
func Load(s Sources) (Config, error) {
	l := &loader{keys: map[string]Key{}, origins: map[string]origin{}}
	for _, k := range Reference() {
		l.keys[k.Name] = k
	}
	ko := koanf.New(".")
	err := errors.Join(
		ko.Load(structs.Provider(Default(), "koanf"), nil),
		l.file(ko, s.File),
		ko.Load(env.Provider(".", env.Opt{Prefix: Prefix, TransformFunc: l.variable, EnvironFunc: func() []string { return s.Environ }}), nil),
		ko.Load(confmap.Provider(l.flags(s.Flags), "."), nil),
	)
	var c Config
	if err = errors.Join(err, ko.Unmarshal("", &c)); err != nil {
		return Config{}, err
	}
	for _, p := range c.problems() {
		// A value that was refused has left the one below it, whose faults are
		// not the operator's.
		if !l.refused(p.Key) {
			o := l.origins[p.Key]
			p.Source, p.rank, p.line = o.source, o.rank, o.line
			l.problems = append(l.problems, p)
		}
	}
	if len(l.problems) > 0 {
		return Config{}, l.err()
	}
	return c, nil
}

// loader converts the values of every layer and remembers where each came from.
type loader struct {
	keys     map[string]Key
	origins  map[string]origin // of the topmost value of each key
	problems []*Problem
}

// origin is where a value was written.
type origin struct {
	source     string
	rank, line int // layer, and place in it
}

func (l *loader) problem(o origin, key, format string, args ...any) {
	l.problems = append(l.problems, &Problem{Source: o.source, Key: key, Msg: fmt.Sprintf(format, args...), rank: o.rank, line: o.line})
}

func (l *loader) refused(key string) bool {
	return slices.ContainsFunc(l.problems, func(p *Problem) bool { return p.Key == key })
}

// err joins the problems: the file's first, then variables, then flags.
func (l *loader) err() error {
	slices.SortStableFunc(l.problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.line, b.line), strings.Compare(a.Source, b.Source))
	})
	errs := make([]error, len(l.problems))
	for i, p := range l.problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// value converts the text that o gives a known key to the key's type; ok is
// false, and a problem noted, when it cannot be.
func (l *loader) value(o origin, key, text string) (v any, ok bool) {
	l.origins[key] = o
	switch l.keys[key].kind {
	case reflect.TypeFor[Secret]():
		return Secret(text), true
	case reflect.TypeFor[string]():
		return text, true
	case reflect.TypeFor[time.Duration]():
		if d, err := time.ParseDuration(text); err == nil {
			return d, true
		}
		l.problem(o, key, "%s is no duration: want a number with a unit, such as 500ms or 5s", clip(text))
	default:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && int64(int(n)) == n {
			return n, true
		}
		l.problem(o, key, "%s is no whole number: want digits alone, such as 1000", clip(text))
	}
	return nil, false
}

// file loads the YAML file into ko.
func (l *loader) file(ko *koanf.Koanf, name string) error {
	if name == "" {
		return nil
	}
	src, err := source(name)
	if err != nil {
		l.problem(origin{source: name}, "", "%s", err)
		return nil
	}
	return ko.Load(rawbytes.Provider(src), &parser{loader: l, name: name})
}

// source returns the contents of the file within the bound.
func source(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, errors.New("does not exist: name a file that does, or none")
	case err == nil && !info.Mode().IsRegular():
		return nil, errors.New("is no regular file: name a YAML file")
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %s", reason(err))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %s", reason(err))
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %s", reason(err))
	case len(src) > MaxFile:
		return nil, fmt.Errorf("is too large: at most %d bytes", MaxFile)
	}
	return src, nil
}

func reason(err error) string {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// serviceLink matches the variables that Kubernetes sets in every container for
// a service called portcullis. No key has such a name.
var serviceLink = regexp.MustCompile(`^PORTCULLIS_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// variable converts one environment variable; the key is empty for one that is
// not ours or is at fault.
func (l *loader) variable(name, text string) (string, any) {
	if name == Prefix+"CONFIG" || strings.HasPrefix(name, Prefix+"TEST_") || serviceLink.MatchString(name) {
		return "", nil
	}
	o := origin{source: name, rank: 1}
	names := map[string]string{}
	for _, k := range l.keys {
		names[k.Env] = k.Name
	}
	key, known := names[name]
	switch {
	case !known:
		l.problem(o, "", "unknown variable%s", nearest(name, maps.Keys(names)))
		return "", nil
	case text == "":
		l.problem(o, key, "is set but empty: give it a value or unset it")
		return "", nil
	}
	if v, ok := l.value(o, key, text); ok {
		return key, v
	}
	return "", nil
}

// flags converts the flags given.
func (l *loader) flags(flags map[string]string) map[string]any {
	values := map[string]any{}
	for key, text := range flags {
		o := origin{source: "--" + flagName(key), rank: 2}
		if _, known := l.keys[key]; !known {
			l.problem(o, "", "unknown flag%s", nearest(key, maps.Keys(l.keys)))
		} else if v, ok := l.value(o, key, text); ok {
			values[key] = v
		}
	}
	return values
}

// nearest returns "; did you mean x?" for the name closest to what was written,
// or "" when none is close. Ties go to the first in alphabetical order.
func nearest(written string, names func(func(string) bool)) string {
	best, distance := "", min(len(written)/3+1, 4)
	if len(written) > 100 {
		return ""
	}
	for _, n := range slices.Sorted(names) {
		if d := levenshtein.ComputeDistance(strings.ToLower(written), strings.ToLower(n)); d < distance {
			best, distance = n, d
		}
	}
	if best == "" {
		return ": leave it out, or look up the keys there are"
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// clip returns s in double quotes, shortened.
func clip(s string) string {
	if r := []rune(s[:min(len(s), 400)]); len(r) > 60 {
		return fmt.Sprintf("%q", string(r[:60])+"…")
	}
	return fmt.Sprintf("%q", s)
}
