package httpapi

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxObligation is how deep an obligation may nest. What a policy gives is
// finite, but only the writer's recursion knows how deep it is.
const maxObligation = 64

// appendAnswer appends the single form of an answer. Its context always says why.
func appendAnswer(b []byte, d *authz.Decision) ([]byte, error) { return appendItem(b, d, true) }

// appendAnswers appends the answers of a batch, up to the item that ends it. out
// holds those of the items without a fault, in order.
func (e *envelope) appendAnswers(b []byte, a asked, out []authz.Decision) ([]byte, error) {
	b = append(b, `{"evaluations":[`...)
	for i, fault := range a.faults {
		if i > 0 {
			b = append(b, ',')
		}
		if fault != nil {
			b = appendFault(b, fault)
			continue
		}
		d := &out[0]
		out = out[1:]
		var err error
		if b, err = appendItem(b, d, e.reasons); err != nil {
			return nil, err
		}
		if e.order.ends(d.Allowed()) {
			break
		}
	}
	return append(b, "]}"...), nil
}

// appendItem appends the answer of an item: the decision alone, as clients of a
// batch compare it, unless they asked for reasons, which are those of a single answer.
func appendItem(b []byte, d *authz.Decision, reasons bool) (_ []byte, err error) {
	b = appendDecision(b, d)
	if reasons {
		b = append(b, `,"context":`...)
		if b, err = appendContext(b, d); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendFault appends the answer of an item that could not be asked.
func appendFault(b []byte, fault *authz.Error) []byte {
	b = append(b, `{"decision":false,"context":{"error":{"status":`...)
	b = strconv.AppendInt(b, int64(statusOf(fault.Kind)), 10)
	b = append(b, `,"message":`...)
	b = appendString(b, clip(fault.Error(), maxMessage))
	return append(b, "}}}"...)
}

// appendDecision opens an answer. Nothing but Allow is true.
func appendDecision(b []byte, d *authz.Decision) []byte {
	b = append(b, `{"decision":`...)
	return strconv.AppendBool(b, d.Allowed())
}

// appendContext appends the members that a policy's answer has, none for those that
// it has not, and the revisions that made it.
func appendContext(b []byte, d *authz.Decision) ([]byte, error) {
	b = append(b, `{"outcome":`...)
	b = appendString(b, string(d.Outcome))
	b = append(b, `,"reason":`...)
	b = appendString(b, d.Reason)
	if d.Level != "" {
		b = append(b, `,"level":`...)
		b = appendString(b, d.Level)
	}
	if len(d.Fields) > 0 {
		b = append(b, `,"fields":`...)
		b = appendFields(b, d.Fields)
	}
	if len(d.Obligations) > 0 {
		b = append(b, `,"obligations":[`...)
		for i, o := range d.Obligations {
			var err error
			if b, err = appendMapping(comma(b, i), o, 1); err != nil {
				return nil, err
			}
		}
		b = append(b, ']')
	}
	b = strconv.AppendInt(append(b, `,"revision":`...), d.Revision, 10)
	b = appendString(append(b, `,"policy":`...), d.Policy)
	if d.PolicyRevision != 0 {
		b = strconv.AppendInt(append(b, `,"policy_revision":`...), d.PolicyRevision, 10)
	}
	return append(b, '}'), nil
}

// appendFields appends them in the order of their names: the same question has
// the same answer, byte for byte.
func appendFields(b []byte, fields map[string]authz.Access) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(fields)) {
		b = appendString(comma(b, i), name)
		b = appendString(append(b, ':'), string(fields[name]))
	}
	return append(b, '}')
}

func appendMapping(b []byte, m map[string]any, depth int) (_ []byte, err error) {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		b = appendString(comma(b, i), name)
		if b, err = appendValue(append(b, ':'), m[name], depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendList(b []byte, l []any, depth int) (_ []byte, err error) {
	b = append(b, '[')
	for i, v := range l {
		if b, err = appendValue(comma(b, i), v, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// appendValue appends a value of an obligation as the policy gave it. One that
// JSON cannot carry is an error: an allow must not go out without its conditions.
func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxObligation {
		return nil, authz.Errorf(authz.Internal, "an obligation is nested too deep: at most %d levels", maxObligation)
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendString(b, v), nil
	case json.Number:
		return appendNumber(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return appendFloat(b, v)
	case []any:
		return appendList(b, v, depth)
	case map[string]any:
		return appendMapping(b, v, depth)
	default:
		return nil, authz.Errorf(authz.Internal, "an obligation holds a %T, which JSON cannot carry", v)
	}
}

func appendNumber(b []byte, n json.Number) ([]byte, error) {
	raw := jsontext.Value(n)
	if raw.Kind() != '0' || !raw.IsValid() {
		return nil, authz.Errorf(authz.Internal, "an obligation holds %q in place of a number", clip(string(n), 80))
	}
	return append(b, n...), nil
}

func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, authz.Errorf(authz.Internal, "an obligation holds %v, which JSON cannot carry", f)
	}
	return jsontext.AppendFloat(b, f, 64), nil
}

// comma appends what separates the i-th element from the one before.
func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// appendString appends s as a JSON string; faulty UTF-8 is replaced.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}
