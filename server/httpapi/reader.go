package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	maxText   = 1_024 // bytes of a type, an id or a name
	maxNumber = 64    // characters of a number
	// maxExponent keeps numbers within what an IEEE double holds, more or less:
	// written out in full, 1e999999999 would take a gigabyte.
	maxExponent = 400
	// keepBody is the longest body after which a reader is used again. What it
	// remembers of names grows with the body.
	keepBody = 64 << 10
)

// reader reads one body. It refuses duplicate names, faulty UTF-8 and too deep a
// nesting with an error that ends the reading. What is wrong with a value of
// sound JSON is noted in fault instead, and the reading goes on behind the value:
// one bad item of a batch does not spoil the others.
//
// Strings that it returns are copies.
type reader struct {
	dec     *jsontext.Decoder
	in      *bytes.Buffer
	scratch []byte
	depth   int
	batch   int
	values  int          // that the current mapping may still hold
	fault   *authz.Error // the first since it was last taken
}

func newReader(o Options) *reader {
	return &reader{dec: jsontext.NewDecoder(new(bytes.Buffer)), depth: o.Depth, batch: o.Batch}
}

// reset makes r read body.
func (r *reader) reset(body []byte) {
	r.in = bytes.NewBuffer(body)
	r.dec.Reset(r.in)
	r.fault = nil
}

// reader returns one for body. It goes back with release.
func (s *Server) reader(body []byte) *reader {
	r := s.readers.Get().(*reader)
	r.reset(body)
	return r
}

// release lets go of the body, which belongs to the transport.
func (s *Server) release(r *reader, size int) {
	if size <= keepBody {
		r.reset(nil)
		s.readers.Put(r)
	}
}

// blame notes a fault of the value read last.
func (r *reader) blame(format string, args ...any) {
	if r.fault == nil {
		r.fault = authz.Errorf(authz.Invalid, format, args...).At(path(r.dec.StackPointer()))
	}
}

// takeFault returns what was noted since the last call, or nil.
func (r *reader) takeFault() *authz.Error {
	f := r.fault
	r.fault = nil
	return f
}

// begin reads the start of an object or array.
func (r *reader) begin() error {
	if _, err := r.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	return r.checkDepth()
}

func (r *reader) checkDepth() error {
	if r.dec.StackDepth() <= r.depth {
		return nil
	}
	return authz.Errorf(authz.Invalid, "is nested too deep: at most %d objects and arrays within one another", r.depth).At(path(r.dec.StackPointer()))
}

// more reports whether the current object or array goes on; otherwise it has
// read the end.
func (r *reader) more(end jsontext.Kind) (bool, error) {
	if r.dec.PeekKind() != end {
		return true, nil
	}
	_, err := r.dec.ReadToken()
	return false, syntax(err)
}

// name reads the name of the next member, which is valid until the next read,
// and reports false at the object's end.
func (r *reader) name() ([]byte, bool, error) {
	ok, err := r.more('}')
	if !ok {
		return nil, false, err
	}
	b, err := r.bytes()
	return b, true, err
}

// bytes reads a name or a string, unquoted and valid until the next read.
func (r *reader) bytes() ([]byte, error) {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return nil, syntax(err)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	r.scratch, err = jsontext.AppendUnquote(r.scratch[:0], raw)
	return r.scratch, syntax(err)
}

// skip reads a value and drops it.
func (r *reader) skip() error {
	outside := r.dec.StackDepth()
	for {
		if _, err := r.dec.ReadToken(); err != nil {
			return syntax(err)
		}
		if err := r.checkDepth(); err != nil {
			return err
		}
		if r.dec.StackDepth() <= outside {
			return nil
		}
	}
}

// want reports whether the next value is of the kind. One that is not is read
// and dropped: null, which means a missing member, silently, and any other as a
// fault.
func (r *reader) want(kind jsontext.Kind) (bool, error) {
	have := r.dec.PeekKind()
	if have == kind {
		return true, nil
	}
	err := r.skip()
	if err == nil && have != 'n' {
		r.blame("must be %s, got %s", kindName(kind), kindName(have))
	}
	return false, err
}

