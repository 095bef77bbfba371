package accessreport_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/accessreport"
	"github.com/portcullis-authz/portcullis/server/authz"
)

var (
	granted = accessdiff.Answer{Outcome: authz.Allow, Reason: "granted", Level: "edit"}
	tooLow  = accessdiff.Answer{Outcome: authz.Deny, Reason: "level_too_low", Level: "view"}
)

// sample is a comparison with changes of every kind.
func sample() *accessreport.Comparison {
	profile := func(action string) accessdiff.Place {
		return accessdiff.Place{Action: action, Type: "screen", ID: "SP408030", Title: "Company profile", Before: granted, After: tooLow}
	}
	screen := func(id, title string) accessdiff.Place {
		return accessdiff.Place{Action: "edit", Type: "screen", ID: id, Title: title, Before: granted, After: tooLow}
	}
	return &accessreport.Comparison{
		Complaints: []string{"41 users lose access, at most 5 may (--max-lost)"},
		Reports: []*accessdiff.Report{
			{
				Portal: "storehut", Before: "main", After: "mine", Questions: 48000, Evaluated: 1204, Users: 240, Screens: 42, Records: 23,
				Lost: 41, Gained: 2, Changed: 3, LockedOut: true, Took: 1234 * time.Millisecond,
				Asked:   []accessdiff.Asked{{Type: "screen", Actions: []string{"edit", "view", accessdiff.OtherAction}}},
				Missing: []string{"records of type invoice: 120,000 of them, of which the first 10,000 were looked at"},
				Changes: []accessdiff.Change{
					{
						Kind: accessdiff.Lost, Users: 41,
						Places: []accessdiff.Place{profile("view"), profile("edit"), screen("SP408040", "Contacts"), screen("SP408050", ""), screen("SP408060", "Orders")},
						Groups: []accessdiff.Group{
							{UserType: "Customer", Roles: []string{"Customer User", "Portal Reader"}, Account: "STOREHUT", Users: 30, Sample: []string{"ray.newman", "tonya.lawrence"}},
							{Users: 11, Sample: []string{"lara.guest"}},
						},
					}, {
						Kind: accessdiff.Gained, Users: 1, Anonymous: true,
						Places: []accessdiff.Place{
							{Action: "close", Type: "case", Records: 12, Sample: []string{"CS-DANA", "CS-RAY"}, Before: tooLow, After: granted},
							{Action: "view", Type: "invoice", ID: "I-7", After: granted},
							{Action: accessdiff.OtherAction, Type: "case", Title: "new", After: granted},
							{Action: "admin:publish", Type: "policy", ID: "*", After: granted},
							{Action: "view", Type: "account", Title: "of the own account", Records: 1, Sample: []string{"STOREHUT"}, After: granted},
						},
						Groups: []accessdiff.Group{{UserType: "Customer", Roles: []string{"Buyer"}, Users: 1, Sample: []string{"cleo"}}},
					}, {
						Kind: accessdiff.Changed, Users: 3,
						Places: []accessdiff.Place{{
							Action: "view", Type: "element", ID: "SP408030.Phone", Title: "Phone",
							Before: accessdiff.Answer{Outcome: authz.Allow, Reason: "granted", Fields: map[string]authz.Access{"phone": authz.Write, "name": authz.Read}},
							After:  accessdiff.Answer{Outcome: authz.Allow, Reason: "granted", Fields: map[string]authz.Access{"phone": authz.Read, "name": authz.Read}},
						}},
						Groups: []accessdiff.Group{{UserType: "Customer", Account: "BRIGHTON", Users: 3, Sample: []string{"ann", "bob", "cy"}}},
					},
				},
			},
			{Portal: "quiet", Before: "main", After: "mine", Questions: 10, Users: 1, Screens: 1, Records: 1, Took: time.Millisecond},
		},
	}
}

func text(o accessreport.TextOptions) func(io.Writer, *accessreport.Comparison) error {
	return func(w io.Writer, c *accessreport.Comparison) error { return accessreport.Text(w, c, o) }
}

