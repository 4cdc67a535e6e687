package sense_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/admission/sense"
	"github.com/penstock-go/penstock/mono"
)

const (
	mounts = "22 1 8:1 / / rw - ext4 /dev/sda rw\n31 22 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
	psi    = "some avg10=1.00 avg60=0.10 avg300=0.00 total=%\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"
	dir    = "sys/fs/cgroup/app/web/"
)

// A tree is a file system: contents by path.
type tree map[string]string

// healthy is a process in the group /app/web, which has a limit on its own.
func healthy() tree {
	return tree{
		"proc/self/cgroup": "0::/app/web\n", "proc/self/mountinfo": mounts,
		dir + "cpu.stat":        "usage_usec 5\nnr_periods 9\nnr_throttled 2\nthrottled_usec 1000\n",
		dir + "memory.current":  "300\n",
		dir + "memory.max":      "1200\n",
		dir + "cpu.pressure":    strings.ReplaceAll(psi, "%", "500"),
		dir + "memory.pressure": strings.ReplaceAll(psi, "%", "800"),
	}
}

func (tr tree) write(t testing.TB, root string) {
	t.Helper()
	for path, content := range tr {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var nan = math.NaN()

// Two looks a second apart, with what changed between them.
func TestCgroup(t *testing.T) {
	type want struct{ memory, throttled, cpuStall, memoryStall float64 }
	for _, c := range []struct {
		name   string
		before tree // over healthy; an empty content removes nothing but says nothing
		after  tree
		want   want
	}{
		{"nothing happens", nil, nil, want{.25, 0, 0, 0}},
		{"all of it", nil, tree{
			dir + "cpu.stat": "throttled_usec 251000\n", dir + "memory.current": "900",
			dir + "cpu.pressure": strings.ReplaceAll(psi, "%", "100500"), dir + "memory.pressure": strings.ReplaceAll(psi, "%", "50800"),
		}, want{.75, .25, .1, .05}},
		{"more than all the time, as with several processors", nil, tree{dir + "cpu.stat": "throttled_usec 9000000\n"}, want{.25, 1, 0, 0}},
		{"counters go back", nil, tree{
			dir + "cpu.stat": "throttled_usec 1\n", dir + "cpu.pressure": strings.ReplaceAll(psi, "%", "1"),
		}, want{.25, nan, nan, 0}},
		{"no limit", tree{dir + "memory.max": "max\n"}, nil, want{nan, 0, 0, 0}},
		{"a limit of 0", tree{dir + "memory.max": "0\n"}, nil, want{nan, 0, 0, 0}},
		{"the limit is above, and counts what is there", tree{
			dir + "memory.max": "max\n", "sys/fs/cgroup/app/memory.max": "1000\n", "sys/fs/cgroup/app/memory.current": "500\n",
		}, nil, want{.5, 0, 0, 0}},
		{"the limit is lifted", nil, tree{dir + "memory.max": "max\n"}, want{nan, 0, 0, 0}},
		{"an empty file", tree{dir + "cpu.stat": ""}, nil, want{.25, nan, 0, 0}},
		{"garbage", tree{
			dir + "cpu.stat": "throttled_usec -5\n", dir + "memory.current": "\x00\xff", dir + "cpu.pressure": "some total\n",
			dir + "memory.pressure": "some avg10=0.00 total=12x\n",
		}, nil, want{nan, nan, nan, nan}},
		{"a number beyond 63 bits", tree{dir + "cpu.stat": "throttled_usec 99999999999999999999\n", dir + "memory.current": "18446744073709551615"}, nil, want{nan, nan, 0, 0}},
		{"a file beyond all reason", tree{dir + "cpu.stat": strings.Repeat("x 1\n", 2000) + "throttled_usec 1\n"}, nil, want{.25, nan, 0, 0}},
		{"garbage for a while", tree{dir + "cpu.stat": "?"}, tree{dir + "cpu.stat": "throttled_usec 7\n"}, want{.25, nan, 0, 0}},
		{"no such group", tree{"proc/self/cgroup": "0::/elsewhere\n"}, nil, want{nan, nan, nan, nan}},
		{"a path that leads out of the mount", tree{"proc/self/cgroup": "0::/../../../app/web\n"}, nil, want{.25, 0, 0, 0}},
		{"version 1 alone", tree{"proc/self/cgroup": "4:memory:/app/web\n1:cpu:/\n"}, nil, want{nan, nan, nan, nan}},
		{"no cgroup2 mount", tree{"proc/self/mountinfo": "garbage\n - - -\n31 22 0:27 - cgroup2\n"}, nil, want{nan, nan, nan, nan}},
		{"the machine's pressure where the group has none", tree{
			"proc/self/cgroup":  "0::/elsewhere\n",
			"proc/pressure/cpu": strings.ReplaceAll(psi, "%", "0"), "proc/pressure/memory": strings.ReplaceAll(psi, "%", "0"),
		}, tree{"proc/pressure/cpu": strings.ReplaceAll(psi, "%", "500000")}, want{nan, nan, .5, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			healthy().write(t, root)
			c.before.write(t, root)
			p := sense.NewProbeAt(root)
			defer p.Close()
			p.LookAtAll(-1e9)
			c.after.write(t, root)
			r := p.LookAtAll(0)
			got := want{r.Memory, r.Throttled, r.CPUStall, r.MemoryStall}
			for i, pair := range [][2]float64{
				{got.memory, c.want.memory},
				{got.throttled, c.want.throttled},
				{got.cpuStall, c.want.cpuStall},
				{got.memoryStall, c.want.memoryStall},
			} {
				if sense.Unknown(pair[0]) != sense.Unknown(pair[1]) || math.Abs(pair[0]-pair[1]) > 1e-12 {
					t.Errorf("value %d: %+v, want %+v", i, got, c.want)
				}
			}
		})
	}
}

// Time that stands still or goes back tells nothing.
func TestTimeGoesBack(t *testing.T) {
	root := t.TempDir()
	healthy().write(t, root)
	p := sense.NewProbeAt(root)
	defer p.Close()
	for i, now := range []mono.Time{0, 0, -5, mono.Distant} {
		if r := p.LookAtAll(now); !sense.Unknown(r.Throttled) || r.At != now {
			t.Errorf("look %d: %+v", i, r)
		}
	}
}

// Whatever stands in the files, a share is unknown or from 0 to 1.
func TestAnyContent(t *testing.T) { rapid.Check(t, anyContent) }
func FuzzAnyContent(f *testing.F) { f.Fuzz(rapid.MakeFuzz(anyContent)) }

func anyContent(t *rapid.T) {
	root, err := os.MkdirTemp("", "sense")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(root) }()
	content := rapid.OneOf(
		rapid.String(), rapid.StringMatching(`[0-9]{0,22}\n?`), rapid.StringMatching(`(some|full|throttled_usec|0::)( total=)?[0-9 /=.]{0,30}\n`),
		rapid.StringMatching(`(throttled_usec [0-9]{1,6}|some avg10=0 total=[0-9]{1,6})\n`))
	for path, usual := range healthy() {
		if !rapid.Bool().Draw(t, "usual") {
			usual = content.Draw(t, path)
		}
		tree{path: usual}.write(discard{}, root)
	}
	p := sense.NewProbeAt(root)
	defer p.Close()
	now := mono.Time(0)
	for range 3 {
		now += mono.Time(rapid.Int64Range(-1e9, 1e9).Draw(t, "passed"))
		r := p.LookAtAll(now)
		for name, x := range map[string]float64{"throttled": r.Throttled, "cpu": r.CPUStall, "memory": r.MemoryStall} {
			if !sense.Unknown(x) && !(x >= 0 && x <= 1) {
				t.Fatalf("%s: %g", name, x)
			}
		}
		if r.Memory < 0 {
			t.Fatalf("memory %g", r.Memory)
		}
	}
}

// discard panics where a test would fail.
type discard struct{ testing.TB }

func (discard) Helper()        {}
func (discard) Fatal(x ...any) { panic(x) }

// Due and Look give the lateness, smoothed with weight 0.3.
func TestLateness(t *testing.T) {
	p := sense.NewProbeAt(t.TempDir())
	defer p.Close()
	if r := p.Look(0); !sense.Unknown(r.Lateness) {
		t.Errorf("late by %g though nothing was due", r.Lateness)
	}
	for i, step := range []struct{ late, want float64 }{{0.1, 0.1}, {0, 0.07}, {-0.5, 0.049}, {1, 0.3343}} {
		now := mono.Time(i) * 1e9
		p.Due(now.Add(-time.Duration(step.late * 1e9)))
		if r := p.Look(now); math.Abs(r.Lateness-step.want) > 1e-9 {
			t.Errorf("step %d: late by %g, want %g", i, r.Lateness, step.want)
		}
	}
}

func TestLooksAllocateNothing(t *testing.T) {
	p := sense.NewProbe()
	defer p.Close()
	now := mono.Time(0)
	p.LookAtAll(now)
	if n := testing.AllocsPerRun(100, func() {
		now += 1e7
		p.Due(now)
		p.Look(now)
	}); n != 0 {
		t.Errorf("%v allocations for a look", n)
	}
}

// BenchmarkLook is one look of the process's sampler, slow sources in their
// turn.
func BenchmarkLook(b *testing.B) {
	for name, p := range map[string]*sense.Probe{"real": sense.NewProbe(), "cgroup": func() *sense.Probe {
		root := b.TempDir()
		healthy().write(b, root)
		return sense.NewProbeAt(root)
	}()} {
		b.Run("files="+name, func(b *testing.B) {
			now := mono.Time(0)
			b.ReportAllocs()
			for b.Loop() {
				now += 1e7
				p.Look(now)
			}
		})
		p.Close()
	}
}
