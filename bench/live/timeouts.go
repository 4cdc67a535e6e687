package main

import (
	"sync"
	"time"

	"github.com/penstock-go/penstock/load"
)

// timeouts stalls the plant for 90 s: nothing is answered, every caller leaves.
// What comes after is set beside the virtual run of the same
// (penstock lab arena --numbers --plant 'timeouts').
func (b *bench) timeouts() {
	b.say("\n## 90 s of nothing but timeouts\n\nGoodput beside that of a fixed limit of 8, in seconds after the end.\n")
	b.say("| offered | second 1 /s | seconds 2 to 5 /s | fixed 8 /s | ratio | peak ghosts in the plant | fixed 8 |\n|---|---|---|---|---|---|---|")
	for _, times := range []float64{0.8, 2} {
		got, ghosts := b.stall("auto", times)
		fixed, fixedGhosts := b.stall("8", times)
		b.say("| %.1fx | %.0f | %.0f | %.0f | %.3f | %d | %d |", times, got[0], got[1], fixed[1], got[1]/fixed[1], ghosts, fixedGhosts)
	}
}

func (b *bench) stall(limit string, times float64) (goodput [2]float64, ghosts int) {
	const s = time.Second
	r := b.rig("constant", limit)
	defer r.close()
	begin := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(time.Until(begin.Add(5 * s)))
		r.tell("workers=0")
		time.Sleep(time.Until(begin.Add(95 * s)))
		r.tell("workers=8")
	})
	rep := r.offer(times, 100*s, 0, load.Retry{}, 5)
	wg.Wait()
	return [2]float64{good(rep, 95*s, 96*s), good(rep, 97*s, 100*s)}, r.tell("").PeakGhosts
}
