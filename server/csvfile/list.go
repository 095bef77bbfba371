package csvfile

import (
	"fmt"
	"strings"
	"unicode"
)

// escapes are the signs that a backslash may stand before in a list, with what the
// two mean.
var escapes = map[byte]byte{'\\': '\\', '|': '|', '=': '=', ' ': ' ', 'n': '\n', 'r': '\r', 't': '\t'}

// blank is the white space that counts for nothing around an entry.
const blank = " \t\r\n"

// entries splits a list at its bars. Entries are trimmed and keep their
// backslashes. It returns what is wrong, or "".
func entries(text string) (raw []string, fault string) {
	if strings.Trim(text, blank) == "" {
		return nil, ""
	}
	from := 0
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || text[i] == '|':
			e := trim(text[from:i])
			if e == "" {
				return nil, fmt.Sprintf("entry %d of the list is empty: take one \"|\" away", len(raw)+1)
			}
			raw, from = append(raw, e), i+1
		case text[i] == '\\':
			if i++; i == len(text) || escapes[text[i]] == 0 {
				return nil, fmt.Sprintf("a backslash in entry %d of the list stands before none of \\, |, =, a space, n, r and t: write it twice", len(raw)+1)
			}
		}
	}
	return raw, ""
}

// trim takes away the white space around an entry, but for an escaped space.
func trim(raw string) string {
	raw = strings.TrimLeft(raw, blank)
	short := strings.TrimRight(raw, blank)
	slashes := len(short) - len(strings.TrimRight(short, `\`))
	if slashes%2 == 1 && len(short) < len(raw) {
		return raw[:len(short)+1]
	}
	return short
}

// plain returns an entry without its backslashes.
func plain(raw string) string {
	if !strings.Contains(raw, `\`) {
		return raw
	}
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '\\' && i+1 < len(raw) {
			i++
			c = escapes[raw[i]]
		}
		b.WriteByte(c)
	}
	return b.String()
}

// slashed is the inverse of plain, for a text in which the given further places are
// to lose their meaning too. White space at either end is kept.
func slashed(s string, further func(rest string) bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		rest := s[i:]
		switch c := s[i]; {
		case c == '\n':
			b.WriteString(`\n`)
			continue
		case c == '\r':
			b.WriteString(`\r`)
			continue
		case c == '\t':
			b.WriteString(`\t`)
			continue
		case c == '\\' || c == '|' || c == '=' || c == ' ' && (i == 0 || len(rest) == 1 || further(rest)):
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func nothing(string) bool { return false }

// unslashed returns where in raw the first place is that begins a match and is not
// escaped, or -1.
func unslashed(raw string, match func(rest string) bool) int {
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' {
			i++
		} else if match(raw[i:]) {
			return i
		}
	}
	return -1
}

// marked splits an entry before a mark such as "=default" at its end.
func marked(raw, mark string) (string, bool) {
	i := unslashed(raw, func(rest string) bool { return rest == mark })
	if i < 1 {
		return raw, false
	}
	return trim(raw[:i]), true
}

// formulaSigns begin what spreadsheets take for a formula, their full-width forms
// included.
const formulaSigns = "=+-@＝＋－＠"

// formula reports whether s, without any "'" that it begins with, begins as a
// formula does.
func formula(s string) bool {
	s = strings.TrimLeft(s, "'")
	if s != "" && strings.ContainsRune("\t\r\n", rune(s[0])) {
		return true
	}
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	return strings.IndexAny(s, formulaSigns) == 0
}

// neutral returns a cell as a spreadsheet can show it without harm.
func neutral(s string) string {
	if formula(s) {
		return "'" + s
	}
	return s
}

// original is the inverse of neutral.
func original(s string) string {
	if strings.HasPrefix(s, "'") && formula(s) {
		return s[1:]
	}
	return s
}
