package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/keys"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// keyCmd manages the keys of callers on the store itself, which is how the first
// one is made.
type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key for a caller, and show it once."`
	List   keyListCmd   `cmd:"" help:"Show who has keys, and what they open."`
	Revoke keyRevokeCmd `cmd:"" help:"Take a key back: it opens nothing any more."`
}

// cliActor is who writes, in the audit, from the command line.
const cliActor = "cli"

// withCallers runs do on the store that the configuration names.
func withCallers(ctx context.Context, s *streams, f *storeFlags, do func(*server.Store) error) error {
	conf, err := load(s, f.Config, *f)
	if err != nil {
		return err
	}
	if err := dataFolder(&conf); err != nil {
		return err
	}
	opened := false
	err = withStore(ctx, s, &conf, func(store *server.Store) error {
		opened = true
		return do(store)
	})
	if e, ok := errors.AsType[*authz.Error](err); ok && !opened && e.Kind == authz.Conflict && conf.Mongo.URI == "" {
		return authz.Errorf(authz.Conflict, "%s. A server that runs on it makes, lists and revokes keys itself: at /admin/v1/callers, with a key that has the permission admin", e.Msg).Because(e.Unwrap())
	}
	return err
}

type keyCreateCmd struct {
	storeFlags
	Name       string   `required:"" help:"Whose key it is, for people to read." placeholder:"NAME"`
	Portal     []string `required:"" help:"Portal that the key opens, or '*' for all; repeat for several." short:"p" placeholder:"ID"`
	Permission []string `required:"" help:"What the key opens there: ${permissions}; repeat for several." placeholder:"PERMISSION"`
	User       string   `help:"Id of the user by whom every call with the key is." placeholder:"ID" xor:"user"`
	ActsFor    []string `help:"Id of a user for whom a call with the key may be, or '*' for all; repeat for several." placeholder:"ID" sep:"none" xor:"user"`
	Until      string   `help:"When the key ends: a date, at whose beginning (UTC) it does, a moment (RFC 3339), or a time from now such as 90d or 12h." placeholder:"TIME"`
	JSON       bool     `name:"json" help:"Show the key and what it opens as JSON."`
}

// Run makes the key.
func (c *keyCreateCmd) Run(ctx context.Context, s *streams) error {
	made, err := c.caller(time.Now())
	if err != nil {
		return err
	}
	return withCallers(ctx, s, &c.storeFlags, func(store *server.Store) error {
		if err := known(ctx, store, &made); err != nil {
			return err
		}
		key, err := giveKey(ctx, store, &made, whoRuns("key create"))
		if err != nil {
			return err
		}
		return c.show(s, key, &made)
	})
}

// caller returns what the flags say, without a key.
func (c *keyCreateCmd) caller(now time.Time) (made authz.Caller, err error) {
	made = authz.Caller{Name: c.Name, Portals: c.Portal, Permissions: permissions(c.Permission, true), User: c.User, ActsFor: c.ActsFor, CreatedAt: now.UTC().Truncate(time.Millisecond)}
	if made.Until, err = end(c.Until, now); err != nil {
		return made, err
	}
	if err := made.Validate(); err != nil {
		return made, fmt.Errorf("no such key can be made:\n%w", err)
	}
	return made, nil
}

// days returns a whole number of days, such as "90d", as a time.
func days(text string) (time.Duration, bool) {
	n, ok := strings.CutSuffix(text, "d")
	count, err := strconv.Atoi(n)
	return time.Duration(count) * 24 * time.Hour, ok && err == nil && count < 100_000
}

// end returns the moment that a flag names, which must be to come. None is the zero
// time.
func end(text string, now time.Time) (until time.Time, err error) {
	if text == "" {
		return until, nil
	}
	if d, ok := days(text); ok {
		until = now.Add(d)
	} else if d, err := time.ParseDuration(text); err == nil {
		until = now.Add(d)
	} else if until, err = time.Parse(time.DateOnly, text); err != nil {
		if until, err = time.Parse(time.RFC3339, text); err != nil {
			return until, authz.Errorf(authz.Invalid, "want a date such as 2027-01-31, a moment such as 2027-01-31T18:00:00Z or a time such as 90d or 12h, got %q", text).At("--until")
		}
	}
	if until = until.UTC().Truncate(time.Millisecond); !until.After(now) {
		return until, authz.Errorf(authz.Invalid, "is %s, which is past: such a key would open nothing", until.Format(time.RFC3339)).At("--until")
	}
	return until, nil
}

// show writes the key, alone, to stdout, and what there is to say about it to
// stderr.
func (c *keyCreateCmd) show(s *streams, key string, made *authz.Caller) error {
	const once = "It is shown this once and stored as a hash only: keep it where the caller finds it, such as in $" + keyVariable + "."
	if c.JSON {
		shown := made.Document()
		shown["key"], shown["note"] = key, once
		return writeJSON(s, shown)
	}
	if _, err := fmt.Fprintln(s.out, key); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.err, "The key %s of %q opens %s.\n%s\n", made.ID, made.Name, opened(made), once)
	return err
}

// opened says what a key opens, where, for whom and until when.
func opened(c *authz.Caller) string {
	text := strings.Join(permissionNames(c), ", ") + " at " + strings.Join(c.Portals, ", ")
	if slices.Contains(c.Portals, authz.Any) {
		text = strings.Join(permissionNames(c), ", ") + " at every portal"
	}
	if user := actsAs(c); user != "" {
		text += ", " + user
	}
	if !c.Until.IsZero() {
		text += ", until " + c.Until.Format(time.RFC3339)
	}
	return text
}

func permissionNames(c *authz.Caller) []string {
	names := make([]string, len(c.Permissions))
	for i, p := range c.Permissions {
		names[i] = string(p)
	}
	return names
}

