package terminal

import (
	"io"
	"strings"
)

// Table is a heading and rows of as many cells, which are shown in columns.
type Table struct {
	Heading []string
	rows    [][]string
}

// Add adds a row. Cells are made printable; missing ones are empty.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(t.Heading))
	for i := range min(len(cells), len(row)) {
		row[i] = Printable(cells[i])
	}
	t.rows = append(t.rows, row)
}

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.rows) }

const (
	gap      = 2 // columns between two cells
	leastFit = 8 // columns to which a cell is not narrowed further
)

// Write writes the table within the given number of columns of the terminal, where
// it can be narrowed so far; 0 is no bound. What does not fit ends in "...".
func (t *Table) Write(w io.Writer, columns int) error {
	widths := t.widths()
	narrow(widths, columns)
	var b strings.Builder
	for _, row := range append([][]string{t.Heading}, t.rows...) {
		line := ""
		for i, cell := range row {
			line += Pad(Clip(cell, widths[i]), widths[i]+gap)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths returns the columns that the widest cell of each column takes.
func (t *Table) widths() []int {
	widths := make([]int, len(t.Heading))
	for _, row := range append([][]string{t.Heading}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], Width(cell))
		}
	}
	return widths
}

// narrow takes columns away from the widest until all fit.
func narrow(widths []int, columns int) {
	total := gap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for over := total - columns; columns > 0 && over > 0; over-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= leastFit {
			return
		}
		widths[widest]--
	}
}
