package demand

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A BatchConfig says when a batch is full: at whichever of its bounds is reached
// first. At least Count or Size has to be given.
type BatchConfig[T any] struct {
	// Count is the most items in a batch, 1 to [MaxWindow]. 0 means MaxWindow.
	Count int
	// Bytes is the most that the sizes of a batch's items sum to, where Size is
	// given. An item that is larger is a batch of its own.
	Bytes int64
	// Size returns the size of an item.
	Size func(T) int64
	// Within is how long the first item of a batch waits at most, or 0 for as
	// long as it takes. It is looked at whenever an item comes, and while the
	// stage waits at a boundary, a channel or a tick. Where the source is a
	// function or a reader that may be silent for long, put an Async in between.
	Within time.Duration
}

func (c *BatchConfig[T]) problem() (format string, arg any) {
	switch {
	case c.Count < 0 || c.Count > MaxWindow:
		return "Count of %d is not 0 to 1048576", c.Count
	case c.Within < 0:
		return "Within of %v is negative", c.Within
	case (c.Size == nil) != (c.Bytes == 0) || c.Bytes < 0:
		return "Bytes of %d: Size and positive Bytes belong together", c.Bytes
	case c.Size == nil && c.Count == 0:
		return "Count of %d without Size: a batch needs a bound", c.Count
	}
	return "", nil
}

// Batch gathers items into batches, in their order. Every batch has a slice of
// its own, and at least one item; the last may be short.
func Batch[T any](s Stream[T], cfg BatchConfig[T]) Stream[[]T] {
	if format, arg := cfg.problem(); format != "" {
		return broken[[]T]("batch", format, arg)
	}
	if cfg.Count == 0 {
		cfg.Count = MaxWindow
	}
	return Stream[[]T]{name: "batch", run: func(e *env, name string, push func([]T) bool) (err error) {
		b := &batcher[T]{cfg: cfg, push: push, e: e, me: e.stage()}
		defer e.claim(b.me, name, &err)
		if cfg.Within > 0 {
			b.alarm.fire = b.flush
			e.alarms = append(e.alarms, &b.alarm)
		}
		if err := s.start(e, b.add); err != nil {
			return err
		}
		if !b.over && e.ctx.Err() == nil {
			b.flush()
		}
		return nil
	}}
}

type batcher[T any] struct {
	cfg   BatchConfig[T]
	push  func([]T) bool
	items []T
	bytes int64
	alarm alarm
	over  bool
	e     *env
	me    int32 // its number
}

func (b *batcher[T]) add(v T) bool {
	var size int64
	if b.cfg.Size != nil {
		b.e.inside = b.me
		size = max(b.cfg.Size(v), 0)
		if len(b.items) > 0 && size > b.cfg.Bytes-b.bytes && !b.flush() {
			return false
		}
	}
	if b.cfg.Within > 0 && !b.onTime() {
		return false
	}
	b.items = append(b.items, v)
	b.bytes = saturated(b.bytes, size)
	if len(b.items) >= b.cfg.Count || b.cfg.Size != nil && b.bytes >= b.cfg.Bytes {
		return b.flush()
	}
	return true
}

// onTime begins the time of a batch with its first item, and ends a batch whose
// time is up before a later one joins it.
func (b *batcher[T]) onTime() bool {
	now := mono.Now()
	if len(b.items) > 0 && now >= b.alarm.at && !b.flush() {
		return false
	}
	if len(b.items) == 0 {
		b.alarm.set, b.alarm.at = true, now.Add(b.cfg.Within)
	}
	return true
}

func (b *batcher[T]) flush() bool {
	b.alarm.set = false
	if len(b.items) == 0 {
		return !b.over
	}
	batch := b.items
	// The next batch will probably be as long as this one.
	b.items, b.bytes = make([]T, 0, min(cap(batch), b.cfg.Count)), 0
	b.over = !b.push(batch)
	return !b.over
}
