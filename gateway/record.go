package gateway

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// The bounds on a recording.
const (
	recordBuffer = 8192    // requests that wait to be written; beyond, they are dropped and counted
	recordBytes  = 4 << 30 // after which nothing more is written
	recordFlush  = time.Second
)

// recordingVersion is in a recording's first line.
const recordingVersion = 1

// A recording is a line of JSON per request, after a first line that says what
// it is. docs/gateway.md has the format.
type recordingHead struct {
	Recording string    `json:"penstock_recording"`
	Version   int       `json:"version"`
	Started   time.Time `json:"started"`
	Routes    []string  `json:"routes"`
}

// A record is one request. Durations are in nanoseconds, as measured.
type record struct {
	route     string // as quoted JSON
	rank      penstock.Rank
	reason    penstock.Reason // why refused, else none
	outcome   penstock.Outcome
	abandoned bool
	at        mono.Time // arrival
	wait      time.Duration
	service   time.Duration
	deadline  time.Duration // from arrival; counts only where hasDeadline
	hasLimit  bool
	flow      uint64
}

// A recorder writes records without ever making a request wait.
type recorder struct {
	started mono.Time
	records chan record
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	written, dropped atomic.Uint64
	failed           atomic.Bool
}

func newRecorder(w io.Writer, started mono.Time, since time.Time, routes []string) *recorder {
	r := &recorder{
		started: started,
		records: make(chan record, recordBuffer),
		stop:    make(chan struct{}), stopped: make(chan struct{}),
	}
	go r.run(w, recordingHead{Recording: "gateway", Version: recordingVersion, Started: since.UTC(), Routes: routes})
	return r
}

// add hands a record over, or drops it.
func (r *recorder) add(rec record) {
	select {
	case r.records <- rec:
	default:
		r.dropped.Add(1)
	}
}

func (r *recorder) run(w io.Writer, head recordingHead) {
	defer close(r.stopped)
	out := &boundedWriter{w: w, left: recordBytes}
	buffer := bufio.NewWriterSize(out, 64<<10)
	first, err := json.Marshal(head)
	if err != nil {
		panic("gateway: a recording's head has no JSON form: " + err.Error())
	}
	_, _ = buffer.Write(append(first, '\n')) // its error stays in the buffer
	_ = buffer.Flush()
	flush := time.NewTicker(recordFlush) //nolint:forbidigo // nothing is decided by it
	defer flush.Stop()
	var line []byte
	write := func(rec record) {
		line = rec.append(line[:0], r.started)
		if _, err := buffer.Write(line); err != nil {
			r.dropped.Add(1)
			r.failed.Store(true)
			return
		}
		r.written.Add(1)
	}
	for {
		select {
		case rec := <-r.records:
			write(rec)
		case <-flush.C:
			_ = buffer.Flush() // the next Write returns the error again
		case <-r.stop:
			for {
				select {
				case rec := <-r.records:
					write(rec)
				default:
					_ = buffer.Flush() // nobody is left to be told
					return
				}
			}
		}
	}
}

// close writes what is in the buffer.
func (r *recorder) close() {
	r.once.Do(func() { close(r.stop) })
	<-r.stopped
}

// append writes the record as a line of JSON. Times are whole microseconds.
func (rec *record) append(b []byte, started mono.Time) []byte {
	micros := func(name string, d time.Duration) {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `_us":`...)
		b = strconv.AppendInt(b, d.Microseconds(), 10)
	}
	b = append(b, `{"at_us":`...)
	b = strconv.AppendInt(b, rec.at.Sub(started).Microseconds(), 10)
	b = append(b, `,"route":`...)
	b = append(b, rec.route...)
	b = append(b, `,"rank":`...)
	b = strconv.AppendInt(b, int64(rec.rank), 10)
	if rec.flow != 0 {
		b = append(b, `,"flow":"`...)
		b = strconv.AppendUint(b, rec.flow, 36)
		b = append(b, '"')
	}
	if rec.hasLimit {
		micros("deadline", rec.deadline)
	}
	if rec.reason != penstock.ReasonNone {
		b = append(b, `,"refused":"`...)
		b = append(b, rec.reason.String()...)
		return append(b, "\"}\n"...)
	}
	micros("wait", rec.wait)
	micros("service", rec.service)
	b = append(b, `,"outcome":"`...)
	b = append(b, rec.outcome.String()...)
	b = append(b, '"')
	if rec.abandoned {
		b = append(b, `,"abandoned":true`...)
	}
	return append(b, "}\n"...)
}

// A boundedWriter fails when it has written so much.
type boundedWriter struct {
	w    io.Writer
	left int64
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, io.ErrShortWrite
	}
	n, err := b.w.Write(p)
	b.left -= int64(n)
	return n, err
}

// record notes the end of an admitted exchange.
func (x *exchange) record(o penstock.Outcome) {
	if x.g.recorder == nil {
		return
	}
	rec := x.arrival()
	if rec.outcome = o; x.judged {
		rec.outcome = x.outcome
	}
	rec.wait = x.entered.Sub(x.arrived)
	x.mu.Lock()
	ended, has := x.answeredAt, x.answered
	rec.abandoned = x.abandoned
	x.mu.Unlock()
	if !has {
		ended = mono.Now()
	}
	rec.service = ended.Sub(x.entered)
	x.g.recorder.add(rec)
}

// recordRefusal notes a refused exchange.
func (x *exchange) recordRefusal(why penstock.Reason) {
	if x.g.recorder == nil {
		return
	}
	rec := x.arrival()
	rec.reason = why
	x.g.recorder.add(rec)
}

func (x *exchange) arrival() record {
	rec := record{route: x.rt.quoted, rank: x.work.Rank(), at: x.arrived, flow: x.work.Flow}
	if x.work.HasDeadline {
		rec.deadline, rec.hasLimit = x.work.Deadline.Sub(x.arrived), true
	}
	return rec
}
