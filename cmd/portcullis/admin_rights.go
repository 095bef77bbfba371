package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// cell is the right of a role at a screen.
type cell struct {
	Role     string `json:"role"`
	Node     string `json:"node"`
	Level    string `json:"level"`
	Explicit bool   `json:"explicit"`
	Shown    string `json:"shown"`
}

type cells struct {
	Cells []cell `json:"cells"`
}

type adminRightsCmd struct {
	adminFlags
	Role   string `help:"Role whose rights are shown." placeholder:"ID"`
	Screen string `help:"Screen, or other node of the tree, at which rights are shown." placeholder:"ID"`
	Below  bool   `help:"With --screen: the nodes below it too."`
	Own    bool   `help:"Only levels that a role has of its own, not those it inherits from further up."`
}

// Help shows the ranges of rights.
func (adminRightsCmd) Help() string {
	return `Examples:

  portcullis admin rights --role Clerk                    the row of a role
  portcullis admin rights --screen SP408030 --own         the column of a screen
  portcullis admin rights --role Clerk --screen SP408030  one cell
  portcullis admin rights --role Clerk --screen WS1 --below`
}

// Run shows a range of rights.
func (c *adminRightsCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	at, query, err := c.at(ctx, a)
	if err != nil {
		return err
	}
	var all cells
	answer, err := a.get(ctx, at, query, &all)
	if err != nil {
		return err
	}
	if a.json {
		return a.answerJSON(answer)
	}
	t := &terminal.Table{Heading: []string{"ROLE", "SCREEN", "LEVEL", "SHOWN"}}
	for _, x := range all.Cells {
		if x.Explicit || !c.Own {
			t.Add(x.Role, x.Node, x.Level, x.Shown)
		}
	}
	return a.table(t, "There is none.")
}

// at returns where the range is read.
func (c *adminRightsCmd) at(ctx context.Context, a *administration) (string, url.Values, error) {
	query := url.Values{}
	segments := []string{"screens", c.Screen, "rights"}
	switch {
	case c.Role == "" && c.Screen == "":
		return "", nil, authz.Errorf(authz.Invalid, "whose rights? Want --role, --screen, or both")
	case c.Below && c.Screen == "":
		return "", nil, authz.Errorf(authz.Invalid, "goes with --screen").At("--below")
	case c.Screen == "":
		segments = []string{"rights", c.Role}
	case c.Role != "" && !c.Below:
		segments = []string{"rights", c.Role, c.Screen}
	case c.Role != "":
		query.Set("role", c.Role)
	}
	if c.Below {
		query.Set("below", "true")
	}
	at, err := a.within(ctx, segments...)
	return at, query, err
}

type adminSetRightCmd struct {
	adminFlags
	writeFlags
	matchFlags
	Role   string `arg:"" help:"Id of the role."`
	Screen string `arg:"" help:"Id of the screen, or other node of the tree."`
	Level  string `arg:"" help:"revoked, view, edit, insert, publish or delete; inherit takes the role's own level away."`
}

// Help shows the setting of a right.
func (adminSetRightCmd) Help() string {
	return `Examples:

  portcullis admin set-right 'Customer User' SP408030 edit --dry-run
  portcullis admin set-right 'Customer User' SP408030 inherit`
}

// Run sets the level.
func (c *adminSetRightCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	at, err := a.within(ctx, "rights", c.Role, c.Screen)
	if err != nil {
		return err
	}
	var was cells
	read, err := a.get(ctx, at, nil, &was)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"level": c.Level})
	if err != nil {
		return err
	}
	answer, err := a.do(ctx, request{method: http.MethodPut, path: at, header: c.header(read.header.Get("ETag")), body: string(body)})
	if err != nil {
		return err
	}
	if a.json {
		return a.answerJSON(answer)
	}
	var w written
	if err := a.decode(answer, &w); err != nil {
		return err
	}
	t := &terminal.Table{Heading: []string{"FIELD", "BEFORE", "AFTER"}}
	if len(was.Cells) == 1 && was.Cells[0].Level != c.Level {
		t.Add("level", was.Cells[0].Level, c.Level)
	}
	return a.tell(&w, "set", fmt.Sprintf("the right of role %q at screen %q", c.Role, c.Screen), t)
}
