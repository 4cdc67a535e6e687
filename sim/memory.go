package sim

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The defaults of a [Memory], and how fast its rate of allocation is known.
const (
	defaultMark   = 1e-9 // seconds per byte: about 1 GB/s on one core
	defaultMostGC = 0.95
	heapMemory    = 200 * time.Millisecond
)

// heap is a process's memory under the cost law of [Memory].
type heap struct {
	cfg       Memory
	max       float64
	live      float64
	allocated float64 // bytes, decaying over heapMemory
	at        mono.Time
}

func newHeap(cfg *Memory) *heap {
	h := &heap{cfg: *cfg, max: cfg.Max, live: cfg.Base}
	if h.cfg.MarkPerByte == 0 {
		h.cfg.MarkPerByte = defaultMark
	}
	if h.cfg.MostGC == 0 {
		h.cfg.MostGC = defaultMostGC
	}
	return h
}

func (h *heap) enter()     { h.live += h.cfg.Bytes }
func (h *heap) leave()     { h.live -= h.cfg.Bytes }
func (h *heap) full() bool { return h.live >= h.max }

// clear forgets the dead process's garbage. n units of work are still to be
// taken off what lives.
func (h *heap) clear(n int) {
	h.live = h.cfg.Base + float64(n)*h.cfg.Bytes
	h.allocated = 0
}

// allocate counts what a unit of work allocates.
func (h *heap) allocate(now mono.Time) {
	h.decay(now)
	h.allocated += h.cfg.Bytes + h.cfg.Garbage
}

func (h *heap) decay(now mono.Time) {
	if dt := now.Sub(h.at); dt > 0 {
		h.allocated *= math.Exp(-dt.Seconds() / heapMemory.Seconds())
		h.at = now
	}
}

// share is the share of the machine's time that collecting takes.
func (h *heap) share(now mono.Time) float64 {
	h.decay(now)
	perSecond := h.allocated / heapMemory.Seconds()
	room := max(h.max-h.live, 1)
	return min(h.cfg.MarkPerByte*perSecond*h.live/room, h.cfg.MostGC)
}
