package csvfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds on a file.
const (
	MaxBytes   = 16 << 20
	MaxRows    = authz.MaxChanges // a file is one changeset
	MaxColumns = 1000
	MaxCell    = 64 << 10 // bytes
)

const byteOrderMark = "\ufeff"

// Read returns the rows of a file about entities of one of [Kinds], in its order.
// The error is [Faults] with all that is wrong with the file itself; authz.TooLarge
// for one beyond its bounds; authz.Invalid for another kind. What the rows refer to
// is not looked at.
func Read(kind authz.EntityKind, r io.Reader) ([]Row, error) {
	if columns(kind) == nil {
		return nil, authz.Errorf(authz.Invalid, "entities of kind %q have no form in CSV: want one of %q", kind, Kinds())
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return nil, authz.Errorf(authz.Unavailable, "the file cannot be read").Because(err)
	case len(data) > MaxBytes:
		return nil, authz.Errorf(authz.TooLarge, "the file has more than %d bytes: split it", MaxBytes)
	}
	f := newReader(kind, bytes.TrimPrefix(data, []byte(byteOrderMark)))
	if line := wide(f.data, byte(f.csv.Comma), len(f.lines)); line > 0 {
		return nil, authz.Errorf(authz.TooLarge, "line %d has more than %d columns", line, MaxColumns)
	}
	if err := f.header(); err != nil {
		return nil, err
	}
	if err := f.rows(); err != nil {
		return nil, err
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.all, nil
}

// reader reads one file.
type reader struct {
	list
	kind    authz.EntityKind
	data    []byte
	lines   []int // where each line begins
	csv     *csv.Reader
	last    spot
	columns []column // by position; without a name where the first line names none
	all     []Row
	seen    map[authz.Key]int // line
}

func newReader(kind authz.EntityKind, data []byte) *reader {
	f := &reader{kind: kind, data: data, lines: []int{0}, seen: map[authz.Key]int{}}
	for i, b := range data {
		if b == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	f.csv = csv.NewReader(bytes.NewReader(data))
	f.csv.FieldsPerRecord, f.csv.ReuseRecord = -1, true
	f.csv.Comma = separator(kind, data)
	return f
}

// separator returns the sign by which the first line has more columns that the kind
// knows.
func separator(kind authz.EntityKind, data []byte) rune {
	best, most := ',', -1
	for _, sign := range []rune{',', ';'} {
		var names []string
		if wide(data, byte(sign), 1) == 0 {
			r := csv.NewReader(bytes.NewReader(data))
			r.Comma = sign
			names, _ = r.Read()
		}
		n := 0
		for _, name := range names {
			if _, known := find(kind, name); known {
				n++
			}
		}
		if n > most {
			best, most = sign, n
		}
	}
	return best
}

// wide returns the line on which one of the first records has too many cells, or 0.
// A record is split only after that is known: a cell takes more memory than the sign
// that ends it.
func wide(data []byte, sign byte, records int) int {
	line, cells, quoted := 1, 1, false
	for _, b := range data {
		switch {
		case b == '\n':
			line++
			if quoted {
				continue
			}
			if records--; records == 0 {
				return 0
			}
			cells = 1
		case b == '"':
			quoted = !quoted
		case b == sign && !quoted:
			if cells++; cells > MaxColumns {
				return line
			}
		}
	}
	return 0
}

// place returns where a field of the record stands.
func (f *reader) place(field int) (line, character int) {
	line, column := f.csv.FieldPos(field)
	return line, f.character(line, column)
}

// spot is a place of a line in bytes and in characters.
type spot struct{ line, column, character int }

// character turns a place of a line in bytes into one in characters. It counts on
// from the place before on the line, so that a long line is counted once.
func (f *reader) character(line, column int) int {
	if line != f.last.line || column < f.last.column {
		f.last = spot{line, 1, 1}
	}
	start := f.lines[min(line, len(f.lines))-1]
	from, to := start+f.last.column-1, min(start+column-1, len(f.data))
	f.last = spot{line, column, f.last.character + utf8.RuneCount(f.data[min(from, to):to])}
	return f.last.character
}

// fault notes what is wrong with a field of the record.
func (f *reader) fault(field int, name, format string, args ...any) {
	line, at := f.place(field)
	f.add(Fault{Line: line, Column: at, Name: name, Msg: fmt.Sprintf(format, args...)})
}

// malformed notes why a record is no CSV, behind which nothing is read.
func (f *reader) malformed(err error) {
	e, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case !ok:
		f.add(Fault{Line: 1, Column: 1, Msg: "the file is no CSV"})
	case e.StartLine != e.Line:
		f.add(Fault{Line: e.StartLine, Column: 1, Msg: fmt.Sprintf("a quote of the row that begins here is not closed by line %d: close it, or write it twice", e.Line)})
	default:
		f.add(Fault{Line: e.Line, Column: f.character(e.Line, e.Column), Msg: "a quote stands within a cell: write the cell \"like \"\"this\"\"\""})
	}
}

// header takes the first line.
func (f *reader) header() error {
	names, err := f.csv.Read()
	switch {
	case errors.Is(err, io.EOF):
		return Faults{{Line: 1, Column: 1, Msg: "the file is empty: its first line names the columns, such as " + strings.Join(Columns(f.kind), ",")}}
	case err != nil:
		f.malformed(err)
		return f.err()
	}
	f.columns = make([]column, len(names))
	taken := map[string]bool{}
	for i, name := range names {
		f.name(i, name, taken)
	}
	for _, c := range columns(f.kind) {
		if c.must && !taken[c.name] {
			f.add(Fault{Line: 1, Column: 1, Name: c.name, Msg: "the column is missing: every row needs it"})
		}
	}
	return nil
}

// name takes one cell of the first line.
func (f *reader) name(i int, name string, taken map[string]bool) {
	c, known := find(f.kind, name)
	switch {
	case !utf8.ValidString(name):
		f.fault(i, "", "%s is not valid UTF-8: save the file as UTF-8", shown(name))
	case !known:
		f.fault(i, "", "unknown column %s: want one of %s%s", shown(name), strings.Join(Columns(f.kind), ", "), meant(name, Columns(f.kind)))
	case taken[c.name]:
		f.fault(i, c.name, "the column is there twice: take one away")
	default:
		taken[c.name], f.columns[i] = true, c
	}
}

// rows takes all other lines. Lines of a quoted cell are the row's own.
func (f *reader) rows() error {
	for n := 0; !f.full(); {
		cells, err := f.csv.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			f.malformed(err)
			return nil
		case blankRow(cells):
			continue
		}
		if n++; n > MaxRows {
			return authz.Errorf(authz.TooLarge, "the file has more than %d rows: split it", MaxRows)
		}
		f.row(cells)
	}
	return nil
}

