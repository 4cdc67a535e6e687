package limittest

import (
	"time"

	"github.com/penstock-go/penstock/admission/limit"
)

// The limits that the oracle tries, in shares of the server's workers. On the
// plants of the checks the best of the short list is within 2 % of the best of
// the long one.
var (
	oracleGrid     = []float64{0.25, 0.75, 1.25, 2}
	fullOracleGrid = []float64{0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3}
)

// Oracle returns what t would have come to under the best of a grid of fixed
// limits: the one with the most good requests among those asked between from
// and to. It runs at least one unit at a time.
func Oracle(t Trial, from, to time.Duration) Result {
	runs := oracles(t)
	return runs[best(runs, from, to)]
}

// oracles runs t under each limit of the grid.
func oracles(t Trial) (runs []Result) {
	grid := oracleGrid
	if full() {
		grid = fullOracleGrid
	}
	for _, share := range grid {
		n := max(1, share*float64(t.Workers))
		t.New = func() limit.Law { return limit.Fixed(n) }
		runs = append(runs, t.Run())
	}
	return runs
}

// best returns the run with the most good requests in a stretch, the first of
// equals.
func best(runs []Result, from, to time.Duration) (index int) {
	most := -1
	for i, r := range runs {
		if good := r.Between(from, to).Good; good > most {
			most, index = good, i
		}
	}
	return index
}
