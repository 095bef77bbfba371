package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/config"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// auditCmd reads the audit from the store itself.
type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Examine whether audits are whole and agree with what is stored."`
	List   auditListCmd   `cmd:"" help:"Search the audit of a portal, newest first."`
}

// Help tells which store is read.
func (auditCmd) Help() string {
	return `The store is the MongoDB of --mongo-uri, or else the data folder, which one process at a time may use: while a server runs on it, ask the server,
with portcullis admin audit.`
}

// serviceChain names the chain of entries about callers on the command line.
const serviceChain = "callers"

// withAudit is withData, and tells where to ask while a server uses the data folder.
func withAudit(ctx context.Context, s *streams, conf *config.Config, do func(*server.Store) error) error {
	err := withData(ctx, s, conf, do)
	if err != nil && conf.Mongo.URI.Reveal() == "" && authz.KindOf(err) == authz.Conflict {
		return fmt.Errorf("%w; the server that uses it answers portcullis admin audit", err)
	}
	return err
}

type auditVerifyCmd struct {
	storeFlags
	Portal string `help:"Portal whose audit is examined, or ${service_chain} for that of keys; all by default." placeholder:"ID" short:"p"`
	Expect string `help:"Hash that one entry must have: that of the last one when it was noted. Goes with --portal." placeholder:"HASH"`
	JSON   bool   `help:"Write JSON: an object for each audit, one a line."`
}

// Help tells what is found, and what only a noted hash can find.
func (auditVerifyCmd) Help() string {
	return `Each entry carries the hash of the one before it. Found is what has been changed, is missing or out of order, and what is stored otherwise than the
newest entry about it says. Whoever can write to the store can also write all of an audit anew: note the hash that verify shows, and give it to --expect later.

Exit codes: 0 all is whole; 1 it is not, and the faults are shown.`
}

// Run examines the audits.
func (c *auditVerifyCmd) Run(ctx context.Context, s *streams) error {
	conf, err := load(s, c.Config, c.storeFlags)
	if err != nil {
		return err
	}
	if c.Expect != "" && c.Portal == "" {
		return authz.Errorf(authz.Invalid, "goes with --portal: a hash is of one audit").At("--expect")
	}
	return withAudit(ctx, s, &conf, func(store *server.Store) error {
		chains, err := c.chains(ctx, store)
		if err != nil {
			return err
		}
		var faulty error
		for _, chain := range chains {
			v, err := examine(ctx, store, chain, c.Expect)
			if err != nil {
				return err
			}
			if err := v.show(s, shownChain(chain), c.JSON); err != nil {
				faulty = err
			}
		}
		return faulty
	})
}

// chains returns the chains to examine.
func (c *auditVerifyCmd) chains(ctx context.Context, store *server.Store) ([]string, error) {
	if c.Portal != "" {
		return []string{chainNamed(c.Portal)}, portalThere(ctx, store, c.Portal)
	}
	portals, err := store.Portals(ctx)
	if err != nil {
		return nil, err
	}
	chains := []string{authz.ServiceChain}
	for _, p := range portals {
		chains = append(chains, p.ID)
	}
	return chains, nil
}

// portalThere refuses a portal of which the store knows nothing: a misspelt name
// would pass for an audit without entries. One that was deleted has its audit still.
func portalThere(ctx context.Context, store *server.Store, name string) error {
	if name == serviceChain {
		return nil
	}
	_, err := store.Head(ctx, name)
	if authz.KindOf(err) != authz.NotFound {
		return err
	}
	if end, err := store.Chain(ctx, name); err == nil && end.Seq > 0 {
		return nil
	}
	return err
}

func chainNamed(name string) string {
	if name == serviceChain {
		return authz.ServiceChain
	}
	return name
}

func shownChain(chain string) string {
	if chain == authz.ServiceChain {
		return serviceChain
	}
	return chain
}

