package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/mono"
)

// linger is how long Send waits, after its last frame, for the receiver to close:
// a connection that is closed with grants unread may lose what was sent.
const linger = time.Second

// pending is how many bytes of items may wait for the connection.
const pending = 64 << 10

// buffers are those of senders that have something to send.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

var errCancelled = errors.New("wire: the receiver wants no more")

// Send runs the stream for the receiver at the other end of conn. The stream
// begins with the first grant. Items that are ready while the connection is busy
// go together in one frame; an item never waits for others.
//
// Send returns nil once all has been sent, and when the receiver cancels;
// otherwise the stream's error, which the receiver is told, or the connection's.
// It closes conn.
func Send[T any](ctx context.Context, conn io.ReadWriteCloser, s demand.Stream[T], codec demand.Codec[T]) error {
	out := &sender{conn: conn}
	out.moved.L = &out.mu
	if out.granted(ctx) {
		serve(ctx, out, s, codec)
	}
	_ = conn.Close()
	out.mu.Lock()
	defer out.mu.Unlock()
	if errors.Is(out.failed, errCancelled) {
		return nil
	}
	return out.failed
}

// serve sends, from the first grant on.
func serve[T any](ctx context.Context, out *sender, s demand.Stream[T], codec demand.Codec[T]) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out.mu.Lock()
	out.cancel = cancel
	out.mu.Unlock()
	defer out.closeAfter(ctx)()
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		for out.read() {
		}
	}()
	var writing sync.WaitGroup
	writing.Go(out.write)
	out.finish(s.Each(ctx, func(v T) error { return add(out, codec, v) }))
	writing.Wait()
	wait := time.NewTimer(linger)
	defer wait.Stop()
	select {
	case <-quiet:
	case <-wait.C:
	case <-ctx.Done():
	}
	_ = out.conn.Close()
	<-quiet
}

// closeAfter ends the connection with ctx, as what blocks in it ends no other
// way, until stop is called.
func (s *sender) closeAfter(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		s.lose(context.Cause(ctx))
		_ = s.conn.Close()
	})
}

// A sender is shared by three goroutines once it was asked: the stream's, which
// adds items, and those that read grants and write frames.
type sender struct {
	conn   io.ReadWriteCloser
	cancel context.CancelCauseFunc // of the stream; nil before the first grant
	head   [header]byte            // of the frame that is read
	body   [grantSize]byte

	mu     sync.Mutex
	moved  sync.Cond // anything below has changed
	credit demand.Credit
	until  mono.Time // the grant is good, if it is leased
	leased bool
	frame  *[]byte // of items that wait; nil: none
	count  uint32
	number uint64 // of the next item
	over   bool   // the stream is
	failed error  // of the stream, or of the connection
	gone   bool   // nothing can be sent any more
	ended  bool   // the last frame is on its way: what the receiver does now is its own business
}

// granted waits for the first grant, in the goroutine that later runs the stream:
// who is never asked takes no other, and none of what serve needs.
func (s *sender) granted(ctx context.Context) bool {
	defer s.closeAfter(ctx)()
	for s.read() {
		if s.credit.Left() > 0 { // nobody else is at work yet
			return true
		}
	}
	return false
}

// left returns the credit that is good now. It is called with the lock.
func (s *sender) left() int64 {
	if s.leased && mono.Now() >= s.until {
		return 0
	}
	return s.credit.Left()
}

// add takes an item in once there is credit for it and room.
func add[T any](s *sender, codec demand.Codec[T], v T) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.gone && (s.left() == 0 || s.frame != nil && len(*s.frame) >= pending) {
		s.moved.Wait()
	}
	if s.gone {
		return s.failed
	}
	if s.frame == nil {
		s.open()
	}
	at := len(*s.frame)
	frame, err := codec.Append(append(*s.frame, 0, 0, 0, 0), v)
	size := len(frame) - at - 4
	if err == nil && size > MaxItem {
		err = fmt.Errorf("wire: an item of %d bytes, at most %d", size, MaxItem)
	}
	if err != nil {
		*s.frame = (*s.frame)[:at]
		return err
	}
	if len(frame) > MaxFrame+header {
		// The item begins the next frame.
		return s.overflow(frame, at)
	}
	binary.BigEndian.PutUint32(frame[at:], uint32(size))
	*s.frame = frame
	s.took()
	return nil
}

