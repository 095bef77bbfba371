package terminal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/terminal"
)

func TestTable(t *testing.T) {
	table := terminal.Table{Heading: []string{"ID", "TITLE", "NOTE"}}
	table.Add("a", "日本語", "x")
	table.Add("long.identifier", "plain\nlines\x1b[0m")
	table.Add("b", "c", "d", "beyond")
	require.Equal(t, 3, table.Len())
	for name, tt := range map[string]struct {
		columns int
		want    string
	}{
		"unbounded":  {0, "ID               TITLE                NOTE\na                日本語               x\nlong.identifier  plain\\nlines\\x1b[0m\nb                c                    d\n"},
		"narrow":     {36, "ID              TITLE           NOTE\na               日本語          x\nlong.identi...  plain\\nline...\nb               c               d\n"},
		"too narrow": {5, "ID        TITLE     NOTE\na         日本語    x\nlong....  plain...\nb         c         d\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			require.NoError(t, table.Write(&b, tt.columns))
			require.Equal(t, tt.want, b.String())
		})
	}
	require.Error(t, table.Write(failing{}, 0))
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestWidths(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "日本": 4, "e\u0301": 1, "🙂": 2} {
		require.Equal(t, want, terminal.Width(text), text)
		require.Equal(t, want+2, terminal.Width(terminal.Pad(text, want+2)), text)
	}
	require.Equal(t, "abcd", terminal.Clip("abcd", 4))
	require.Equal(t, "a...", terminal.Clip("abcde", 4))
	require.Equal(t, "日...", terminal.Clip("日本語の", 6))
	require.Equal(t, `a\nb \x1b\u202e`, terminal.Printable("a\nb\t\x1b\u202e"))
}
