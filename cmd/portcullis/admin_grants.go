package main

import (
	"context"
	"net/url"

	"github.com/portcullis-authz/portcullis/server/terminal"
)

type adminGrantsCmd struct {
	adminFlags
	Role      string `help:"Only grants of this role." placeholder:"ID"`
	User      string `help:"Only grants of this user." placeholder:"ID"`
	Temporary bool   `help:"Only grants that end."`
	Guest     bool   `help:"Only grants of roles for outside users."`
	Limit     int    `help:"How many to list at most." default:"100"`
	After     string `help:"Begin after the page that ended with this." placeholder:"NEXT"`
}

// Help shows what the list is for.
func (adminGrantsCmd) Help() string {
	return `Example, for those who review who has outside or passing access:

  portcullis admin grants --guest --temporary`
}

// Run lists grants.
func (c *adminGrantsCmd) Run(ctx context.Context, s *streams) error {
	query := url.Values{}
	for name, value := range map[string]string{"role": c.Role, "user": c.User, "temporary": yes(c.Temporary), "guest": yes(c.Guest)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return c.rows(ctx, s, listing{
		segments: []string{"grants"}, query: query, after: c.After, limit: c.Limit,
		heading: []string{"USER", "ACCOUNT", "ROLE", "IN FORCE", "GUEST", "FROM", "UNTIL", "BY", "WHY"},
		members: []string{"user", "account", "role", "in_force", "guest", "from", "until", "by", "why"},
	})
}

func yes(on bool) string {
	if on {
		return "true"
	}
	return ""
}

// listing is a list of things that are no entities.
type listing struct {
	segments         []string // of the path
	global           bool     // the path is of no portal
	query            url.Values
	after            string
	limit            int // 0: the list has no pages
	heading, members []string
}

// objectPage is one page of objects.
type objectPage struct {
	Items []map[string]any `json:"items"`
	Next  string           `json:"next,omitempty"`
}

// rows lists objects, page by page.
func (f *adminFlags) rows(ctx context.Context, s *streams, l listing) error {
	a, err := f.open(s)
	if err != nil {
		return err
	}
	page, err := a.pages(ctx, l)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(page)
	}
	t := &terminal.Table{Heading: l.heading}
	for _, item := range page.Items {
		var row []string
		for _, name := range l.members {
			row = append(row, text(item[name]))
		}
		t.Add(row...)
	}
	if err := a.table(t, "There is none."); err != nil {
		return err
	}
	return a.more(page.Next)
}

// pages reads pages until there are as many objects as wanted, or no more.
func (a *administration) pages(ctx context.Context, l listing) (*objectPage, error) {
	at, err := pathOf(l.segments...), error(nil)
	if !l.global {
		at, err = a.within(ctx, l.segments...)
	}
	if err != nil {
		return nil, err
	}
	all := &objectPage{Items: []map[string]any{}, Next: l.after}
	for {
		query := l.query
		if l.limit > 0 {
			query = paged(l.query, all.Next, l.limit-len(all.Items))
		}
		page := &objectPage{}
		if _, err := a.get(ctx, at, query, page); err != nil {
			return nil, err
		}
		all.Items, all.Next = append(all.Items, page.Items...), page.Next
		if page.Next == "" || len(all.Items) >= l.limit {
			return all, nil
		}
	}
}