func (s *sender) took() {
	if s.count++; s.count == 1 {
		s.moved.Broadcast()
	}
	s.number++
	s.credit.Spend(1)
}

// overflow waits until the frame before the item was taken to be written, and
// puts the item into one of its own.
func (s *sender) overflow(frame []byte, at int) error {
	item := append([]byte(nil), frame[at:]...)
	for !s.gone && s.frame != nil {
		s.moved.Wait()
	}
	if s.gone {
		return s.failed
	}
	s.open()
	binary.BigEndian.PutUint32(item, uint32(len(item)-4))
	*s.frame = append(*s.frame, item...)
	s.took()
	return nil
}

// open begins a frame of items.
func (s *sender) open() {
	s.frame = buffers.Get().(*[]byte)
	*s.frame = begin((*s.frame)[:0], itemsFrame)
	*s.frame = binary.BigEndian.AppendUint64(*s.frame, s.number)
	*s.frame = append(*s.frame, 0, 0, 0, 0)
}

// write is the goroutine that writes what there is, until the stream is over.
func (s *sender) write() {
	for {
		s.mu.Lock()
		for !s.gone && !s.over && s.count == 0 {
			s.moved.Wait()
		}
		frame, count := s.frame, s.count
		s.frame, s.count = nil, 0
		last := s.over
		s.ended = last
		gone, failed := s.gone, s.failed
		s.moved.Broadcast()
		s.mu.Unlock()
		if gone {
			return
		}
		if count > 0 {
			binary.BigEndian.PutUint32((*frame)[header+8:], count)
			if !s.put(finish(*frame)) {
				return
			}
		}
		if frame != nil && cap(*frame) <= 2*pending {
			buffers.Put(frame)
		}
		if last {
			if _, err := s.conn.Write(ending(failed)); err != nil && failed == nil {
				s.mu.Lock()
				s.failed = fmt.Errorf("wire: %w", err)
				s.mu.Unlock()
			}
			return
		}
	}
}

// ending is the last frame.
func ending(err error) []byte {
	if err == nil {
		return finish(begin(nil, endFrame))
	}
	text := err.Error()
	return finish(append(begin(nil, errorFrame), text[:min(len(text), maxError)]...))
}

func (s *sender) put(frame []byte) bool {
	if _, err := s.conn.Write(frame); err != nil {
		s.lose(fmt.Errorf("wire: %w", err))
		return false
	}
	return true
}

// read takes the next frame in. It reports false where none can follow.
func (s *sender) read() bool {
	kind, size, err := readHead(s.conn, &s.head)
	switch {
	case err != nil:
		s.lose(fmt.Errorf("wire: the receiver is gone: %w", err))
		return false
	case kind == cancelFrame && size == 0:
		s.lose(errCancelled)
		return false
	case kind != grantFrame || size != grantSize:
		s.lose(fmt.Errorf("%w: kind %d of %d bytes from the receiver", ErrFormat, kind, size))
		return false
	}
	if _, err := readBody(s.conn, s.body[:], size); err != nil {
		s.lose(err)
		return false
	}
	s.grant(binary.BigEndian.Uint64(s.body[:]), binary.BigEndian.Uint32(s.body[8:]))
	return true
}

// grant takes the last grant instead of those before. 2^63 and beyond is without
// bound.
func (s *sender) grant(upto uint64, ms uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credit.Replace(int64(min(upto, math.MaxInt64)))
	if s.leased = ms > 0; s.leased {
		s.until = mono.Now().Add(time.Duration(ms) * time.Millisecond)
	}
	s.moved.Broadcast()
}

// finish is the end of the stream.
func (s *sender) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.failed == nil {
		s.failed = err
	}
	s.moved.Broadcast()
}

// lose is the end of the connection.
func (s *sender) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.gone {
		return
	}
	s.gone = true
	if s.failed == nil {
		s.failed = err
	}
	s.moved.Broadcast()
	if s.cancel != nil {
		s.cancel(err)
	}
}