func blankRow(cells []string) bool {
	for _, c := range cells {
		if strings.Trim(c, blank) != "" {
			return false
		}
	}
	return true
}

// row takes one row, which is kept even where it has faults: its key is then known.
func (f *reader) row(cells []string) {
	line, _ := f.place(0)
	if len(cells) != len(f.columns) {
		f.fault(len(cells)-1, "", "the row has %d cells and the first line %d: give each column its cell", len(cells), len(f.columns))
		return
	}
	r := Row{Line: line, Key: authz.Key{Kind: f.kind}, cells: make([]cell, 0, len(cells))}
	for i, text := range cells {
		if c := f.columns[i]; c.name != "" {
			f.cell(&r, i, c, text)
		}
	}
	if r.Key.ID == "" || f.kind == authz.RightEntity && r.Key.Of == "" {
		return
	}
	if first, twice := f.seen[r.Key]; twice {
		f.fault(0, "", "%s is there twice: line %d is about it too; take one away", r.Key, first)
	}
	f.seen[r.Key] = line
	f.all = append(f.all, r)
	f.entity(&r)
}

// entity notes what is wrong with the row's values as those of an entity. Nothing is
// wrong with a right whose cells are good.
func (f *reader) entity(r *Row) {
	if f.kind == authz.RightEntity {
		return
	}
	document, _ := r.Apply(nil)
	_, err := authz.FromDocument(r.Key, document)
	if all, ok := errors.AsType[authz.Faults](err); ok {
		for _, x := range all {
			f.add(r.Fault(x.Path, x.Msg))
		}
	}
}

// cell takes one cell of a row.
func (f *reader) cell(r *Row, i int, c column, text string) {
	switch {
	case !utf8.ValidString(text):
		f.fault(i, c.name, "%s is not valid UTF-8: save the file as UTF-8", shown(text))
		return
	case len(text) > MaxCell:
		f.fault(i, c.name, "the cell has %d bytes: at most %d", len(text), MaxCell)
		return
	case c.must && text == "":
		f.fault(i, c.name, "is empty: every row needs it")
		return
	}
	text = original(text)
	value, fault := c.cell.read(text)
	if fault != "" {
		f.fault(i, c.name, "%s", fault)
		return
	}
	switch c.field {
	case "id", "node":
		r.Key.ID = text
	case "role":
		r.Key.Of = text
	}
	_, at := f.place(i)
	r.cells = append(r.cells, cell{column: c, at: at, value: value})
}
