package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

type adminAuditCmd struct {
	List   adminAuditListCmd   `cmd:"" default:"withargs" help:"Search the audit, newest first."`
	Verify adminAuditVerifyCmd `cmd:"" help:"Examine whether the audit is whole and agrees with what is stored."`
}

// auditFilter is what entries are searched by.
type auditFilter struct {
	Actor  string `help:"Only writes by this one, or for it, such as user/ann.lee." placeholder:"ACTOR"`
	Entity string `help:"Only writes of this entity, such as user/ann.lee or right/Clerk/orders." placeholder:"KIND/ID"`
	Field  string `help:"Only writes that changed this member, such as active." placeholder:"NAME"`
	From   string `help:"Only writes at or after this moment (RFC 3339)." placeholder:"TIME"`
	Until  string `help:"Only writes before this moment (RFC 3339)." placeholder:"TIME"`
	Limit  int    `help:"How many to list at most." default:"100"`
	After  string `help:"Begin after the page that ended with this." placeholder:"NEXT"`
}

func (f *auditFilter) query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{"actor": f.Actor, "entity": f.Entity, "field": f.Field, "from": f.From, "until": f.Until} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

type adminAuditListCmd struct {
	adminFlags
	auditFilter
}

// Help shows searches.
func (adminAuditListCmd) Help() string {
	return `Examples:

  portcullis admin audit --entity user/ann.lee --field active
  portcullis admin audit --actor user/kim.gibbs --from 2026-03-01T00:00:00Z --json`
}

// Run lists entries, a line for each entity that was written.
func (c *adminAuditListCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	page, err := a.pages(ctx, listing{segments: []string{"audit"}, query: c.query(), after: c.After, limit: c.Limit})
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(page)
	}
	t := &terminal.Table{Heading: auditHeading()}
	for _, entry := range page.Items {
		addEntry(t, entry)
	}
	if err := a.table(t, "There is none."); err != nil {
		return err
	}
	return a.more(page.Next)
}

func auditHeading() []string {
	return []string{"SEQ", "AT", "ACTOR", "FOR", "OPERATION", "ENTITY", "CHANGED", "NOTE"}
}

// addEntry adds an entry as the API shows it: a row for each entity, in the first of
// which the entry itself stands.
func addEntry(t *terminal.Table, entry map[string]any) {
	row := []string{text(entry["seq"]), text(entry["at"]), text(entry["actor"]), text(entry["on_behalf_of"]), text(entry["operation"]), "", "", text(entry["note"])}
	changes, _ := entry["changes"].([]any)
	if len(changes) == 0 {
		if row[7] == "" {
			row[7] = text(entry["counts"])
		}
		t.Add(row...)
		return
	}
	for i, c := range changes {
		change, _ := c.(map[string]any)
		if i > 0 {
			row = make([]string, len(row))
		}
		row[5], row[6] = text(change["entity"]), changedFields(change)
		t.Add(row...)
	}
}

// changedFields names the members that a change is of.
func changedFields(change map[string]any) string {
	before, _ := change["before"].(map[string]any)
	after, _ := change["after"].(map[string]any)
	switch {
	case before == nil:
		return "(created)"
	case after == nil:
		return "(deleted)"
	}
	was, is := flat(before), flat(after)
	names := map[string]bool{}
	for name, v := range was {
		names[name] = is[name] != v
	}
	for name, v := range is {
		names[name] = was[name] != v
	}
	var changed []any
	for _, name := range sortedKeys(names) {
		if names[name] {
			changed = append(changed, name)
		}
	}
	return text(changed)
}

type adminAuditVerifyCmd struct {
	adminFlags
	Expect string `help:"Hash that the audit's last entry had when it was noted: one that ends before it is at fault." placeholder:"HASH"`
}

// auditVerdict is what an examination of the audit found, as the API shows it.
type auditVerdict struct {
	Chain   string       `json:"chain,omitempty"`
	Intact  bool         `json:"intact"`
	Entries int64        `json:"entries"`
	Last    int64        `json:"last"`
	Hash    string       `json:"hash,omitempty"`
	Faults  []chainFault `json:"faults"`
	More    int          `json:"more"`
}

type chainFault struct {
	Kind    string `json:"kind"`
	Seq     int64  `json:"seq"`
	Entity  string `json:"entity,omitempty"`
	Message string `json:"message"`
}

// Run has the server examine the portal's audit.
func (c *adminAuditVerifyCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	at, err := a.within(ctx, "audit", "verify")
	if err != nil {
		return err
	}
	var v auditVerdict
	if _, err := a.get(ctx, at, nil, &v); err != nil {
		return err
	}
	if c.Expect != "" {
		found, err := a.hasEntry(ctx, c.Expect)
		if err != nil {
			return err
		}
		v.expect(c.Expect, found)
	}
	return v.show(s, a.portal, a.json)
}

// hasEntry reports whether an entry of the portal has the hash.
func (a *administration) hasEntry(ctx context.Context, hash string) (bool, error) {
	l := listing{segments: []string{"audit"}, limit: authz.MaxPage}
	for {
		page, err := a.pages(ctx, l)
		if err != nil {
			return false, err
		}
		for _, entry := range page.Items {
			if entry["hash"] == hash {
				return true, nil
			}
		}
		if l.after = page.Next; l.after == "" {
			return false, nil
		}
	}
}

// expect holds the chain against the hash that one of its entries must have.
func (v *auditVerdict) expect(hash string, found bool) {
	if found {
		return
	}
	v.Intact = false
	v.Faults = append(v.Faults, chainFault{Kind: "missing", Message: "no entry has the expected hash " + hash + ": entries were taken away, or it is of another portal"})
}

// show writes what was found; faults end the program with exitFault.
func (v *auditVerdict) show(s *streams, chain string, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(s.out).Encode(v); err != nil {
			return err
		}
	} else if err := v.text(s, chain); err != nil {
		return err
	}
	if !v.Intact {
		return exitError(exitFault)
	}
	return nil
}

func (v *auditVerdict) text(s *streams, chain string) error {
	if v.Intact && v.Entries == 0 {
		_, err := fmt.Fprintf(s.out, "the audit of %s has no entries\n", chain)
		return err
	}
	if v.Intact {
		_, err := fmt.Fprintf(s.out, "the audit of %s is whole and agrees with what is stored: %d entries, hash %s\n", chain, v.Entries, v.Hash)
		return err
	}
	t := &terminal.Table{Heading: []string{"SEQ", "FAULT", "ENTITY", "WHAT"}}
	for _, f := range v.Faults {
		t.Add(strconv.FormatInt(f.Seq, 10), f.Kind, f.Entity, f.Message)
	}
	if err := t.Write(s.out, columnsOf(s)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "the audit of %s has %s in %d entries\n", chain, plural(len(v.Faults)+v.More, "fault"), v.Entries)
	return err
}
