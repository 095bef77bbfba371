//go:build race

package accessdiff_test

const raceEnabled = true
