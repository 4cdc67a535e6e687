package boltstore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"unsafe"
)

const (
	// halfBytes is the size of each half of the journal, and so the bound of what
	// the journal holds and the file does not, in memory as well. A commit must fit.
	halfBytes = 32 << 20
	// block is what commits are aligned to in the journal, so that writing one
	// rewrites no sector of the one before. No disk in use has larger sectors.
	block = 4096
	// journalSuffix is what the journal's name has after its file's.
	journalSuffix = ".journal"
	journalMagic  = "penstock flow journal 1\n"
)

// A token tells journals apart. It is drawn when one is made.
type token [16]byte

// A journal is a file of a header and two halves. It is written once with zeros
// when it is made, so that commits only ever overwrite: the file system has
// nothing to allocate, and a sync nothing to write but the commit.
type journal struct {
	f     file
	token token
	half  int64
}

// makeJournal makes a journal aside and gives it its name when it is whole.
func makeJournal(fsys files, path string, half int64) (*journal, error) {
	j := &journal{half: half}
	_, _ = rand.Read(j.token[:]) // never fails
	aside := fmt.Sprintf("%s.%d.new", path, os.Getpid())
	if err := fsys.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := fsys.Create(aside)
	if err != nil {
		return nil, err
	}
	defer fsys.Remove(aside) //nolint:errcheck // it has its name, or is of no use
	err = j.fill(f)
	if err == nil {
		err = fsys.Link(aside, path)
	}
	if err == nil {
		err = fsys.SyncDir(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j.f = f
	return j, nil
}

func (j *journal) fill(f file) error {
	zeros := make([]byte, min(1<<20, j.half))
	for at := int64(0); at < 2*j.half; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, block+at); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(j.header(), 0); err != nil {
		return err
	}
	return f.Sync()
}

func (j *journal) header() []byte {
	b := make([]byte, sealSize, block)
	b = append(b, journalMagic...)
	b = append(b, j.token[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(j.half))
	return seal(b[:block])
}

// openJournal opens the journal at path. It is nil if there is none, or an empty
// file: that is how one who has lost a journal says to go on without.
func openJournal(fsys files, path string, write bool) (*journal, error) {
	f, err := fsys.Open(path, write)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none is no error
	}
	if err != nil {
		return nil, err
	}
	head := make([]byte, block)
	n, err := f.ReadAt(head, 0)
	if n == 0 && errors.Is(err, io.EOF) {
		return &journal{f: f}, nil
	}
	j := &journal{f: f}
	if err == nil {
		err = j.parse(head)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s: %w", errCorrupt, path, err), f.Close())
	}
	return j, nil
}

// halfMost bounds what is believed of a journal's header.
const halfMost = 1 << 30

func (j *journal) parse(head []byte) error {
	b, err := opened(head)
	if err != nil {
		return fmt.Errorf("the header %w", err)
	}
	if string(b[:len(journalMagic)]) != journalMagic {
		return errors.New("is not a flow's journal of a kind that this program reads")
	}
	b = b[len(journalMagic):]
	j.half = int64(binary.LittleEndian.Uint64(b[copy(j.token[:], b):]))
	if j.half < block || j.half > halfMost || j.half%block != 0 {
		return fmt.Errorf("has halves of %d bytes", j.half)
	}
	return nil
}

// offset is where in the file a half begins.
func (j *journal) offset(half int) int64 { return block + int64(half)*j.half }

// read reads a half; what the file lacks is zeros.
func (j *journal) read(half int) ([]byte, error) {
	b := make([]byte, j.half)
	if _, err := j.f.ReadAt(b, j.offset(half)); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// onBlock is memory of a size that begins where a block may, as direct writes need.
func onBlock(size int64) []byte {
	b := make([]byte, size+block)
	at := int64(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % block)
	return b[at : at+size : at+size]
}

// A note is a commit in the journal: a checksum of the rest, the size of the body,
// the epoch, a number that counts commits, and the journal's token.
type note struct {
	off, end   int // in its half; the body ends before end, which is aligned
	epoch, seq uint64
	body       []byte
}

const (
	noteSize  = sealSize
	noteEpoch = noteSize + 4
	noteSeq   = noteEpoch + 8
	noteToken = noteSeq + 8
	noteHead  = noteToken + len(token{})
)

// endNote completes the note at off, and fills up its last block.
func endNote(b []byte, off int, epoch, seq uint64, t token) []byte {
	n := b[off:]
	binary.LittleEndian.PutUint32(n[noteSize:], uint32(len(n)-noteHead))
	binary.LittleEndian.PutUint64(n[noteEpoch:], epoch)
	binary.LittleEndian.PutUint64(n[noteSeq:], seq)
	copy(n[noteToken:], t[:])
	seal(n)
	end := aligned(len(b))
	clear(b[len(b):end])
	return b[:end]
}

func aligned(n int) int { return (n + block - 1) / block * block }

// readNote reads the note at off of a half, if there is a whole one.
func readNote(half []byte, off int, t token) (n note, ok bool) {
	b := half[off:]
	if len(b) < noteHead || token(b[noteToken:]) != t {
		return note{}, false
	}
	size := int64(binary.LittleEndian.Uint32(b[noteSize:]))
	if size > int64(len(b)-noteHead) {
		return note{}, false
	}
	b = b[:noteHead+int(size)]
	if crc32.Checksum(b[sealSize:], castagnoli) != binary.LittleEndian.Uint32(b) {
		return note{}, false
	}
	return note{
		off: off, end: min(aligned(off+len(b)), len(half)), body: b[noteHead:],
		epoch: binary.LittleEndian.Uint64(b[noteEpoch:]), seq: binary.LittleEndian.Uint64(b[noteSeq:]),
	}, true
}

// notes finds every whole note of a half, those of earlier rounds included.
func notes(half []byte, t token) (found []note) {
	for off := 0; off < len(half); {
		n, ok := readNote(half, off, t)
		if !ok {
			off += block
			continue
		}
		found = append(found, n)
		off = n.end
	}
	return found
}

// The parts of a note.
const (
	partItem       = 1 // an item's record
	partPayload    = 2 // an item's record, and its new payload
	partDefinition = 3 // a definition as JSON
)

// A part is one change.
type part struct {
	kind    byte
	rec     []byte // the record or the definition
	at      int    // where rec begins, and payload, in the half
	payload []byte
	payAt   int
}

// parts yields the parts of a note.
func (n *note) parts(yield func(p part) error) error {
	r := reader{b: n.body}
	at := func() int { return n.off + noteHead + len(n.body) - len(r.b) }
	for len(r.b) > 0 {
		p := part{kind: r.byte()}
		size := r.uint()
		p.at = at()
		p.rec = r.bytes(size)
		if p.kind == partPayload {
			size = r.uint()
			p.payAt = at()
			p.payload = r.bytes(size)
		}
		if r.bad || p.kind < partItem || p.kind > partDefinition {
			return fmt.Errorf("%w: commit %d in the journal cannot be read", errCorrupt, n.seq)
		}
		if err := yield(p); err != nil {
			return err
		}
	}
	return nil
}
