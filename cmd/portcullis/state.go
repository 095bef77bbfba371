package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// state is what a server would serve from a folder.
type state struct {
	name    string
	program *policy.Program
	portals map[string]*authz.World
}

// diffEval is the limit of one evaluation when states are compared: long enough that
// a busy machine does not turn an answer into a timeout's.
const diffEval = 10 * time.Second

// loadState reads the portals below a folder, and the policies: of the folder that is
// named, or of the folder policies in dir, or those built in.
func loadState(dir, policyFolder string) (*state, error) {
	st := &state{name: filepath.ToSlash(filepath.Clean(dir))}
	if policyFolder == "" {
		policyFolder = policiesIn(dir)
	}
	var compileErr, dataErr error
	if policyFolder == "" {
		st.program, compileErr = server.Program("", diffEval)
	} else {
		st.program, compileErr = policytest.Policies(policytest.Source{Policies: policyFolder, Limit: diffEval})
	}
	st.portals, dataErr = portalsBelow(dir)
	return st, errors.Join(compileErr, dataErr)
}

// portalsBelow reads all portals below a folder, by id. What is wrong with any of them
// is in a *[yamltree.Error], with files by their paths.
func portalsBelow(dir string) (map[string]*authz.World, error) {
	folders, suites, err := dataBelow(dir)
	if err != nil {
		return nil, err
	}
	var faults yamltree.Collector
	all, from := map[string]*authz.World{}, map[string]string{}
	for _, root := range roots(folders, suites) {
		worlds, err := portalsIn(root)
		if list, ok := errors.AsType[*yamltree.Error](err); ok {
			for _, p := range list.Problems {
				p.File = path.Join(root, p.File)
				faults.Add(p)
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range worlds {
			id := worlds[i].Portal.ID
			if all[id] != nil {
				faults.Add(yamltree.Problem{File: root, Msg: fmt.Sprintf("portal %s is in %s, too: name one of the two folders", id, from[id])})
			}
			all[id], from[id] = &worlds[i], root
		}
	}
	return all, faults.Err()
}

// portalsIn reads the portals of one folder, links out of it not followed.
func portalsIn(dir string) ([]authz.World, error) {
	root, err := os.OpenRoot(filepath.FromSlash(dir))
	if err != nil {
		return nil, authz.Errorf(authz.NotFound, "the portals in %s cannot be read: %s", dir, pathReason(err))
	}
	defer root.Close()
	return fixture.Load(root.FS())
}

// ids returns the portals of any of the states, sorted.
func ids(states ...*state) []string {
	all := map[string]bool{}
	for _, st := range states {
		for id := range st.portals {
			all[id] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// stateFault returns an error with everything that is wrong, and the exit code that
// test gives for it; nil when nothing is.
func stateFault(faults ...error) error {
	err := errors.Join(faults...)
	if err == nil {
		return nil
	}
	code := exitFault
	if _, ok := errors.AsType[policy.Faults](err); ok {
		code = exitCompile
	}
	return &codedError{code: code, text: strings.TrimSpace(err.Error())}
}
