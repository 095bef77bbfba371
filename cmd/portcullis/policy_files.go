package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// pulledFile says in a folder of which revision its files are.
const pulledFile = ".portcullis-policy.json"

// pulled is what it holds.
type pulled struct {
	Portal string `json:"portal"`
	Number int64  `json:"number"`
}

type policyPullCmd struct {
	adminFlags
	Dir    string `arg:"" help:"Folder to write; it must be empty or not there."`
	Number *int64 `arg:"" optional:"" help:"Number of the revision; the newest by default."`
	Force  bool   `help:"Write over what is in the folder."`
}

// Run writes a revision into a folder.
func (c *policyPullCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(c.Dir); err == nil && len(entries) > 0 && !c.Force {
		return authz.Errorf(authz.Conflict, "%s is not empty: name another folder, or write over what is there with --force", c.Dir)
	}
	r, _, err := a.revision(ctx, c.Number)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return authz.Errorf(authz.Unavailable, "the server at %s names a file %q, which lies in no folder", a.remote, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		if err := putFile(c.Dir, name, r.Files[name].Text); err != nil {
			return err
		}
	}
	if err := mark(c.Dir, pulled{a.portal, r.Number}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s of policy %d in %s\n", plural(len(r.Files), "file"), r.Number, c.Dir)
	return err
}

func putFile(dir, name, text string) error {
	file := filepath.Join(dir, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		return authz.Errorf(authz.Unavailable, "%s cannot be written: %s", file, pathReason(err))
	}
	return nil
}

// mark notes of which revision the folder's files are.
func mark(dir string, p pulled) error {
	text, err := jsonText(p)
	if err != nil {
		return err
	}
	return putFile(dir, pulledFile, text+"\n")
}

type policyPushCmd struct {
	adminFlags
	writeFlags
	Dir     string `arg:"" help:"Folder of Rego, suites and the users, accounts, contacts and records that they ask about."`
	Message string `help:"What the revision is for." required:"" short:"m" placeholder:"TEXT"`
	Parent  *int64 `help:"Number of the revision that it is made from; else the one that was pulled into the folder, or the one in force." placeholder:"N"`
}

// Help tells which files are sent.
func (policyPushCmd) Help() string {
	return `All files that end in .rego, .yaml, .yml, .json, .txt or .md below the folder are the revision, but for names that begin with a dot. Nothing built in is added when
it is compiled: a folder that was pulled has all that it needs.`
}

// Run drafts a revision.
func (c *policyPushCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	files, err := readFiles(c.Dir)
	if err != nil {
		return err
	}
	body := map[string]any{"message": c.Message, "files": files}
	if _, err := a.within(ctx); err != nil {
		return err
	}
	was, known := marked(c.Dir)
	switch {
	case c.Parent != nil:
		body["parent"] = *c.Parent
	case known && was.Portal == a.portal:
		body["parent"] = was.Number
	}
	number, err := a.draft(ctx, body)
	if err != nil || c.DryRun || !known {
		return err
	}
	return mark(c.Dir, pulled{a.portal, number})
}

// marked returns of which revision the folder's files are, if that is known.
func marked(dir string) (p pulled, ok bool) {
	text, err := os.ReadFile(filepath.Join(dir, pulledFile))
	return p, err == nil && json.Unmarshal(text, &p) == nil
}

// draft makes a revision, tells of it and returns its number.
func (a *administration) draft(ctx context.Context, body map[string]any) (int64, error) {
	at, err := a.within(ctx, "policy", "revisions")
	if err != nil {
		return 0, err
	}
	text, err := jsonText(body)
	if err != nil {
		return 0, err
	}
	answer, err := a.do(ctx, request{method: http.MethodPost, path: at, body: text})
	if err != nil {
		return 0, err
	}
	var w written
	if err := a.decode(answer, &w); err != nil {
		return 0, err
	}
	r, err := revisionOf(w.Document)
	if err != nil {
		return 0, err
	}
	if a.json {
		return r.Number, a.answerJSON(answer)
	}
	return r.Number, a.tell(&w, "drafted", fmt.Sprintf("policy %d with %s, from %s,", r.Number, plural(len(r.Files), "file"), policyName(r.Parent)), &terminal.Table{})
}

// revisionOf reads a revision from the document of an answer.
func revisionOf(document map[string]any) (*revision, error) {
	text, err := json.Marshal(document)
	r := &revision{}
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		return nil, authz.Errorf(authz.Unavailable, "the server's answer holds no revision of a policy: %v", err)
	}
	return r, nil
}

// policyEndings are those of the files that a revision may hold.
var policyEndings = []string{".rego", ".yaml", ".yml", ".json", ".txt", ".md"}

// readFiles returns the files of a revision below the folder, within its bounds.
func readFiles(dir string) (map[string]string, error) {
	files, size := map[string]string{}, int64(0)
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(e.Name(), ".") && name != dir && e.IsDir():
			return fs.SkipDir
		case e.IsDir(), strings.HasPrefix(e.Name(), "."), !slices.Contains(policyEndings, filepath.Ext(name)):
			return nil
		case !e.Type().IsRegular():
			return authz.Errorf(authz.Invalid, "%s is no regular file: replace it by one", name)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if size += info.Size(); size > authz.MaxPolicySize || len(files) == authz.MaxPolicyFiles {
			return authz.Errorf(authz.TooLarge, "%s holds more than a policy may: at most %d files of %d bytes together", dir, authz.MaxPolicyFiles, authz.MaxPolicySize)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(dir, name)
		files[filepath.ToSlash(below)] = string(text)
		return err
	})
	if _, ours := errors.AsType[*authz.Error](err); err != nil && !ours {
		return nil, authz.Errorf(authz.Invalid, "%s cannot be read: %s", dir, pathReason(err))
	}
	if err == nil && len(files) == 0 {
		err = authz.Errorf(authz.Invalid, "%s holds no file of a policy: want Rego below it", dir)
	}
	return files, err
}
