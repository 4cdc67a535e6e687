package arena

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
)

// MaxSeeds bounds how often a virtual run is repeated.
const MaxSeeds = 1000

// A Law is one of our laws, for virtual runs.
type Law struct {
	Limiter

	New func() limit.Law
}

// VirtualName is the name of the default law's virtual runs.
const VirtualName = "penstock, virtual"

// Laws are our laws, in the order of the tables.
func Laws() []Law {
	return []Law{
		{
			Limiter{Name: VirtualName, Kind: Ours, Config: "limit.Default in admission.Core, driven by the simulator"},
			limit.Default,
		},
		{
			Limiter{Name: "penstock AIMD, virtual", Kind: Ours, Config: "limit.AIMD(200) in admission.Core, driven by the simulator"},
			func() limit.Law { return limit.AIMD(200) },
		},
		{
			Limiter{Name: "penstock Fixed(8), virtual", Kind: Told, Config: "limit.Fixed(8), told the number of workers, in admission.Core, driven by the simulator"},
			func() limit.Law { return limit.Fixed(workers) },
		},
	}
}

// Virtual runs a law on a plant in virtual time, and returns its runs, one for
// each phase, and the windows of the whole. There are none on a plant that skips.
func (p Plant) Virtual(law Law, seed uint64) (runs []Run, windows []limittest.Counts) {
	if p.Skips {
		return nil, nil
	}
	for _, phase := range p.Phases {
		t := p.cut(phase, seed)
		t.New = law.New
		r := t.Run()
		run := p.judged(phase, law.Name, seed, r.Windows)
		run.P50, run.P99 = quantiles(r.Latencies)
		runs = append(runs, run)
		if len(r.Windows) > len(windows) {
			windows = r.Windows
		}
	}
	return runs, windows
}

// RunVirtual runs our laws and the oracle on the given plants, with seeds 0 to
// seeds-1. progress, unless nil, is told how many of the plants' replications are
// done.
func RunVirtual(ctx context.Context, plants []Plant, seeds int, progress func(done, of int)) (*Results, error) {
	if seeds < 1 || seeds > MaxSeeds {
		return nil, fmt.Errorf("%d seeds, from 1 to %d are possible", seeds, MaxSeeds)
	}
	res := &Results{Format: Format, Go: runtime.Version()}
	res.Limiters = append(res.Limiters, Limiter{
		Name: OracleName, Kind: Baseline, Config: "the best fixed limit in hindsight, in admission.Core, driven by the simulator",
	})
	for _, l := range Laws() {
		res.Limiters = append(res.Limiters, l.Limiter)
	}
	parts := make([]part, len(plants)*seeds)
	if err := each(ctx, len(parts), progress, func(i int) {
		parts[i] = plants[i/seeds].part(uint64(i % seeds))
	}); err != nil {
		return nil, err
	}
	for i, p := range plants {
		own := parts[i*seeds : (i+1)*seeds]
		for _, part := range own {
			res.Runs = append(res.Runs, part.runs...)
		}
		for k, law := range Laws() {
			if !p.Curve || p.Skips {
				continue
			}
			var windows [][]limittest.Counts
			for _, part := range own {
				windows = append(windows, part.windows[k])
			}
			res.Curves = append(res.Curves, p.MeanCurve(law.Name, windows))
		}
	}
	return res, nil
}

// A part is one replication of a plant.
type part struct {
	runs    []Run
	windows [][]limittest.Counts // by law
}

func (p Plant) part(seed uint64) (out part) {
	for _, phase := range p.Phases {
		out.runs = append(out.runs, p.attainable(phase, seed))
	}
	for _, law := range Laws() {
		runs, windows := p.Virtual(law, seed)
		out.runs = append(out.runs, runs...)
		out.windows = append(out.windows, windows)
	}
	return out
}

// each calls f with 0 to n-1, on all processors.
func each(ctx context.Context, n int, progress func(done, of int), f func(i int)) error {
	var mu sync.Mutex
	next, done := 0, 0
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n {
					return
				}
				f(i)
				mu.Lock()
				done++
				if progress != nil {
					progress(done, n)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
