package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	yamlparser "github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxColons bounds the keys of a file, with room for every key several times
// over: the YAML library takes quadratic time in their number.
const maxColons = 500

// parser is the YAML parser of the file's layer. It is made for one file.
type parser struct {
	loader *loader
	name   string
}

func (p *parser) at(t *token.Token) origin {
	if t == nil || t.Position == nil {
		return origin{source: p.name}
	}
	return origin{source: fmt.Sprintf("%s:%d", p.name, t.Position.Line), line: t.Position.Line}
}

// Unmarshal returns the known keys of the file with converted values, and notes
// a problem for everything else. It never returns an error.
func (p *parser) Unmarshal(src []byte) (map[string]any, error) {
	// Without a line break at its end the scanner drops a tag there.
	text := string(bytes.TrimPrefix(src, []byte("\ufeff"))) + "\n"
	tokens := lexer.Tokenize(text)
	if !p.plain(tokens) {
		return map[string]any{}, nil
	}
	f, err := yamlparser.Parse(tokens, 0, yamlparser.AllowDuplicateMapKey())
	if err != nil {
		p.syntax(err)
		return map[string]any{}, nil
	}
	values := map[string]any{}
	if len(f.Docs) > 1 {
		p.loader.problem(p.at(f.Docs[1].GetToken()), "", "a file holds one document: remove what begins here")
	} else if len(f.Docs) == 1 && f.Docs[0].Body != nil {
		p.mapping(values, map[string]int{}, f.Docs[0].Body, "")
	}
	return nest(values), nil
}

// Marshal is part of koanf's interface and not supported.
func (p *parser) Marshal(map[string]any) ([]byte, error) {
	return nil, errors.New("the configuration is not written")
}

func (p *parser) syntax(err error) {
	var o origin
	msg := err.Error()
	if e, ok := errors.AsType[yaml.Error](err); ok {
		o, msg = p.at(e.GetToken()), e.GetMessage()
	} else {
		o = p.at(nil)
	}
	p.loader.problem(o, "", "is no YAML: %s", strings.ReplaceAll(msg, "\t", `\t`))
}

// plain reports whether the file keeps to mappings of scalars. It is asked
// before parsing, so that no nesting and no number of keys can exhaust the
// parser.
func (p *parser) plain(tokens token.Tokens) bool {
	colons := 0
	for _, t := range tokens {
		msg := ""
		switch t.Type {
		case token.SequenceEntryType, token.SequenceStartType:
			msg = "no key takes a list: give one value"
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.DirectiveType, token.MappingKeyType:
			msg = "anchors, aliases, merge keys, tags, directives and \"?\" keys are refused: write the value out"
		case token.LiteralType, token.FoldedType:
			msg = "no key takes several lines of text: write the value on the key's line"
		case token.MappingValueType, token.MappingStartType:
			if colons++; colons > maxColons {
				msg = fmt.Sprintf("is one key too many: at most %d", maxColons)
			}
		}
		if msg != "" {
			p.loader.problem(p.at(t), "", "%s", msg)
			return false
		}
	}
	return true
}

// mapping adds the keys below a node to values.
func (p *parser) mapping(values map[string]any, lines map[string]int, n ast.Node, prefix string) {
	entries, ok := entriesOf(n)
	if !ok {
		p.loader.problem(p.at(n.GetToken()), strings.TrimSuffix(prefix, "."), "want keys with values, each on a line of its own")
		return
	}
	for _, e := range entries {
		t := e.Key.GetToken()
		key := prefix + t.Value
		if first, twice := lines[key]; twice {
			p.loader.problem(p.at(t), key, "is given twice, first at line %d: remove one", first)
			continue
		}
		lines[key] = t.Position.Line
		p.entry(values, lines, e.Value, key, t)
	}
}

func (p *parser) entry(values map[string]any, lines map[string]int, n ast.Node, key string, t *token.Token) {
	if p.group(key) {
		p.mapping(values, lines, n, key+".")
		return
	}
	o := p.at(t)
	if _, known := p.loader.keys[key]; !known {
		p.loader.problem(o, key, "unknown key%s", nearest(key, p.names))
		return
	}
	if _, ok := entriesOf(n); ok {
		p.loader.problem(o, key, "takes one value, not keys of its own")
		return
	}
	text := n.GetToken().Value
	if n.Type() == ast.NullType {
		p.loader.problem(o, key, "is empty: give it a value or leave the key out")
	} else if v, ok := p.loader.value(o, key, text); ok {
		values[key] = v
	}
}

// names yields every name that a key or a group of keys may have.
func (p *parser) names(yield func(string) bool) {
	for k := range p.loader.keys {
		group, _, dotted := strings.Cut(k, ".")
		if !yield(k) || dotted && !yield(group) {
			return
		}
	}
}

// group reports whether a key is a prefix of others.
func (p *parser) group(key string) bool {
	for k := range p.loader.keys {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

func entriesOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// nest turns dotted keys into mappings within mappings, as koanf has them. Keys
// have at most one dot.
func nest(values map[string]any) map[string]any {
	out := map[string]any{}
	for key, v := range values {
		group, name, dotted := strings.Cut(key, ".")
		if !dotted {
			out[key] = v
			continue
		}
		m, _ := out[group].(map[string]any)
		if m == nil {
			m = map[string]any{}
			out[group] = m
		}
		m[name] = v
	}
	return out
}
