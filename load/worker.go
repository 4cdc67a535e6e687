package load

import (
	"context"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// result is how an attempt ended.
type result struct {
	fate       Fate
	kind       ErrorKind // if it failed
	status     int       // of the answer, 0 without one
	reason     string    // of a refusal that gives one
	retryAfter time.Duration
	bytes      int64 // of the body
	done       mono.Time
}

// worker sends one request at a time on one connection.
type worker struct {
	g    *generator
	jobs chan job // holds one; closed at the run's end
	conn *conn    // nil while there is none; written under g.mu
}

func (w *worker) run(ctx context.Context, j job) {
	for ok := true; ok; {
		res := w.do(ctx, j)
		if j, ok = w.g.finish(w, j, res); !ok {
			j, ok = <-w.jobs
		}
	}
	if w.conn != nil {
		w.setConn(nil)
	}
}

// do carries out one attempt.
func (w *worker) do(ctx context.Context, j job) result {
	g := w.g
	now := mono.Now()
	if !j.queued {
		g.rec.lag(j, now)
	}
	if now >= j.deadline || g.cut.Load() {
		return result{fate: Late, done: now}
	}
	if w.conn != nil && w.conn.stale(now) {
		w.setConn(nil)
	}
	if w.conn == nil {
		if res, ok := w.connect(ctx, j); !ok {
			return res
		}
	}
	_ = w.conn.SetDeadline(g.wallTime(j.deadline))
	if g.cut.Load() { // hangUp may have come before the line above
		_ = w.conn.SetDeadline(past)
	}
	answer, err := w.conn.exchange(g.request, now, j)
	done := mono.Now()
	if err != nil {
		fate, kind := failure(err)
		w.drop(fate)
		return result{fate: fate, kind: kind, done: done}
	}
	w.conn.used = done
	if !answer.keep {
		w.drop(Good)
	}
	return judge(answer, j, done)
}

// judge decides an answered request's fate.
func judge(answer response, j job, done mono.Time) result {
	res := result{
		status: answer.status, reason: answer.reason, retryAfter: answer.retryAfter,
		bytes: answer.bytes, done: done,
	}
	switch s := answer.status; {
	case done > j.deadline:
		res.fate = Late
	case s < 400:
		res.fate = Good
	case s == 429 || s == 503:
		res.fate = Refused
	case s == 408 || s == 504:
		res.fate, res.kind = Failed, KindTimeout
	default:
		res.fate, res.kind = Failed, KindStatus
	}
	return res
}

// connect opens the worker's connection, or says what became of the attempt.
func (w *worker) connect(ctx context.Context, j job) (res result, ok bool) {
	ctx, cancel := context.WithDeadline(ctx, w.g.wallTime(j.deadline))
	defer cancel()
	c, err := w.g.open(ctx)
	if err == nil {
		w.g.rec.connected()
		w.setConn(c)
		return result{}, true
	}
	res = result{fate: Failed, kind: KindConnect, done: mono.Now()}
	if isDeadline(err) || ctx.Err() != nil {
		res.fate = Late
	}
	return res, false
}

// drop closes the connection: abruptly, if the client leaves because its time
// is up.
func (w *worker) drop(fate Fate) {
	if fate == Late {
		w.conn.abandon()
	}
	w.setConn(nil)
}

// setConn replaces the connection and closes the old one.
func (w *worker) setConn(c *conn) {
	w.g.mu.Lock()
	old := w.conn
	w.conn = c
	w.g.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}
