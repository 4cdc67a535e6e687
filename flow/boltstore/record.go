package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
)

// loc says where an item's record and its payload are.
type loc struct {
	log   uint64 // key of the log entry
	chunk uint64 // key of the chunk
	off   uint32 // of the payload's frame in the chunk
	size  uint32 // of the payload
	hop   uint32
	ended bool
}

func (l loc) framed() int64 {
	if l.ended {
		return 0
	}
	return frameHeader + int64(l.size)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errCorrupt = errors.New("boltstore: the file is damaged")

// appendRecord encodes an item and where its payload is.
func appendRecord(b []byte, it *flow.Item, l loc) []byte {
	b = binary.AppendUvarint(b, it.No)
	b = binary.AppendUvarint(b, uint64(it.Hop))
	b = append(b, byte(it.State))
	b = appendString(b, it.Flow)
	b = appendString(b, it.ID)
	b = binary.AppendVarint(b, int64(it.Due))
	if it.State == flow.Ended {
		return b
	}
	b = binary.AppendUvarint(b, l.chunk)
	b = binary.AppendUvarint(b, uint64(l.off))
	b = binary.AppendUvarint(b, uint64(l.size))
	b = appendString(b, it.Stage)
	b = appendString(b, it.Key)
	b = appendString(b, it.Reason)
	b = binary.AppendVarint(b, int64(it.Created))
	b = binary.AppendVarint(b, int64(it.Deadline))
	b = binary.AppendUvarint(b, uint64(it.Cost))
	b = binary.AppendUvarint(b, uint64(it.Charge))
	b = binary.AppendUvarint(b, uint64(it.Rank))
	return binary.AppendUvarint(b, uint64(it.Attempts))
}

func appendString(b []byte, s string) []byte { return append(appendSize(b, len(s)), s...) }

func appendSize(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

// A reader decodes; its first error sticks.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) byte() byte {
	if p := r.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

// names makes equal strings share their bytes, for the few that are common.
type names map[string]string

func (n names) of(p []byte) string {
	if s, ok := n[string(p)]; ok {
		return s
	}
	s := string(p)
	if len(n) < 1<<16 {
		n[s] = s
	}
	return s
}

// decodeHead reads what every record begins with.
func decodeHead(rec []byte, key uint64) (no uint64, l loc, state flow.State, r reader) {
	r.b = rec
	no = r.uint()
	l = loc{log: key, hop: uint32(r.uint())}
	state = flow.State(r.byte())
	l.ended = state == flow.Ended
	return no, l, state, r
}

// decodeLoc reads a record's item number, its locations, and when it is due.
func decodeLoc(rec []byte, key uint64) (no uint64, l loc, due flow.Wall, err error) {
	no, l, _, r := decodeHead(rec, key)
	r.bytes(r.uint())
	r.bytes(r.uint())
	due = flow.Wall(r.int())
	if !l.ended {
		l.chunk, l.off, l.size = r.uint(), uint32(r.uint()), uint32(r.uint())
	}
	if r.bad {
		return 0, loc{}, 0, fmt.Errorf("%w: a record in log entry %d", errCorrupt, key)
	}
	return no, l, due, nil
}

// decodeItem reads a whole record.
func decodeItem(rec []byte, key uint64, common names) (flow.Item, error) {
	no, l, state, r := decodeHead(rec, key)
	it := flow.Item{No: no, Hop: l.hop, State: state}
	it.Flow = common.of(r.bytes(r.uint()))
	it.ID = string(r.bytes(r.uint()))
	it.Due = flow.Wall(r.int())
	if !l.ended {
		l.chunk, l.off, l.size = r.uint(), uint32(r.uint()), uint32(r.uint())
		it.Stage = common.of(r.bytes(r.uint()))
		it.Key = common.of(r.bytes(r.uint()))
		it.Reason = common.of(r.bytes(r.uint()))
		it.Created, it.Deadline = flow.Wall(r.int()), flow.Wall(r.int())
		it.Cost, it.Charge = int32(r.uint()), int32(r.uint())
		it.Rank, it.Attempts = penstock.Rank(r.uint()), uint16(r.uint())
		it.Size = int32(l.size)
	}
	if r.bad || it.State >= flow.States {
		return flow.Item{}, fmt.Errorf("%w: a record in log entry %d", errCorrupt, key)
	}
	return it, nil
}

// A batch builds a log entry: a checksum, and records with their lengths.
type batch struct {
	b []byte
	n int
}

func (e *batch) reset() { e.b, e.n = append(e.b[:0], make([]byte, sealSize)...), 0 }

func (e *batch) add(rec []byte) {
	e.b = binary.AppendUvarint(e.b, uint64(len(rec)))
	e.b = append(e.b, rec...)
	e.n++
}

// sealSize is what a checksum takes in front of what it covers.
const sealSize = 4

// seal puts the checksum of what follows into the first bytes.
func seal(b []byte) []byte {
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[sealSize:], castagnoli))
	return b
}

// opened returns what a checksum covers, if it is right.
func opened(b []byte) ([]byte, error) {
	if len(b) < sealSize || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[sealSize:], castagnoli) {
		return nil, errors.New("has a wrong checksum")
	}
	return b[sealSize:], nil
}

// records calls yield for each record of a log entry.
func records(key uint64, entry []byte, yield func(rec []byte) error) error {
	b, err := opened(entry)
	if err != nil {
		return fmt.Errorf("%w: log entry %d %w", errCorrupt, key, err)
	}
	r := reader{b: b}
	for len(r.b) > 0 {
		rec := r.bytes(r.uint())
		if r.bad || len(rec) < 4 {
			return fmt.Errorf("%w: log entry %d ends early", errCorrupt, key)
		}
		if err := yield(rec); err != nil {
			return err
		}
	}
	return nil
}

// A payload's frame in a chunk: the item's number, the size, a checksum.
const frameHeader = 8 + 4 + 4

func appendFrame(b []byte, no uint64, payload []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, no)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, castagnoli))
	return append(b, payload...)
}

// frame returns the payload of an item's frame.
func frame(chunk []byte, l loc, no uint64) ([]byte, error) {
	end := int64(l.off) + frameHeader + int64(l.size)
	if end > int64(len(chunk)) {
		return nil, fmt.Errorf("%w: chunk %d is too short for the payload of item %d", errCorrupt, l.chunk, no)
	}
	f := chunk[l.off:end]
	p := f[frameHeader:]
	if binary.LittleEndian.Uint64(f) != no || binary.LittleEndian.Uint32(f[8:]) != l.size ||
		binary.LittleEndian.Uint32(f[12:]) != crc32.Checksum(p, castagnoli) {
		return nil, fmt.Errorf("%w: the payload of item %d in chunk %d", errCorrupt, no, l.chunk)
	}
	return p, nil
}

func key(k uint64) []byte { return binary.BigEndian.AppendUint64(nil, k) }

func unkey(k []byte) uint64 {
	if len(k) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(k)
}
