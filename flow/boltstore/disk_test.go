//go:build linux && recordeddisk

package boltstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

const (
	page   = 4096
	sector = 512
)

// A disk records what a database writes and when it syncs, and can fail.
type disk struct {
	f     *os.File
	ops   []diskOp
	deaf  bool // syncs are neither made nor recorded, as in a build without them
	fail  func(sync bool) error
	delay func()
}

// A diskOp is what the disk holds at first, a write, a sync, or a mark that a
// commit has returned.
type diskOp struct {
	kind  byte // 'b', 'w', 's', 'm'
	off   int64
	bytes []byte
	size  int64 // of the file
	mark  int
}

func newDisk(t *testing.T, path string) *disk {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return &disk{f: f}
}

// use lets databases at the disk's path use it.
func (d *disk) use() { bolt.Disks = func(path string) bolt.Disk { return d } }

var errIO = errors.New("the disk failed")

func (d *disk) WriteAt(b []byte, off int64) (int, error) {
	if d.fail != nil {
		if err := d.fail(false); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				return 0, err
			}
			half := len(b) / 2 / sector * sector // some of it arrives
			d.record(b[:half], off)
			return half, err
		}
	}
	d.record(b, off)
	return len(b), nil
}

func (d *disk) record(b []byte, off int64) {
	if _, err := d.f.WriteAt(b, off); err != nil {
		panic(err)
	}
	info, err := d.f.Stat()
	if err != nil {
		panic(err)
	}
	d.ops = append(d.ops, diskOp{kind: 'w', off: off, bytes: append([]byte(nil), b...), size: info.Size()})
}

func (d *disk) Sync() error {
	if d.delay != nil {
		d.delay()
	}
	if d.fail != nil {
		if err := d.fail(true); err != nil {
			return err
		}
	}
	if !d.deaf {
		d.ops = append(d.ops, diskOp{kind: 's'})
	}
	return nil
}

// mark notes that what was promised so far includes commit n.
func (d *disk) mark(n int) { d.ops = append(d.ops, diskOp{kind: 'm', mark: n}) }

// An image is a file as a disk holds it: pages that were ever written.
type image struct {
	pages map[int64][]byte
	size  int64
}

func newImage() *image { return &image{pages: map[int64][]byte{}} }

func (im *image) write(b []byte, off int64) {
	for len(b) > 0 {
		at, in := off/page, int(off%page)
		n := min(page-in, len(b))
		p := make([]byte, page) // copied, so that clones may share pages
		copy(p, im.pages[at])
		copy(p[in:], b[:n])
		im.pages[at] = p
		b, off = b[n:], off+int64(n)
	}
}

func (im *image) clone() *image {
	c := &image{pages: make(map[int64][]byte, len(im.pages)), size: im.size}
	for k, v := range im.pages {
		c.pages[k] = v
	}
	return c
}

func (im *image) save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(im.size); err != nil {
		return err
	}
	for at, p := range im.pages {
		if _, err := f.WriteAt(p, at*page); err != nil {
			return err
		}
	}
	return nil
}

// A fate is what a power cut does to one write that no sync had covered.
type fate func(i int, b []byte, off int64, im *image)

func kept(_ int, b []byte, off int64, im *image) { im.write(b, off) }

func lost(int, []byte, int64, *image) {}

// torn keeps some sectors, drawn.
func torn(rng *rand.Rand) fate {
	return func(_ int, b []byte, off int64, im *image) {
		for len(b) > 0 {
			n := min(sector, len(b))
			if rng.IntN(2) == 0 {
				im.write(b[:n], off)
			}
			b, off = b[n:], off+int64(n)
		}
	}
}

// drawn mixes the three, so that later writes arrive and earlier do not.
func drawn(rng *rand.Rand) fate {
	t := torn(rng)
	all := rng.IntN(4)
	return func(i int, b []byte, off int64, im *image) {
		switch rng.IntN(3) + all {
		case 0, 3:
			lost(i, b, off, im)
		case 1, 4:
			t(i, b, off, im)
		default:
			kept(i, b, off, im)
		}
	}
}

// A tape replays a disk's record up to a cut.
type tape struct {
	ops     []diskOp
	at      int
	durable *image // what syncs have covered
	loose   []diskOp
	mark    int // the last commit that had returned
}

func newTape(ops []diskOp) *tape { return &tape{ops: ops, durable: newImage(), mark: -1} }

// advance replays up to the cut before op n.
func (tp *tape) advance(n int) {
	for ; tp.at < n; tp.at++ {
		switch op := tp.ops[tp.at]; op.kind {
		case 'w':
			tp.loose = append(tp.loose, op)
			tp.durable.size = max(tp.durable.size, op.size) // the library syncs a file's growth before it uses it
		case 'b':
			tp.durable.write(op.bytes, op.off)
			tp.durable.size = op.size
		case 's':
			for _, w := range tp.loose {
				tp.durable.write(w.bytes, w.off)
			}
			tp.loose = nil
		case 'm':
			tp.mark = op.mark
		}
	}
}

// cut is the file after power is lost here.
func (tp *tape) cut(f fate) *image {
	im := tp.durable.clone()
	for i, w := range tp.loose {
		f(i, w.bytes, w.off, im)
	}
	return im
}

func (tp *tape) String() string {
	return fmt.Sprintf("op %d of %d, %d writes not synced, %d commits returned", tp.at, len(tp.ops), len(tp.loose), tp.mark+1)
}
