package accessreport

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
)

// documentVersion grows when a member changes its meaning or goes; members may be
// added under the same version.
const documentVersion = 1

// The comparison as JSON has it. Lists are never null.
type (
	document struct {
		Version    int      `json:"version"`
		Passed     bool     `json:"passed"` // there are no complaints
		Complaints []string `json:"complaints"`
		Reports    []report `json:"reports"`
	}
	report struct {
		Portal    string   `json:"portal"`
		Before    string   `json:"before"`
		After     string   `json:"after"`
		Complete  bool     `json:"complete"`
		Missing   []string `json:"missing"`
		LockedOut bool     `json:"locked_out"`
		Lost      int      `json:"lost"` // users
		Gained    int      `json:"gained"`
		Changed   int      `json:"changed"`
		Users     int      `json:"users"`
		Screens   int      `json:"screens"`
		Records   int      `json:"records"`
		Questions int64    `json:"questions"`
		Evaluated int64    `json:"evaluated"`
		Seconds   float64  `json:"seconds"`
		Asked     []asked  `json:"asked"`
		Changes   []change `json:"changes"`
	}
	asked struct {
		Type    string   `json:"type"`
		Actions []string `json:"actions"` // "~other" stands for those that no policy names
	}
	change struct {
		Kind      accessdiff.Kind `json:"kind"`
		Users     int             `json:"users"`
		Anonymous bool            `json:"anonymous,omitempty"` // it befalls visitors, too
		Places    []place         `json:"places"`
		Groups    []group         `json:"groups"`
	}
	place struct {
		Action  string     `json:"action"`
		Type    string     `json:"type"`
		ID      string     `json:"id,omitempty"`
		Title   string     `json:"title,omitempty"`
		Records int        `json:"records,omitempty"`
		Sample  []string   `json:"sample,omitempty"`
		Before  answerJSON `json:"before"`
		After   answerJSON `json:"after"`
	}
	answerJSON struct {
		Outcome string            `json:"outcome"` // empty: there is no portal to ask
		Reason  string            `json:"reason,omitempty"`
		Level   string            `json:"level,omitempty"`
		Fields  map[string]string `json:"fields,omitempty"`
	}
	group struct {
		UserType string   `json:"user_type,omitempty"`
		Roles    []string `json:"roles"`
		Account  string   `json:"account,omitempty"`
		Users    int      `json:"users"`
		Sample   []string `json:"sample"`
	}
)

// JSON writes all of the comparison.
func JSON(w io.Writer, c *Comparison) error {
	d := document{Version: documentVersion, Passed: len(c.Complaints) == 0, Complaints: listed(c.Complaints), Reports: []report{}}
	for _, r := range c.Reports {
		d.Reports = append(d.Reports, reportJSON(r))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func reportJSON(r *accessdiff.Report) report {
	out := report{
		Portal: r.Portal, Before: r.Before, After: r.After, Complete: r.Complete(), Missing: listed(r.Missing), LockedOut: r.LockedOut,
		Lost: r.Lost, Gained: r.Gained, Changed: r.Changed, Users: r.Users, Screens: r.Screens, Records: r.Records,
		Questions: r.Questions, Evaluated: r.Evaluated, Seconds: r.Took.Seconds(), Asked: []asked{}, Changes: []change{},
	}
	for _, a := range r.Asked {
		out.Asked = append(out.Asked, asked{Type: a.Type, Actions: listed(a.Actions)})
	}
	for i := range r.Changes {
		out.Changes = append(out.Changes, changeJSON(&r.Changes[i]))
	}
	return out
}

func changeJSON(c *accessdiff.Change) change {
	out := change{Kind: c.Kind, Users: c.Users, Anonymous: c.Anonymous, Places: []place{}, Groups: []group{}}
	for i := range c.Places {
		p := &c.Places[i]
		out.Places = append(out.Places, place{
			Action: p.Action, Type: p.Type, ID: p.ID, Title: p.Title, Records: p.Records, Sample: p.Sample,
			Before: answerDocument(&p.Before), After: answerDocument(&p.After),
		})
	}
	for i := range c.Groups {
		g := &c.Groups[i]
		out.Groups = append(out.Groups, group{UserType: g.UserType, Roles: listed(g.Roles), Account: g.Account, Users: g.Users, Sample: listed(g.Sample)})
	}
	return out
}

func answerDocument(a *accessdiff.Answer) answerJSON {
	out := answerJSON{Outcome: string(a.Outcome), Reason: a.Reason, Level: a.Level}
	for f, access := range a.Fields {
		if out.Fields == nil {
			out.Fields = map[string]string{}
		}
		out.Fields[f] = string(access)
	}
	return out
}

// listed returns the list, which JSON shows as [] when it is nil.
func listed(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
