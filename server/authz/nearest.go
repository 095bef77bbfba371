package authz

import "iter"

// guessBudget is how many bytes of known names one validation compares for the
// sake of suggestions. A world in which every reference is wrong would
// otherwise take time quadratic in its size; past the budget, faults come
// without a suggestion.
const guessBudget = 20_000_000

// Nearest returns the known name that name is most likely a slip of: one that
// differs by case alone or by a few typing errors. It returns "" when none is
// near. Of equally near names it returns the first in alphabetical order.
func Nearest(name string, known iter.Seq[string]) string {
	budget := guessBudget
	return nearest(name, known, &budget)
}

// nearest is Nearest within a budget, which it lessens by the work done.
func nearest(name string, known iter.Seq[string], budget *int) string {
	most := min(3, len(name)/3+1)
	best, slips := "", most+1
	for k := range known {
		if *budget -= 1; *budget < 0 {
			return ""
		}
		if k == "" || len(k) > MaxID || len(name) > MaxID || abs(len(k)-len(name)) > most {
			continue
		}
		*budget -= (2*most + 1) * len(k)
		if d := distance(name, k, most); d < slips || d == slips && d <= most && k < best {
			best, slips = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbouring letters that turn a into b, upper and lower case being the same.
// It gives up with most+1. Both are at most MaxID bytes.
func distance(a, b string, most int) int {
	var rows [3][MaxID + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		from, to := max(1, i-most), min(len(b), i+most)
		least := i
		row[0] = i
		if from > 1 {
			row[from-1] = most + 1
		}
		for j := from; j <= to; j++ {
			above := most + 1
			if j < i+most {
				above = last[j] + 1
			}
			d := min(above, row[j-1]+1, last[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && differ(a[i-1], b[j-2]) == 0 && differ(a[i-2], b[j-1]) == 0 {
				d = min(d, before[j-2]+1)
			}
			row[j], least = d, min(least, d)
		}
		if least > most {
			return most + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], most+1)
}

func differ(a, b byte) int {
	if lower(a) == lower(b) {
		return 0
	}
	return 1
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

func abs(n int) int { return max(n, -n) }
