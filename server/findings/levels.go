package findings

import (
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// LevelsFile is the name of the file, beside a project, that sets levels:
//
//	levels:
//	  idle-right: warning    # error, warning, note or off
//	  memberless-role: off
const LevelsFile = ".portcullis-check.yaml"

// Bounds of that file.
const (
	MaxLevels   = 64 << 10 // bytes
	levelDepth  = 4
	levelValues = 200
)

// Read returns the levels with those that the file sets. The error is a
// *[yamltree.Error] with everything that is wrong in it.
func (l Levels) Read(name string, src []byte) (Levels, error) {
	var out yamltree.Collector
	r := levelReader{Decoder: yamltree.Decoder{File: name, Out: &out}, levels: l}
	if len(src) > MaxLevels {
		out.Add(yamltree.Problem{File: name, Msg: "is too large: at most 65536 bytes"})
		return l, out.Err()
	}
	left := levelValues
	root, ok := yamltree.Parse(src, yamltree.Limits{Depth: levelDepth, Values: levelValues}, &left, func(at yamltree.Pos, msg string) {
		r.Fault(at, "", "%s", msg)
	})
	if ok && root != nil {
		r.Object(root, "", yamltree.Fields{"levels": r.all})
	}
	if err := out.Err(); err != nil {
		return l, err
	}
	return r.levels, nil
}

type levelReader struct {
	yamltree.Decoder
	levels Levels
}

func (r *levelReader) all(n *yamltree.Node, path string) {
	if !r.Is(n, path, yamltree.Map, "{idle-right: warning}") {
		return
	}
	for _, e := range n.Entries {
		r.one(e, yamltree.Dot(path, e.Key))
	}
}

// one takes a level. The word off, which YAML's versions read differently, can mean
// one thing only here.
func (r *levelReader) one(e yamltree.Entry, path string) {
	level := e.Value.Text
	if level != string(off) && !r.Is(e.Value, path, yamltree.Text, "warning") {
		return
	}
	next, err := r.levels.With(e.Key, level)
	switch {
	case err == nil:
		r.levels = next
	case r.levels.of[e.Key] == "":
		r.Fault(e.At, path, "%s", err)
	default:
		r.Fault(e.Value.Pos, path, "%s", err)
	}
}