// examine verifies one chain, in which an entry must have the hash expect unless
// that is empty.
func examine(ctx context.Context, store *server.Store, chain, expect string) (*auditVerdict, error) {
	found, err := admin.New(store, nil, nil, admin.Options{}).Verify(ctx, chain)
	if err != nil {
		return nil, err
	}
	v := &auditVerdict{Chain: shownChain(chain), Intact: len(found.Faults) == 0 && found.More == 0, Entries: found.Entries, Last: found.Head.Seq, Hash: found.Head.Hash,
		Faults: []chainFault{}, More: found.More}
	for _, f := range found.Faults {
		v.Faults = append(v.Faults, chainFault{Kind: string(f.Kind), Seq: f.Seq, Entity: f.Entity.Ref(), Message: f.Msg})
	}
	if expect != "" {
		there, err := entryWith(ctx, store, chain, expect)
		if err != nil {
			return nil, err
		}
		v.expect(expect, there)
	}
	return v, nil
}

// entryWith reports whether an entry of the chain has the hash.
func entryWith(ctx context.Context, store *server.Store, chain, hash string) (bool, error) {
	for after := int64(0); ; {
		page, err := store.Entries(ctx, chain, after, authz.MaxPage)
		if err != nil {
			return false, err
		}
		for i := range page {
			if page[i].Hash == hash && page[i].Intact() {
				return true, nil
			}
			after = page[i].Seq
		}
		if len(page) < authz.MaxPage {
			return false, nil
		}
	}
}

type auditListCmd struct {
	storeFlags
	auditFilter
	Portal string `help:"Portal whose audit is searched, or ${service_chain} for that of keys." required:"" placeholder:"ID" short:"p"`
	JSON   bool   `help:"Write JSON: an entry a line."`
}

// Run lists entries.
func (c *auditListCmd) Run(ctx context.Context, s *streams) error {
	conf, err := load(s, c.Config, c.storeFlags)
	if err != nil {
		return err
	}
	q, err := c.audit()
	if err != nil {
		return err
	}
	return withAudit(ctx, s, &conf, func(store *server.Store) error {
		if err := portalThere(ctx, store, c.Portal); err != nil {
			return err
		}
		page, err := store.Audit(ctx, chainNamed(c.Portal), q)
		if err != nil {
			return err
		}
		return c.show(s, &page)
	})
}

func (c *auditListCmd) show(s *streams, page *authz.AuditPage) error {
	a := &administration{s: s}
	t := &terminal.Table{Heading: auditHeading()}
	for i := range page.Entries {
		entry, err := entryObject(&page.Entries[i])
		if err != nil {
			return err
		}
		if c.JSON {
			if err := a.writeJSON(entry); err != nil {
				return err
			}
			continue
		}
		addEntry(t, entry)
	}
	if !c.JSON {
		if err := a.table(t, "There is none."); err != nil {
			return err
		}
	}
	return a.more(page.Next)
}

// audit returns what to search for.
func (f *auditFilter) audit() (q authz.AuditQuery, err error) {
	if f.Limit < 1 || f.Limit > authz.MaxPage {
		return q, authz.Errorf(authz.Invalid, "want 1 to %d", authz.MaxPage).At("--limit")
	}
	q = authz.AuditQuery{Actor: f.Actor, Entity: f.Entity, Field: f.Field, After: f.After, Limit: f.Limit}
	if q.From, err = instant("--from", f.From); err != nil {
		return q, err
	}
	q.Until, err = instant("--until", f.Until)
	return q, err
}

// instant reads a moment; none is the zero time.
func instant(flag, text string) (t time.Time, err error) {
	if text == "" {
		return t, nil
	}
	if t, err = time.Parse(time.RFC3339, text); err != nil {
		return t, authz.Errorf(authz.Invalid, "want a moment such as 2026-03-01T09:00:00Z, got %q", text).At(flag)
	}
	return t, nil
}

// entryObject returns an entry as the API shows it.
func entryObject(e *authz.AuditEntry) (map[string]any, error) {
	changes := []any{}
	for _, c := range e.Changes {
		one := map[string]any{"entity": c.Entity.Ref()}
		if c.Before != nil {
			one["before"] = c.Before
		}
		if c.After != nil {
			one["after"] = c.After
		}
		changes = append(changes, one)
	}
	text, err := json.Marshal(map[string]any{
		"seq": e.Seq, "at": e.At.UTC().Format(time.RFC3339Nano), "actor": e.Actor, "on_behalf_of": e.OnBehalfOf, "decision": e.Decision, "request": e.Request,
		"operation": e.Operation, "note": e.Note, "revision": e.Revision, "changes": changes, "counts": e.Counts, "prev": e.Prev, "hash": e.Hash,
	})
	if err != nil {
		return nil, err
	}
	return object("an entry", string(text))
}