// TestGolden holds each format against a file, which UPDATE_GOLDEN=1 writes anew.
func TestGolden(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *accessreport.Comparison) error{
		"text.txt":       text(accessreport.TextOptions{}),
		"text_color.txt": text(accessreport.TextOptions{Color: true, Width: 60}),
		"text_brief.txt": text(accessreport.TextOptions{Brief: true}),
		"report.json":    accessreport.JSON,
		"report.md":      accessreport.Markdown,
		"github.txt":     accessreport.GitHub,
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			require.NoError(t, write(&got, sample()))
			file := filepath.Join("testdata", name)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(file, got.Bytes(), 0o600))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
			require.Error(t, write(broken{}, sample()), "an error of the writer is told")
		})
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestSummary(t *testing.T) {
	for want, r := range map[string]accessdiff.Report{
		"nobody's access differs":                                           {Users: 3},
		"nobody's access differs, as far as it was looked at":               {Missing: []string{"all of it"}},
		"of 1 user, 1 loses access":                                         {Users: 1, Lost: 1},
		"of 2,000 users, 1,000 lose access and 1 gains access":              {Users: 2000, Lost: 1000, Gained: 1},
		"of 7 users, 2 lose access, 3 gain access and 1 gets other answers": {Users: 7, Lost: 2, Gained: 3, Changed: 1},
		"no user's access differs, and that of visitors does":               {Changes: []accessdiff.Change{{Anonymous: true}}},
		"of 9 users, 1 loses access; visitors are affected, too":            {Users: 9, Lost: 1, Changes: []accessdiff.Change{{Anonymous: true}}},
		"answers differ, and nobody's access does":                          {Users: 7, Changes: make([]accessdiff.Change, 1)},
	} {
		require.Equal(t, want, accessreport.Summary(&r))
	}
}

// large is a comparison far over every bound.
func large() *accessreport.Comparison {
	var changes []accessdiff.Change
	for j := range 100 {
		change := accessdiff.Change{Kind: accessdiff.Lost, Users: 100_000 - j}
		for k := range 100 {
			change.Places = append(change.Places, accessdiff.Place{Action: "view", Type: "screen", ID: fmt.Sprint("S", k), Title: strings.Repeat("long ", 50), Before: granted, After: tooLow})
			change.Groups = append(change.Groups, accessdiff.Group{UserType: strings.Repeat("t", 300), Users: 10, Sample: []string{"a", "b"}})
		}
		changes = append(changes, change)
	}
	c := &accessreport.Comparison{}
	for i := range 300 {
		c.Reports = append(c.Reports, &accessdiff.Report{
			Portal: strings.Repeat("[", 200) + fmt.Sprint(i), Users: 1_000_000, Lost: 999_999, LockedOut: i > 0, Changes: changes,
			Missing: slices.Repeat([]string{strings.Repeat("@", 1000)}, 100),
		})
		c.Complaints = append(c.Complaints, strings.Repeat("@", 1000))
	}
	return c
}

// TestBounds: what does not fit is counted, and what must be seen is.
func TestBounds(t *testing.T) {
	c := large()
	var md bytes.Buffer
	require.NoError(t, accessreport.Markdown(&md, c))
	require.LessOrEqual(t, md.Len(), accessreport.MaxMarkdown)
	for _, want := range []string{
		"**Not passed**", "and 290 more reasons", "**Locked out**", "and 289 more portals", "**Incomplete**", "and 29,990 more reasons", " of 30,000 changes are not shown here",
	} {
		require.Contains(t, md.String(), want)
	}

	for _, r := range c.Reports {
		r.Portal, r.Missing = r.Portal[200:], r.Missing[:0]
	}
	md.Reset()
	require.NoError(t, accessreport.Markdown(&md, c))
	require.Contains(t, md.String(), "and 200 more portals")

	c.Reports, c.Complaints = c.Reports[1:2], nil
	c.Reports[0].Missing = c.Reports[0].Missing[:100]
	md.Reset()
	require.NoError(t, accessreport.Markdown(&md, c))
	require.LessOrEqual(t, md.Len(), accessreport.MaxMarkdown)
	require.Contains(t, md.String(), "| | and 70 more places | | |")
	require.Contains(t, md.String(), "| 700 | and 70 more groups | | | |")

	var out bytes.Buffer
	require.NoError(t, accessreport.Text(&out, c, accessreport.TextOptions{}))
	require.LessOrEqual(t, strings.Count(out.String(), "\n"), 450)
	for _, want := range []string{"LOCKED OUT: ", "INCOMPLETE: and 80 more reasons", "and 80 more changes", "and 94 more places", "and 940 more users in 94 more groups"} {
		require.Contains(t, out.String(), want)
	}
	out.Reset()
	require.NoError(t, accessreport.Text(&out, c, accessreport.TextOptions{Brief: true}))
	require.Equal(t, accessreport.BriefLines, strings.Count(out.String(), "\n"))
	require.LessOrEqual(t, accessreport.BriefLines, 21)
	for _, want := range []string{"LOCKED OUT: ", "INCOMPLETE: and 98 more reasons", "and 93 more changes", ", and 99 more groups"} {
		require.Contains(t, out.String(), want)
	}

	var document struct {
		Reports []struct{ Changes []struct{ Places []any } }
	}
	out.Reset()
	require.NoError(t, accessreport.JSON(&out, c))
	require.NoError(t, json.Unmarshal(out.Bytes(), &document))
	require.Len(t, document.Reports[0].Changes, 100)
	require.Len(t, document.Reports[0].Changes[99].Places, 100)
}

