package sense

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/mono"
)

// A Probe looks at this process and at the files of its cgroup. It is for one
// goroutine at a time. Make one with [NewProbe] or [NewProbeAt], and close it.
type Probe struct {
	scheduler scheduler
	collector collector

	cpuStat, memoryCurrent, memoryMax, cpuPressure, memoryPressure file

	throttled, cpuStall, memoryStall counter
	limit                            uint64 // of the cgroup's memory, 0 if none

	latest Reading
	due    mono.Time
	isDue  bool // due is known
	looks  int
	buf    []byte
}

// slowEvery is how many looks share one slow source: the runtime's memory
// statistics and each of the files take longer than the scheduler's histogram.
const slowEvery = 4

// slowSources is how many slow sources take turns, so that each is read every
// slowEvery x slowSources looks.
const slowSources = 6

// NewProbe returns a probe of this process.
func NewProbe() *Probe { return NewProbeAt("/") }

// NewProbeAt is [NewProbe] for a file system whose proc/self/cgroup,
// proc/self/mountinfo, proc/pressure and cgroup mount lie under root. What is
// not there is unknown.
func NewProbeAt(root string) *Probe {
	p := &Probe{scheduler: newScheduler(), collector: newCollector(), latest: nothing(), buf: make([]byte, bufferBytes)}
	proc := filepath.Join(root, "proc")
	cgroup, _ := os.ReadFile(filepath.Join(proc, "self/cgroup"))
	mountinfo, _ := os.ReadFile(filepath.Join(proc, "self/mountinfo"))
	cpuPressure, memoryPressure := filepath.Join(proc, "pressure/cpu"), filepath.Join(proc, "pressure/memory")
	if dir, mount, ok := group(cgroup, mountinfo); ok {
		dir, mount = filepath.Join(root, dir), filepath.Join(root, mount)
		p.cpuStat = openFile(filepath.Join(dir, "cpu.stat"))
		capped := limited(dir, mount, "memory.max")
		p.memoryCurrent = openFile(filepath.Join(capped, "memory.current"))
		p.memoryMax = openFile(filepath.Join(capped, "memory.max"))
		p.cpuPressure = firstOf(filepath.Join(dir, "cpu.pressure"), cpuPressure)
		p.memoryPressure = firstOf(filepath.Join(dir, "memory.pressure"), memoryPressure)
	} else {
		p.cpuPressure, p.memoryPressure = openFile(cpuPressure), openFile(memoryPressure)
	}
	return p
}

// Close closes the files. The probe must not be used any more.
func (p *Probe) Close() {
	for _, f := range []file{p.cpuStat, p.memoryCurrent, p.memoryMax, p.cpuPressure, p.memoryPressure} {
		f.close()
	}
}

// Due tells the probe when the next look should be, so that it knows how late
// it is.
func (p *Probe) Due(at mono.Time) { p.due, p.isDue = at, true }

// Look looks, and returns the latest value of everything. The scheduler is read
// each time, everything else every 24th: the first 24 looks fill the reading.
func (p *Probe) Look(now mono.Time) Reading {
	r := &p.latest
	r.At = now
	if p.isDue {
		r.Lateness = smooth(r.Lateness, max(0, now.Sub(p.due).Seconds()))
		p.isDue = false
	}
	if d := p.scheduler.delay(); !Unknown(d) {
		r.SchedulerDelay = smooth(r.SchedulerDelay, d)
	}
	if p.looks%slowEvery == 0 {
		p.lookAt(p.looks/slowEvery%slowSources, now)
	}
	p.looks++
	return *r
}

// LookAtAll is Look with nothing left for later.
func (p *Probe) LookAtAll(now mono.Time) Reading {
	p.looks = 1 // not the turn of a slow source
	for source := range slowSources {
		p.lookAt(source, now)
	}
	return p.Look(now)
}

func (p *Probe) lookAt(source int, now mono.Time) {
	r := &p.latest
	switch source {
	case 0:
		p.collector.look(now, r)
	case 1:
		usec, ok := field(p.cpuStat.content(p.buf), throttledKey)
		r.Throttled = p.throttled.shareIf(ok, now, usec)
	case 2:
		n, ok := number(bytes.Trim(p.memoryMax.content(p.buf), trimmedSpaces))
		p.limit = n
		if !ok {
			p.limit = 0
		}
	case 3:
		r.Memory = unknown
		if n, ok := number(bytes.Trim(p.memoryCurrent.content(p.buf), trimmedSpaces)); ok {
			r.Memory = shareOf(n, p.limit)
		}
	case 4:
		usec, ok := stalled(p.cpuPressure.content(p.buf))
		r.CPUStall = p.cpuStall.shareIf(ok, now, usec)
	default:
		usec, ok := stalled(p.memoryPressure.content(p.buf))
		r.MemoryStall = p.memoryStall.shareIf(ok, now, usec)
	}
}

// shareIf is share of microseconds where there is a value; else the counter
// begins anew.
func (c *counter) shareIf(ok bool, now mono.Time, usec uint64) float64 {
	if !ok {
		c.set = false
		return unknown
	}
	return c.share(now, usec, 1e6)
}