// text reads the string of a type, an id or a name. It returns "" when there is
// none to be used.
func (r *reader) text() (string, error) {
	ok, err := r.want('"')
	if !ok {
		return "", err
	}
	b, err := r.bytes()
	if err != nil {
		return "", err
	}
	if fault := textFault(b); fault != "" {
		r.blame("%s", fault)
		return "", nil
	}
	return string(b), nil
}

// textFault says what is wrong with a type, an id or a name, or "". No stored
// identifier holds a control character, and in keys and logs one does harm.
func textFault(b []byte) string {
	if len(b) == 0 {
		return "must not be empty"
	}
	if len(b) > maxText {
		return "is too long, " + strconv.Itoa(len(b)) + " bytes: at most " + strconv.Itoa(maxText)
	}
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return "must not hold a control character"
		}
	}
	return ""
}

// properties reads an object of free content, and reports whether there is one.
func (r *reader) properties() (map[string]any, bool, error) {
	ok, err := r.want('{')
	if !ok {
		return nil, false, err
	}
	r.values = authz.MaxValues
	m, err := r.mapping()
	return m, err == nil, err
}

func (r *reader) mapping() (map[string]any, error) {
	m := map[string]any{}
	if err := r.begin(); err != nil {
		return nil, err
	}
	for {
		b, ok, err := r.name()
		if !ok {
			return m, err
		}
		if err != nil {
			return nil, err
		}
		name := string(b)
		if m[name], err = r.value(); err != nil {
			return nil, err
		}
	}
}

func (r *reader) list() ([]any, error) {
	l := []any{}
	if err := r.begin(); err != nil {
		return nil, err
	}
	for {
		ok, err := r.more(']')
		if !ok {
			return l, err
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		l = append(l, v)
	}
}

// value reads any value. Its recursion is as deep as the nesting, which begin
// bounds.
func (r *reader) value() (any, error) {
	if r.values--; r.values < 0 {
		err := r.skip()
		r.blame("is one value too many: at most %d in one object of properties or context", authz.MaxValues)
		return nil, err
	}
	switch r.dec.PeekKind() {
	case '{':
		return r.mapping()
	case '[':
		return r.list()
	case '"':
		b, err := r.bytes()
		return string(b), err
	case '0':
		return r.number()
	default:
		return r.literal()
	}
}

// literal reads null, true or false.
func (r *reader) literal() (any, error) {
	tok, err := r.dec.ReadToken()
	if err != nil {
		return nil, syntax(err)
	}
	if tok.Kind() == 'n' {
		return nil, nil
	}
	return tok.Bool(), nil
}

func (r *reader) number() (any, error) {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return nil, syntax(err)
	}
	if len(raw) > maxNumber {
		r.blame("is a number of %d characters: at most %d", len(raw), maxNumber)
		return nil, nil
	}
	n := string(raw)
	if !measured(n) {
		r.blame("is a number out of range: at most 1.7976931348623157e308 and no exponent beyond %d", maxExponent)
		return nil, nil
	}
	return json.Number(n), nil
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

// flag reads a boolean, which is false when missing.
func (r *reader) flag() (bool, error) {
	if k := r.dec.PeekKind(); k != 't' && k != 'f' {
		_, err := r.want('t')
		return false, err
	}
	tok, err := r.dec.ReadToken()
	if err != nil {
		return false, syntax(err)
	}
	return tok.Bool(), nil
}

// kindName is how messages call a kind of value.
func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	default:
		return k.String()
	}
}

// syntax returns the error for a body that is not JSON as this API takes it, or
// nil for nil.
func syntax(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return authz.Errorf(authz.Invalid, "the body is empty: send a JSON object")
	}
	return authz.Errorf(authz.Invalid, "the body is not valid JSON: %s", strings.TrimPrefix(err.Error(), "jsontext: "))
}

// path returns a JSON pointer the way messages write it: "evaluations[3].resource.id".
// A name that is a number looks like a position.
func path(p jsontext.Pointer) string {
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
