package sim_test

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// full runs the theory tests at their full size: make theory.
var full = os.Getenv("PENSTOCK_FULL") != ""

// sized picks a size.
func sized(reduced, whole int) int {
	if full {
		return whole
	}
	return reduced
}

// checks is how many intervals the theory tests compare with a formula. All of
// them together are to be wrong with a probability of at most 1 %: each has the
// confidence 1 - 0.01/checks (Bonferroni).
const (
	checks     = 40
	familywise = 0.01
)

// table collects what the theory tests found, for the report of make theory.
var table struct {
	sync.Mutex
	checks int // intervals
	rows   []row
}

// A row is one comparison with theory.
type row struct {
	test                     string
	theory, measured, bounds string
	seeds                    int
	ok                       bool
}

// record keeps a row, and fails the test where theory and simulator differ.
func record(t *testing.T, r row) {
	t.Helper()
	r.test = strings.TrimPrefix(t.Name(), "TestTheory")
	table.Lock()
	table.rows = append(table.rows, r)
	table.Unlock()
	t.Logf("measured %s %s, theory says %s", r.measured, r.bounds, r.theory)
	if !r.ok {
		t.Errorf("measured %s %s, theory says %s", r.measured, r.bounds, r.theory)
	}
}

// TestMain writes the table, in Markdown, to the file that PENSTOCK_REPORT names.
func TestMain(m *testing.M) {
	code := m.Run()
	if name := os.Getenv("PENSTOCK_REPORT"); name != "" {
		if err := os.WriteFile(name, []byte(theoryReport()), 0o644); err != nil { //nolint:gosec // for everybody to read
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func theoryReport() string {
	var b strings.Builder
	b.WriteString("| comparison | theory | measured | interval or bounds | seeds | verdict |\n|---|---|---|---|---|---|\n")
	slices.SortFunc(table.rows, func(a, b row) int { return strings.Compare(a.test, b.test) })
	bad := 0
	for _, r := range table.rows {
		verdict := "agrees"
		if !r.ok {
			verdict = "**differs**"
			bad++
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %s |\n", r.test, r.theory, r.measured, r.bounds, r.seeds, verdict)
	}
	fmt.Fprintf(&b, "\n%d of %d agree. %d of them are intervals, each at a confidence of %.5g %%, which is 1 %% for %d of them together.\n",
		len(table.rows)-bad, len(table.rows), table.checks, 100*(1-familywise/checks), checks)
	return b.String()
}

// An estimate is the mean of independent replications, and half the length of
// its interval.
type estimate struct {
	mean, half float64
	seeds      int
}

func (e estimate) row(theory string, ok bool) row {
	return row{theory: theory, measured: fmt.Sprintf("%.6g", e.mean), bounds: fmt.Sprintf("%.6g to %.6g", e.mean-e.half, e.mean+e.half), seeds: e.seeds, ok: ok}
}

// replicate runs n replications with seeds of their own and returns the interval
// of their mean at the confidence of one check.
func replicate(t *testing.T, n int, run func(seed uint64) float64) estimate {
	t.Helper()
	table.Lock()
	table.checks++
	if table.checks > checks {
		t.Errorf("more than %d checks: raise the number", checks)
	}
	table.Unlock()
	sum, squares := 0.0, 0.0
	for i := range n {
		x := run(uint64(i + 1))
		sum += x
		squares += x * x
	}
	mean := sum / float64(n)
	variance := max(0, squares-float64(n)*mean*mean) / float64(n-1)
	tail := familywise / checks / 2
	return estimate{mean, studentQuantile(1-tail, n-1) * math.Sqrt(variance/float64(n)), n}
}

// agree demands that want lies in the interval, and that the interval is short
// enough to say something: at most the given share of want to either side, and a
// quarter of it at full size.
func agree(t *testing.T, e estimate, want, resolution float64) {
	t.Helper()
	if full {
		resolution /= 4
	}
	record(t, e.row(fmt.Sprintf("%.6g", want), math.Abs(e.mean-want) <= e.half))
	if e.half > resolution*want {
		t.Errorf("the interval of %.6g ± %.2g is longer than %.3g of %.6g: it proves nothing", e.mean, e.half, resolution, want)
	}
}

// within15 demands that what was measured over some seeds is within 15 % of what
// theory says.
func within15(t *testing.T, got, want float64, seeds int) {
	t.Helper()
	record(t, row{
		theory: fmt.Sprintf("%.4g", want), measured: fmt.Sprintf("%.4g", got),
		bounds: fmt.Sprintf("%.4g to %.4g (15 %%)", 0.85*want, 1.15*want), seeds: seeds, ok: math.Abs(got-want) <= 0.15*want,
	})
}

// studentQuantile is the p-quantile of Student's t with the given degrees of
// freedom, p above 1/2, by bisection of the distribution function.
func studentQuantile(p float64, freedom int) float64 {
	lo, hi := 0.0, 1e6
	for range 200 {
		mid := (lo + hi) / 2
		if studentCDF(mid, float64(freedom)) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// studentCDF is for t >= 0: 1 - I_{v/(v+t²)}(v/2, 1/2) / 2.
func studentCDF(t, v float64) float64 { return 1 - betaRegular(v/(v+t*t), v/2, 0.5)/2 }

// betaRegular is the regularised incomplete beta function by its continued
// fraction (Abramowitz and Stegun, 26.5.8), evaluated with Lentz's method.
func betaRegular(x, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	if x > (a+1)/(a+b+2) {
		return 1 - betaRegular(1-x, b, a)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a
	const small = 1e-300
	f, c, d := 1.0, 1.0, 0.0
	for i := range 500 {
		m := float64(i / 2)
		num := 1.0
		switch {
		case i == 0:
		case i%2 == 0:
			num = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			num = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		d = 1 + num*d
		if math.Abs(d) < small {
			d = small
		}
		d = 1 / d
		c = 1 + num/c
		if math.Abs(c) < small {
			c = small
		}
		f *= c * d
		if math.Abs(1-c*d) < 1e-14 {
			break
		}
	}
	return front * (f - 1)
}

// Tabulated values of Student's t: NIST/SEMATECH e-Handbook of Statistical
// Methods, section 1.3.6.7.2.
func TestStudentQuantile(t *testing.T) {
	for _, row := range []struct {
		p       float64
		freedom int
		want    float64
	}{
		{0.975, 1, 12.706},
		{0.975, 10, 2.228},
		{0.995, 19, 2.861},
		{0.999, 30, 3.385},
		{0.95, 100, 1.660},
	} {
		if got := studentQuantile(row.p, row.freedom); math.Abs(got-row.want) > 0.0006 {
			t.Errorf("t(%v; %d) = %.4f, want %.3f", row.p, row.freedom, got, row.want)
		}
	}
}
