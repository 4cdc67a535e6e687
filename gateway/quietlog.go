package gateway

import (
	"context"
	"io"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// nowhere swallows what the proxy says of single requests: it is counted.
var nowhere = log.New(io.Discard, "", 0)

// quietEvery is the least time between two lines of one kind.
const quietEvery = time.Second

// A quietLog logs what strangers can provoke, at most once per quietEvery.
type quietLog struct {
	log *slog.Logger

	mu      sync.Mutex
	begun   bool
	at      mono.Time
	skipped int
}

// Write takes a line of the HTTP server's.
func (q *quietLog) Write(line []byte) (int, error) {
	if skipped, ok := q.allow(mono.Now()); ok {
		q.log.LogAttrs(context.Background(), slog.LevelWarn, "http server",
			slog.String("message", strings.TrimSpace(string(line))), slog.Int("skipped", skipped))
	}
	return len(line), nil
}

// bug logs a contained panic.
func (q *quietLog) bug(what any, stack []byte) {
	if skipped, ok := q.allow(mono.Now()); ok {
		q.log.LogAttrs(context.Background(), slog.LevelError, "panic in a handler, contained",
			slog.Any("panic", what), slog.String("stack", string(stack)), slog.Int("skipped", skipped))
	}
}

func (q *quietLog) allow(now mono.Time) (skipped int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.begun && now.Sub(q.at) < quietEvery {
		q.skipped++
		return 0, false
	}
	skipped, q.skipped = q.skipped, 0
	q.begun, q.at = true, now
	return skipped, true
}
