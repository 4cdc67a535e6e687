package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/demand"
)

// Config says how far a receiver lets its sender go. The zero Config is a window
// of [demand.DefaultWindow], for as long as it takes.
type Config struct {
	// Window is how many items may be under way or in hand, 1 to
	// [demand.MaxWindow]. 0 means [demand.DefaultWindow].
	Window int64
	// Refill is as in [demand.Refill]. 0 means [demand.DefaultRefill].
	Refill float64
	// TTL is how long a grant is good, in whole milliseconds up to 2^32-1. A
	// receiver that waits renews it in time; the credit of one that is stuck, or
	// gone without a word, runs out. 0 means for ever.
	TTL time.Duration
}

func (c *Config) problem() string {
	switch {
	case c.Window < 0 || c.Window > demand.MaxWindow:
		return fmt.Sprintf("Window of %d is not 0 to %d", c.Window, demand.MaxWindow)
	case c.Refill != 0 && !(c.Refill > 0 && c.Refill <= 1):
		return fmt.Sprintf("Refill of %v is not 0 to 1", c.Refill)
	case c.TTL < 0 || c.TTL > 0 && c.TTL < time.Millisecond || c.TTL/time.Millisecond > math.MaxUint32:
		return fmt.Sprintf("TTL of %v is not 1 ms to 2^32-1 ms", c.TTL)
	}
	return ""
}

// A RemoteError is what the sender said of the end of its stream.
type RemoteError struct {
	Text string // at most 1024 bytes
}

// Error returns the text.
func (e *RemoteError) Error() string { return "wire: sender: " + e.Text }

// Receive is a source of the items that come over conn. Nothing is granted, and
// so nothing sent, before it is run, which can be once. When it ends early it
// tells the sender; it closes conn in the end.
func Receive[T any](conn io.ReadWriteCloser, codec demand.Codec[T], cfg Config) demand.Stream[T] {
	problem := cfg.problem()
	if cfg.Window == 0 {
		cfg.Window = demand.DefaultWindow
	}
	if cfg.Refill == 0 {
		cfg.Refill = demand.DefaultRefill
	}
	r := &receiver[T]{
		conn: conn, codec: codec, size: cfg.Window,
		window: demand.NewAllowance(cfg.Window, cfg.Refill),
		ttl:    cfg.TTL,
	}
	return demand.Func(func(ctx context.Context) (T, error) {
		if problem != "" {
			var none T
			return none, fmt.Errorf("%w: %s", demand.ErrConfig, problem)
		}
		return r.next(ctx)
	}).Named("receive")
}

type receiver[T any] struct {
	conn   io.ReadWriteCloser
	codec  demand.Codec[T]
	size   int64
	window demand.Allowance
	ttl    time.Duration

	run    context.Context // nil before the first call
	in     []byte          // of the frame, from the next item on
	buf    *[]byte         // where in is; nil while there is none
	left   uint32          // items in it
	number uint64          // of the next item
	inHand bool
	ended  atomic.Bool // the sender has

	writing sync.Mutex
	upto    atomic.Int64
	waiting atomic.Bool // for the sender: its grant is worth renewing
	renewal *time.Timer
}

// next returns the next item. Its caller is done with the one before.
func (r *receiver[T]) next(ctx context.Context) (v T, err error) {
	if r.run != ctx {
		if r.run != nil {
			return v, demand.ErrUsed
		}
		r.start(ctx)
	}
	if r.inHand {
		r.inHand = false
		if r.window.Done(1) {
			r.grant()
		}
	}
	for r.left == 0 {
		if err := r.read(); err != nil {
			return v, err
		}
	}
	return r.item()
}

func (r *receiver[T]) start(ctx context.Context) {
	r.run = ctx
	if r.ttl > 0 {
		r.writing.Lock()
		r.renewal = time.AfterFunc(r.ttl/2, r.renew)
		r.writing.Unlock()
	}
	context.AfterFunc(ctx, r.leave)
	r.grant()
}

// leave ends the connection when the run does.
func (r *receiver[T]) leave() {
	if r.renewal != nil {
		r.renewal.Stop()
	}
	if !r.ended.Load() && r.writing.TryLock() {
		// The sender learns it from the end of the connection otherwise.
		if d, ok := r.conn.(interface{ SetWriteDeadline(time.Time) error }); ok {
			_ = d.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:forbidigo // the connection's own clock
		}
		_, _ = r.conn.Write(finish(begin(nil, cancelFrame)))
		r.writing.Unlock()
	}
	_ = r.conn.Close()
}

