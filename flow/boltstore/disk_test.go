//go:build linux && recordeddisk

package boltstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock/flow/boltstore"
)

const (
	page   = 4096
	sector = 512
)

// A disk records what a store writes to its file and its journal, in one sequence,
// and when it syncs which, and can fail.
type disk struct {
	mu    sync.Mutex // commits and folds may come at once
	f     *os.File   // the database
	sizes []int64    // by file: 0 is the database, the others are journals as they were made
	ops   []diskOp
	deaf  bool // syncs are neither made nor recorded, as in a build without them
	fail  func(op byte, grows bool) error
	delay func()
}

// A diskOp is what a file holds at first ('b'), a write ('w'), a sync of a file
// ('s'), a mark that a commit has returned ('m'), a journal that gets its name ('l')
// or is removed ('r'), and a sync of the folder ('d').
type diskOp struct {
	kind  byte
	file  int
	off   int64
	bytes []byte
	size  int64 // of the database
	mark  int
}

func newDisk(t *testing.T, path string) *disk {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return &disk{f: f, sizes: []int64{0}}
}

// use lets databases at the disk's path use it.
func (d *disk) use() { bolt.Disks = func(path string) bolt.Disk { return d } }

// failing sets what the disk does from now on.
func (d *disk) failing(f func(op byte, grows bool) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

var errIO = errors.New("the disk failed")

// WriteAt and Sync are the database's.
func (d *disk) WriteAt(b []byte, off int64) (int, error) { return d.write(0, d.f, b, off) }

func (d *disk) Sync() error { return d.sync(0) }

func (d *disk) write(file int, f *os.File, b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		if err := d.fail('w', file == 0 || off+int64(len(b)) > d.sizes[file]); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				return 0, err
			}
			half := len(b) / 2 / sector * sector // some of it arrives
			d.record(file, f, b[:half], off)
			return half, err
		}
	}
	d.record(file, f, b, off)
	return len(b), nil
}

func (d *disk) record(file int, f *os.File, b []byte, off int64) {
	if _, err := f.WriteAt(b, off); err != nil {
		panic(err)
	}
	d.sizes[file] = max(d.sizes[file], off+int64(len(b)))
	op := diskOp{kind: 'w', file: file, off: off, bytes: append([]byte(nil), b...)}
	if file == 0 {
		info, err := f.Stat()
		if err != nil {
			panic(err)
		}
		op.size = info.Size()
	}
	d.ops = append(d.ops, op)
}

func (d *disk) sync(file int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.delay != nil {
		d.delay()
	}
	return d.failOr(diskOp{kind: 's', file: file})
}

// failOr records what orders the disk, unless it fails.
func (d *disk) failOr(op diskOp) error {
	if d.fail != nil {
		if err := d.fail(op.kind, false); err != nil && !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
	if !d.deaf || op.kind == 'l' || op.kind == 'r' {
		d.ops = append(d.ops, op)
	}
	return nil
}

// mark notes that what was promised so far includes commit n.
func (d *disk) mark(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops = append(d.ops, diskOp{kind: 'm', mark: n})
}

// A diskFile is a journal.
type diskFile struct {
	*os.File
	d    *disk
	file int
}

func (f diskFile) WriteAt(b []byte, off int64) (int, error) { return f.d.write(f.file, f.File, b, off) }

func (f diskFile) Sync() error { return f.d.sync(f.file) }

func (f diskFile) Direct() {}

func (d *disk) Create(path string) (boltstore.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sizes = append(d.sizes, 0)
	return diskFile{f, d, len(d.sizes) - 1}, nil
}

// Open opens the journal that was made last: there is but one.
func (d *disk) Open(path string, _ bool) (boltstore.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return diskFile{f, d, len(d.sizes) - 1}, nil
}

func (d *disk) Link(old, path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.failOr(diskOp{kind: 'l', file: len(d.sizes) - 1}); err != nil {
		return err
	}
	return os.Link(old, path)
}

func (d *disk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.HasSuffix(path, ".journal") {
		if err := d.failOr(diskOp{kind: 'r'}); err != nil {
			return err
		}
	}
	return os.Remove(path)
}

func (d *disk) SyncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failOr(diskOp{kind: 'd'})
}

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

