package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The kinds of frame.
const (
	grantFrame  byte = 1 // receiver: u64 how far in total, u32 for how many ms
	itemsFrame  byte = 2 // sender: u64 number of the first, u32 how many, each u32 length and bytes
	endFrame    byte = 3 // sender
	errorFrame  byte = 4 // sender: why, in UTF-8
	cancelFrame byte = 5 // receiver
)

// The bounds of the format.
const (
	MaxFrame = 1 << 20 // bytes after the header
	MaxItem  = MaxFrame - itemsHead - 4
	maxError = 1024

	header    = 5
	itemsHead = 12
	grantSize = 12
)

// ErrFormat is a peer that does not speak the format of this package, or a
// connection that was cut inside a frame.
var ErrFormat = errors.New("wire: malformed frame")

// begin appends the header of a frame whose length finish fills in.
func begin(dst []byte, kind byte) []byte { return append(dst, kind, 0, 0, 0, 0) }

func finish(frame []byte) []byte {
	binary.BigEndian.PutUint32(frame[1:], uint32(len(frame)-header))
	return frame
}

// readHead reads the header of the next frame. Between two frames the end is
// io.EOF.
func readHead(r io.Reader, head *[header]byte) (kind byte, size int, err error) {
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if n > 0 {
			return 0, 0, fmt.Errorf("%w: cut in the header", ErrFormat)
		}
		return 0, 0, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxFrame {
		return 0, 0, fmt.Errorf("%w: %d bytes, at most %d", ErrFormat, n, MaxFrame)
	}
	return head[0], int(n), nil
}

// readBody reads size bytes into buf, which it makes larger if need be.
func readBody(r io.Reader, buf []byte, size int) ([]byte, error) {
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if n, err := io.ReadFull(r, buf); err != nil {
		return buf, fmt.Errorf("%w: cut after %d of %d bytes: %w", ErrFormat, n, size, unexpected(err))
	}
	return buf, nil
}
