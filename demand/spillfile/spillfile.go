// Package spillfile keeps what a boundary has no room for in files, and gives it
// back in order: the store for [demand.Spill].
//
//	s.Async(demand.Window(1000), demand.Spill(func() (demand.Store[string], error) {
//		return spillfile.Open(dir, demand.Text{}, spillfile.Config{})
//	}))
//
// It serves one run of a stream: it begins empty, and Close removes its files. It
// is no queue that survives a crash. Every record carries a CRC-32C, so that a
// disk that lies gives an error and not a wrong item.
package spillfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/demand"
)

// The bounds of a store.
const (
	DefaultBytes = 1 << 30 // of Config.Bytes
	MaxRecord    = 16 << 20
	segments     = 8 // files that the bytes are spread over: what is read is freed in these steps
	recordHead   = 8 // u32 length, u32 CRC-32C of the bytes, little-endian
)

// ErrCorrupt is a record that does not read as it was written.
var ErrCorrupt = errors.New("spillfile: corrupt record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Config bounds a store.
type Config struct {
	// Bytes is the most that the files take, at least 64 KiB. 0 means
	// [DefaultBytes]. A store that is full makes its sender wait.
	Bytes int64
}

// Open makes a store in a new folder below dir, or in the system's folder for
// temporary files if dir is empty.
func Open[T any](dir string, codec demand.Codec[T], cfg Config) (*Store[T], error) {
	if cfg.Bytes == 0 {
		cfg.Bytes = DefaultBytes
	}
	if cfg.Bytes < 64<<10 {
		return nil, fmt.Errorf("spillfile: Bytes of %d is less than 64 KiB", cfg.Bytes)
	}
	folder, err := os.MkdirTemp(dir, "penstock-spill-")
	if err != nil {
		return nil, fmt.Errorf("spillfile: %w", err)
	}
	return &Store[T]{folder: folder, codec: codec, most: cfg.Bytes}, nil
}

// A Store is first in, first out. It is for one goroutine at a time.
type Store[T any] struct {
	folder string
	codec  demand.Codec[T]
	most   int64

	parts  []*segment // oldest first; the last one is written, the first one read
	named  int        // segments so far
	bytes  int64      // of all parts
	n      int
	record []byte
}

// A segment is one file.
type segment struct {
	file    *os.File
	out     *bufio.Writer
	in      *bufio.Reader
	written int64
	flushed bool
	left    int // records that have not been read
}

// Len returns how many items the store holds.
func (s *Store[T]) Len() int { return s.n }

// Put appends an item. It reports false if the files would grow beyond their
// bound.
func (s *Store[T]) Put(v T) (bool, error) {
	record, err := s.codec.Append(append(s.record[:0], make([]byte, recordHead)...), v)
	if err != nil {
		return false, fmt.Errorf("spillfile: %w", err)
	}
	s.record = record
	size := int64(len(record))
	if size-recordHead > MaxRecord || size > s.most {
		return false, fmt.Errorf("spillfile: an item of %d bytes, at most %d", size-recordHead, min(MaxRecord, s.most-recordHead))
	}
	if s.bytes+size > s.most && s.n > 0 {
		return false, nil
	}
	binary.LittleEndian.PutUint32(record, uint32(size-recordHead))
	binary.LittleEndian.PutUint32(record[4:], crc32.Checksum(record[recordHead:], castagnoli))
	last, err := s.last(size)
	if err != nil {
		return false, err
	}
	if _, err := last.out.Write(record); err != nil {
		return false, fmt.Errorf("spillfile: %w", err)
	}
	last.written += size
	last.left++
	last.flushed = false
	s.bytes += size
	s.n++
	return true, nil
}

// last returns the segment to write to.
func (s *Store[T]) last(size int64) (*segment, error) {
	if n := len(s.parts); n > 0 && s.parts[n-1].written+size <= max(s.most/segments, size) {
		return s.parts[n-1], nil
	}
	if n := len(s.parts); n > 0 {
		if err := s.parts[n-1].flush(); err != nil {
			return nil, err
		}
	}
	s.named++
	file, err := os.OpenFile(filepath.Join(s.folder, fmt.Sprintf("%06d", s.named)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spillfile: %w", err)
	}
	p := &segment{file: file, out: bufio.NewWriterSize(file, 32<<10)}
	p.in = bufio.NewReaderSize(&reader{file: file}, 32<<10)
	s.parts = append(s.parts, p)
	return p, nil
}

// reader reads a file from its beginning, while others write at its end.
type reader struct {
	file *os.File
	at   int64
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.file.ReadAt(p, r.at)
	r.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (p *segment) flush() error {
	if p.flushed {
		return nil
	}
	p.flushed = true
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("spillfile: %w", err)
	}
	return nil
}

// Get takes the oldest item out.
func (s *Store[T]) Get() (v T, err error) {
	for len(s.parts) > 0 && s.parts[0].left == 0 {
		if err := s.remove(); err != nil {
			return v, err
		}
	}
	if s.n == 0 {
		return v, fmt.Errorf("spillfile: %w", io.EOF)
	}
	p := s.parts[0]
	record, err := p.read(s.record)
	if err != nil {
		return v, err
	}
	s.record = record[:0]
	if v, err = s.codec.Decode(record); err != nil {
		return v, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	p.left--
	s.n--
	return v, nil
}

func (p *segment) read(buf []byte) ([]byte, error) {
	if p.in.Buffered() < recordHead {
		if err := p.flush(); err != nil {
			return nil, err
		}
	}
	var head [recordHead]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size > MaxRecord {
		return nil, fmt.Errorf("%w: length %d", ErrCorrupt, size)
	}
	if p.in.Buffered() < int(size) {
		if err := p.flush(); err != nil {
			return nil, err
		}
	}
	if cap(buf) < int(size) {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if _, err := io.ReadFull(p.in, buf); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if crc32.Checksum(buf, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrCorrupt)
	}
	return buf, nil
}

// remove deletes the first segment.
func (s *Store[T]) remove() error {
	p := s.parts[0]
	s.parts = s.parts[1:]
	s.bytes -= p.written
	name := p.file.Name()
	if err := errors.Join(p.file.Close(), os.Remove(name)); err != nil {
		return fmt.Errorf("spillfile: %w", err)
	}
	return nil
}

// Close removes the files with all that is in them.
func (s *Store[T]) Close() error {
	var all error
	for _, p := range s.parts {
		all = errors.Join(all, p.file.Close())
	}
	s.parts, s.n, s.bytes = nil, 0, 0
	return errors.Join(all, os.RemoveAll(s.folder))
}
