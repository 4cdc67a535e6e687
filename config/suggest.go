package config

import "strings"

// maxSuggested bounds the length of keys that are compared, in bytes.
const maxSuggested = 40

// nearest returns the key that a misspelt one most likely means: the one with
// the fewest typing errors: at most two, and fewer than half its letters. Case and
// the choice between _ and - are no errors. Ties go to the first.
func nearest(key string, keys []string) (string, bool) {
	if len(key) > maxSuggested {
		return "", false
	}
	best, found := 3, ""
	for _, k := range keys {
		d := typos(fold(key), fold(k))
		if d < best && 2*d < max(len(key), len(k)) {
			best, found = d, k
		}
	}
	return found, found != ""
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// typos is the number of single-character insertions, deletions, replacements
// and swaps of neighbours between two words (optimal string alignment).
func typos(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