// hostile is text that tries to leave its place in every format.
const hostile = "a|b`c`<script>x</script> **bold** [l](http://x) @team #7 www.x.org http://y\n::error::x%0A\n\n# h\r\x1b[2J\u202e\xff"

// TestHostileText: nothing that stands in a portal drives a terminal, forges a
// command or breaks a page.
func TestHostileText(t *testing.T) {
	a := accessdiff.Answer{Outcome: hostile, Reason: hostile, Level: hostile, Fields: map[string]authz.Access{hostile: hostile}}
	c := &accessreport.Comparison{
		Complaints: []string{hostile},
		Reports: []*accessdiff.Report{{
			Portal: hostile, Before: hostile, After: hostile, Missing: []string{hostile}, Lost: 1, Users: 1,
			Changes: []accessdiff.Change{{
				Kind: accessdiff.Lost, Users: 1,
				Places: []accessdiff.Place{{Action: hostile, Type: "screen", ID: hostile, Title: hostile, Before: a}, {Action: hostile, Type: hostile, Records: 2, Sample: []string{hostile}}},
				Groups: []accessdiff.Group{{UserType: hostile, Roles: []string{hostile}, Account: hostile, Users: 1, Sample: []string{hostile}}},
			}},
		}},
	}
	var out, md, github bytes.Buffer
	require.NoError(t, accessreport.Text(&out, c, accessreport.TextOptions{}))
	require.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f\x{202e}]`, out.String())
	require.NotRegexp(t, `(?m)^::`, out.String())

	require.NoError(t, accessreport.Markdown(&md, c))
	require.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f\x{202e}]`, md.String())
	require.NotRegexp(t, "[@`\\]\\[]|<script|://|www\\.|#7|(?m)^# ", strings.NewReplacer("[!CAUTION]", "", "[!WARNING]", "").Replace(md.String()))
	for line := range strings.Lines(md.String()) {
		if strings.HasPrefix(line, "|") {
			require.Contains(t, []int{5, 6, 9}, strings.Count(line, "|"), line)
		}
	}

	require.NoError(t, accessreport.GitHub(&github, c))
	for line := range strings.Lines(github.String()) {
		require.Regexp(t, regexp.MustCompile(`^::(error|warning) title=[^,:]*::`), line)
	}
	require.Equal(t, 2, strings.Count(github.String(), "\n"))
}

func TestNothingDiffers(t *testing.T) {
	c := &accessreport.Comparison{Reports: []*accessdiff.Report{{Portal: "p", Before: "a", After: "b", Users: 2}}}
	require.True(t, c.Empty())
	require.False(t, sample().Empty())
	var out bytes.Buffer
	require.NoError(t, accessreport.GitHub(&out, c))
	require.Empty(t, out.String())
	require.NoError(t, accessreport.Markdown(&out, c))
	require.Contains(t, out.String(), "Nobody's access differs.")
	out.Reset()
	require.NoError(t, accessreport.Markdown(&out, &accessreport.Comparison{}))
	require.Contains(t, out.String(), "no portal")
}
