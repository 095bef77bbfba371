package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

type adminListCmd struct {
	adminFlags
	Kind   adminKind         `arg:"" help:"What to list: portals, user_types, roles, screens, users, accounts, contacts or records/TYPE."`
	Filter map[string]string `help:"Only entities whose field is equal; repeat for several. role filters users." placeholder:"FIELD=VALUE" short:"f"`
	Limit  int               `help:"How many to list at most." default:"100"`
	After  string            `help:"Begin after the page that ended with this." placeholder:"NEXT"`
}

// Help shows how lists are filtered.
func (adminListCmd) Help() string {
	return `Examples:

  portcullis admin list users --filter account=STOREHUT --filter active=true
  portcullis admin list records/case --limit 20 --json`
}

// Run lists the entities that the caller may read.
func (c *adminListCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	query := url.Values{}
	for field, value := range c.Filter {
		query.Set(field, value)
	}
	page, err := a.list(ctx, &c.Kind, query, c.After, c.Limit)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(page)
	}
	if err := a.table(c.table(page), "There is none."); err != nil {
		return err
	}
	return a.more(page.Next)
}

func (c *adminListCmd) table(page *entityPage) *terminal.Table {
	t := &terminal.Table{}
	for _, name := range c.Kind.columns {
		t.Heading = append(t.Heading, strings.ToUpper(strings.ReplaceAll(name, "_", " ")))
	}
	for _, e := range page.Items {
		var cells []string
		for _, name := range c.Kind.columns {
			cells = append(cells, text(e.Document[name]))
		}
		t.Add(cells...)
	}
	return t
}

// more says on stderr where a list goes on.
func (a *administration) more(next string) error {
	if next == "" {
		return nil
	}
	_, err := fmt.Fprintf(a.s.err, "There is more: --limit shows more at once, --after %s what comes next.\n", next)
	return err
}

// list reads pages until there are limit entities or no more.
func (a *administration) list(ctx context.Context, k *adminKind, query url.Values, after string, limit int) (*entityPage, error) {
	if limit < 1 {
		return nil, authz.Errorf(authz.Invalid, "want at least 1").At("--limit")
	}
	at, err := k.path(ctx, a)
	if err != nil {
		return nil, err
	}
	all := &entityPage{Items: []listedEntity{}, Next: after}
	for {
		page := &entityPage{}
		if _, err := a.get(ctx, at, paged(query, all.Next, limit-len(all.Items)), page); err != nil {
			return nil, err
		}
		all.Items, all.Next = append(all.Items, page.Items...), page.Next
		if page.Next == "" || len(all.Items) >= limit {
			return all, nil
		}
	}
}

// paged returns a query for the page after another, of as many as are wanted and
// may be on one.
func paged(query url.Values, after string, limit int) url.Values {
	q := url.Values{"limit": {strconv.Itoa(min(limit, authz.MaxPage))}}
	for name, values := range query {
		q[name] = values
	}
	if after != "" {
		q.Set("after", after)
	}
	return q
}