// A platter is what a disk holds: files, and which of them is the journal.
type platter struct {
	files   map[int]*image
	journal int // 0: there is none
}

func (p *platter) file(n int) *image {
	if p.files[n] == nil {
		p.files[n] = newImage()
	}
	return p.files[n]
}

func (p *platter) clone() *platter {
	c := &platter{files: make(map[int]*image, len(p.files)), journal: p.journal}
	for n, im := range p.files {
		c.files[n] = im.clone()
	}
	return c
}

// apply lets an operation have happened.
func (p *platter) apply(op diskOp) {
	switch op.kind {
	case 'w', 'b':
		p.file(op.file).write(op.bytes, op.off)
	case 'l':
		p.journal = op.file
	case 'r':
		p.journal = 0
	}
}

// save makes the files at path what the platter holds.
func (p *platter) save(path string) error {
	err := p.file(0).save(path)
	if p.journal == 0 {
		if rm := os.Remove(path + ".journal"); !errors.Is(rm, os.ErrNotExist) {
			err = errors.Join(err, rm)
		}
		return err
	}
	return errors.Join(err, p.file(p.journal).save(path+".journal"))
}

// A fate is what a power cut does to one operation that no sync had covered.
type fate func(i int, op diskOp, to *platter)

func kept(_ int, op diskOp, to *platter) { to.apply(op) }

func lost(int, diskOp, *platter) {}

// torn keeps some sectors, drawn.
func torn(rng *rand.Rand) fate {
	return func(_ int, op diskOp, to *platter) {
		if op.kind != 'w' {
			if rng.IntN(2) == 0 {
				to.apply(op)
			}
			return
		}
		for b, off := op.bytes, op.off; len(b) > 0; {
			n := min(sector, len(b))
			if rng.IntN(2) == 0 {
				to.file(op.file).write(b[:n], off)
			}
			b, off = b[n:], off+int64(n)
		}
	}
}

// drawn mixes the three, so that later writes arrive and earlier do not.
func drawn(rng *rand.Rand) fate {
	t := torn(rng)
	all := rng.IntN(4)
	return func(i int, op diskOp, to *platter) {
		switch rng.IntN(3) + all {
		case 0, 3:
			lost(i, op, to)
		case 1, 4:
			t(i, op, to)
		default:
			kept(i, op, to)
		}
	}
}

// A tape replays a disk's record up to a cut.
type tape struct {
	ops     []diskOp
	at      int
	durable *platter // what syncs have covered
	loose   []diskOp
	mark    int // the last commit that had returned
}

func newTape(ops []diskOp) *tape {
	return &tape{ops: ops, durable: &platter{files: map[int]*image{}}, mark: -1}
}

// advance replays up to the cut before op n. A sync covers one file, or the
// folder, and nothing else.
func (tp *tape) advance(n int) {
	for ; tp.at < n; tp.at++ {
		op := tp.ops[tp.at]
		switch op.kind {
		case 'w':
			tp.loose = append(tp.loose, op)
			if op.file == 0 { // the library syncs a file's growth before it uses it
				im := tp.durable.file(0)
				im.size = max(im.size, op.size)
			}
		case 'b':
			tp.durable.apply(op)
			tp.durable.file(op.file).size = op.size
			if op.file > 0 {
				tp.durable.journal = op.file
			}
		case 'l', 'r':
			tp.loose = append(tp.loose, op)
		case 's':
			tp.settle(func(w diskOp) bool { return w.kind == 'w' && w.file == op.file })
		case 'd':
			tp.settle(func(w diskOp) bool { return w.kind != 'w' })
		case 'm':
			tp.mark = op.mark
		}
	}
}

func (tp *tape) settle(covered func(diskOp) bool) {
	var loose []diskOp
	for _, w := range tp.loose {
		if covered(w) {
			tp.durable.apply(w)
		} else {
			loose = append(loose, w)
		}
	}
	tp.loose = loose
}

// cut is what the disk holds after power is lost here.
func (tp *tape) cut(f fate) *platter {
	p := tp.durable.clone()
	for i, op := range tp.loose {
		f(i, op, p)
	}
	return p
}

func (tp *tape) String() string {
	return fmt.Sprintf("op %d of %d, %d not synced, %d commits returned", tp.at, len(tp.ops), len(tp.loose), tp.mark+1)
}
