package gateway

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// plainBody lets go of the header in the wire's buffer, and returns the body that
// is behind it.
func (x *exchange) plainBody(w *wire) *plainBody {
	_, _ = w.in.Discard(w.head.size) // it is all there
	x.rest = plainBody{w: w, line: &x.line, left: w.head.length}
	return &x.rest
}

// deliver passes a plain answer on: to the connection itself where that can serve
// on, else by net/http's writer.
func (x *exchange) deliver() {
	w := x.line.wire
	status := w.head.status // later the wire may be another's
	x.heed(w)
	buf := scratch.Get().(*[]byte)
	b, out := (*buf)[:0], io.Writer(x.w)
	direct := x.keeps() && !isEmptyAnswer(x.r.Method, status)
	if direct {
		out = x.conn
		b = x.appendAnswer(b, w)
	} else {
		x.copyAnswer(w)
	}
	b, whole := x.first(w, b)
	if whole {
		x.unwatch()
		x.finish(x.outcome)
	} else {
		x.conn.watch()
		x.permit.Answered(x.outcome)
	}
	x.begun = true
	x.rt.counts.answered(status)
	if !direct {
		x.w.WriteHeader(status)
	}
	_, err := out.Write(b)
	keepScratch(buf, b)
	if err == nil && !whole {
		err = x.pour(out)
	}
	if err != nil {
		if !whole {
			_ = x.answer.Close() // no error matters now
		}
		panic(http.ErrAbortHandler)
	}
	if direct {
		x.conn.instead = nothing // the answer has been written
		x.w.WriteHeader(http.StatusOK)
	}
}

// nothing is what the connection writes in place of the server's answer when
// the handler has written another.
var nothing = []byte{}

// heed learns from the answer's header.
func (x *exchange) heed(w *wire) {
	x.be.answers()
	if at := w.head.report; at != (span{}) {
		b, _ := w.in.Peek(w.head.size)
		if signal, ok := pressure.Parse(string(at.of(b))); ok {
			x.permit.Report(signal.Delay)
		}
	}
	x.outcome, x.judged = x.outcomeOf(w.head.status), true
}

// first moves what has come of the body to b, and reports whether that is all of
// it. Then the wire is free.
func (x *exchange) first(w *wire, b []byte) (_ []byte, whole bool) {
	length := w.head.length
	body := x.plainBody(w)
	here := min(int64(w.in.Buffered()), length)
	come, _ := w.in.Peek(int(here))
	b = append(b, come...)
	_, _ = w.in.Discard(len(come)) // as many as were peeked at
	if body.left -= here; body.left == 0 {
		body.end(true)
		return b, true
	}
	a := &x.answer
	a.x, a.src, a.left = x, body, body.left
	return b, false
}

// pour passes the rest of the body on.
func (x *exchange) pour(out io.Writer) error {
	room := x.g.buffers.Get()
	defer x.g.buffers.Put(room)
	for {
		n, readErr := x.answer.Read(room)
		if n > 0 {
			if _, err := out.Write(room[:n]); err != nil {
				return err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}

// appendAnswer appends the answer's header as the client is to have it: what
// net/http's server would write of it, in the backend's order.
func (x *exchange) appendAnswer(b []byte, w *wire) []byte {
	h := &w.head
	from, _ := w.in.Peek(h.size)
	b = append(b, "HTTP/1.1 "...)
	b = append(strconv.AppendInt(b, int64(h.status), 10), ' ')
	if text := http.StatusText(h.status); text != "" {
		b = append(b, text...)
	} else {
		b = strconv.AppendInt(append(b, "status code "...), int64(h.status), 10)
	}
	b = append(b, "\r\n"...)
	for _, f := range h.fields {
		b = append(append(b, f.name.of(from)...), ": "...)
		b = append(append(b, f.value.of(from)...), "\r\n"...)
	}
	if !h.dated {
		b = append(b, "Date: "...)
		b = append(wallClock().UTC().AppendFormat(b, http.TimeFormat), "\r\n"...)
	}
	if x.tells() {
		now := x.signalNow()
		b = appendField(b, penstockhttp.FieldPressure, now.own[0])
		b = appendField(b, penstockhttp.FieldLoad, now.orca[0])
	}
	return append(b, "\r\n"...)
}

// copyAnswer gives net/http's writer the answer's header.
func (x *exchange) copyAnswer(w *wire) {
	from, _ := w.in.Peek(w.head.size)
	all := string(from)
	values := make([]string, len(w.head.fields)) // one allocation; capacities keep the fields apart
	to := x.w.Header()
	for i, f := range w.head.fields {
		name, value := all[f.name.from:f.name.to], all[f.value.from:f.value.to]
		if have := to[name]; have != nil {
			to[name] = append(have, value)
			continue
		}
		values[i] = value
		to[name] = values[i : i+1 : i+1]
	}
	if to["Content-Type"] == nil {
		to["Content-Type"] = nil // net/http is not to guess one
	}
	x.prepare()
	x.tell(to)
}