// actsAs says which users calls with a key are by or for, or "".
func actsAs(c *authz.Caller) string {
	switch {
	case c.User != "":
		return "as user " + c.User
	case slices.Contains(c.ActsFor, authz.Any):
		return "for any user"
	case len(c.ActsFor) > 0:
		return "for users " + strings.Join(c.ActsFor, ", ")
	}
	return ""
}

// giveKey makes a key for the caller, whom it completes, and stores it.
func giveKey(ctx context.Context, store keys.Store, c *authz.Caller, by string) (key string, err error) {
	key, c.ID, c.Hash = keys.New()
	c.CreatedBy = by
	return key, store.PutCaller(ctx, *c, authz.AuditEntry{
		Actor: cliActor, Operation: "create", Note: by, Changes: []authz.EntityChange{authz.CallerChange(nil, c)},
	})
}

// known refuses a caller of portals that the store does not have, and of users that
// none of the caller's portals has.
func known(ctx context.Context, store *server.Store, c *authz.Caller) error {
	all, err := store.Portals(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	open := c.Portals
	if slices.Contains(open, authz.Any) {
		open = ids
	}
	for _, portal := range open {
		if !slices.Contains(ids, portal) {
			return authz.Errorf(authz.NotFound, "there is no portal %q%s", portal, meant(portal, slices.Values(ids))).At("--portal")
		}
	}
	flag, users := "--acts-for", c.ActsFor
	if c.User != "" {
		flag, users = "--user", []string{c.User}
	}
	for _, user := range users {
		if err := knownUser(ctx, store, open, user); err != nil {
			return err.At(flag)
		}
	}
	return nil
}

// knownUser refuses a user that none of the portals has.
func knownUser(ctx context.Context, store *server.Store, portals []string, user string) *authz.Error {
	if user == authz.Any {
		return nil
	}
	for _, portal := range portals {
		_, err := store.User(ctx, portal, "", user)
		if err == nil {
			return nil
		}
		if authz.KindOf(err) != authz.NotFound {
			return authz.Errorf(authz.KindOf(err), "the users of portal %q cannot be read now", portal).Because(err)
		}
	}
	where := "at " + strings.Join(portals, ", ")
	if len(portals) == 0 {
		where = "in a store without portals"
	}
	return authz.Errorf(authz.NotFound, "there is no user %q %s%s", user, where, meant(user, userIDs(ctx, store, portals)))
}

// meant returns a question about the known name nearest to the one written, or "".
func meant(written string, known iter.Seq[string]) string {
	if name := authz.Nearest(written, known); name != "" {
		return fmt.Sprintf("; did you mean %q?", name)
	}
	return ""
}

// maxGuessed bounds how many users of each portal are looked at for a suggestion.
const maxGuessed = 100_000

// userIDs yields users of the portals, as far as they can be read.
func userIDs(ctx context.Context, store *server.Store, portals []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, portal := range portals {
			q := authz.ListQuery{Kind: authz.UserEntity, Limit: authz.MaxPage}
			for range maxGuessed / authz.MaxPage {
				page, err := store.List(ctx, portal, q)
				for _, u := range page.Items {
					if !yield(u.Key().ID) {
						return
					}
				}
				if q.After = page.Next; err != nil || q.After == "" {
					break
				}
			}
		}
	}
}

type keyListCmd struct {
	storeFlags
	JSON bool `name:"json" help:"Show them as JSON."`
}

// Run lists the keys.
func (c *keyListCmd) Run(ctx context.Context, s *streams) error {
	return withCallers(ctx, s, &c.storeFlags, func(store *server.Store) error {
		all, err := store.Callers(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			shown := make([]map[string]any, len(all))
			for i := range all {
				shown[i] = all[i].Document()
			}
			return writeJSON(s, shown)
		}
		return list(s, all, time.Now())
	})
}

// list writes the keys as a table.
func list(s *streams, all []authz.Caller, now time.Time) error {
	t := terminal.Table{Heading: []string{"ID", "NAME", "OPENS", "MADE", "BY"}}
	for i := range all {
		c := &all[i]
		what := opened(c)
		if !c.InForce(now) {
			what += " (ended)"
		}
		t.Add(c.ID, c.Name, what, c.CreatedAt.Format(time.DateOnly), c.CreatedBy)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(s.err, "There are no keys: make one with portcullis key create.")
		return err
	}
	return t.Write(s.out, 0)
}

type keyRevokeCmd struct {
	storeFlags
	ID string `arg:"" help:"Id of the key, which key list shows; the key itself will do."`
}

// Run takes the key back.
func (c *keyRevokeCmd) Run(ctx context.Context, s *streams) error {
	id := c.ID
	if of, _, ok := keys.Parse(id); ok {
		id = of
	}
	return withCallers(ctx, s, &c.storeFlags, func(store *server.Store) error {
		caller, err := callerOf(ctx, store, id)
		if err != nil {
			return err
		}
		by := whoRuns("key revoke")
		err = store.DeleteCaller(ctx, id, authz.AuditEntry{
			Actor: cliActor, Operation: "delete", Note: by, Changes: []authz.EntityChange{authz.CallerChange(caller, nil)},
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "revoked the key %s of %q, which opened %s\n", id, caller.Name, opened(caller))
		return err
	})
}

// callerOf returns the caller with the id.
func callerOf(ctx context.Context, store *server.Store, id string) (*authz.Caller, error) {
	all, err := store.Callers(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	return nil, authz.Errorf(authz.NotFound, "there is no key with the id %q: portcullis key list shows those there are", terminal.Clip(terminal.Printable(id), 80))
}

func writeJSON(s *streams, v any) error {
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