// renew repeats the grant while the receiver waits; its credit is then fresh.
func (r *receiver[T]) renew() {
	if r.run.Err() != nil || r.ended.Load() {
		return
	}
	if r.waiting.Load() {
		r.put(r.upto.Load())
	}
	r.writing.Lock()
	r.renewal.Reset(r.ttl / 2)
	r.writing.Unlock()
}

func (r *receiver[T]) grant() {
	r.upto.Store(r.window.Upto())
	r.put(r.window.Upto())
}

// put writes a grant. Where that fails, there may still be items to be read, and
// the reader finds out what there is to find.
func (r *receiver[T]) put(upto int64) {
	frame := begin(make([]byte, 0, header+grantSize), grantFrame)
	frame = binary.BigEndian.AppendUint64(frame, uint64(upto))
	frame = binary.BigEndian.AppendUint32(frame, uint32(r.ttl/time.Millisecond))
	r.writing.Lock()
	defer r.writing.Unlock()
	_, _ = r.conn.Write(finish(frame))
}

// read reads the next frame.
func (r *receiver[T]) read() error {
	r.drop()
	// A lease may have run out while the items were worked on.
	if r.window.Flush() || r.ttl > 0 && r.number > 0 {
		r.grant()
	}
	r.waiting.Store(true)
	defer r.waiting.Store(false)
	var head [header]byte
	kind, size, err := readHead(r.conn, &head)
	if err != nil {
		return fmt.Errorf("wire: the sender is gone: %w", unexpected(err))
	}
	r.buf = buffers.Get().(*[]byte)
	if *r.buf, err = readBody(r.conn, *r.buf, size); err != nil {
		return err
	}
	r.in = *r.buf
	switch {
	case kind == itemsFrame:
		return r.items()
	case kind == endFrame && size == 0:
		r.ended.Store(true)
		return io.EOF
	case kind == errorFrame && size <= maxError:
		r.ended.Store(true)
		return &RemoteError{string(r.in)}
	}
	return fmt.Errorf("%w: kind %d of %d bytes from the sender", ErrFormat, kind, size)
}

// unexpected is an end that is no end of the stream.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// items reads the head of a frame of items, and holds the sender to its credit.
func (r *receiver[T]) items() error {
	if len(r.in) < itemsHead {
		return fmt.Errorf("%w: items of %d bytes", ErrFormat, len(r.in))
	}
	first, count := binary.BigEndian.Uint64(r.in), binary.BigEndian.Uint32(r.in[8:])
	r.in = r.in[itemsHead:]
	switch {
	case first != r.number:
		return fmt.Errorf("%w: item %d where %d was due", ErrFormat, first, r.number)
	case count == 0 || int64(count) > r.window.Upto()-int64(r.number):
		return fmt.Errorf("%w: %d items of %d that were granted", demand.ErrOverflow, count, r.window.Upto()-int64(r.number))
	}
	r.left = count
	return nil
}

// item takes the next item out of the frame.
func (r *receiver[T]) item() (v T, err error) {
	if len(r.in) < 4 {
		return v, fmt.Errorf("%w: no item %d", ErrFormat, r.number)
	}
	size := binary.BigEndian.Uint32(r.in)
	if r.in = r.in[4:]; uint64(size) > uint64(len(r.in)) {
		return v, fmt.Errorf("%w: item %d of %d bytes, %d are there", ErrFormat, r.number, size, len(r.in))
	}
	v, err = r.codec.Decode(r.in[:size])
	r.in = r.in[size:]
	if r.left--; r.left == 0 && len(r.in) > 0 && err == nil {
		return v, fmt.Errorf("%w: %d bytes after the last item", ErrFormat, len(r.in))
	}
	r.number++
	r.inHand = true
	return v, err
}

// drop gives the frame's buffer back.
func (r *receiver[T]) drop() {
	if r.buf != nil && cap(*r.buf) <= 2*pending {
		buffers.Put(r.buf)
	}
	r.buf, r.in = nil, nil
}
