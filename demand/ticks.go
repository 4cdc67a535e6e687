package demand

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// Ticks is a source of instants that are every apart. It honours demand: an
// instant that passes while nobody wants it is skipped, not saved up.
func Ticks(every time.Duration) Stream[mono.Time] {
	if every <= 0 {
		return broken[mono.Time]("ticks", "every %v", every)
	}
	return Stream[mono.Time]{name: "ticks", run: func(e *env, _ string, push func(mono.Time) bool) error {
		next := mono.Now().Add(every)
		due := false
		a := &alarm{fire: func() bool { due = true; return true }}
		e.alarms = append(e.alarms, a)
		for e.ready() {
			if late := mono.Now().Sub(next); late > 0 {
				next = next.Add(late + (every-late%every)%every)
			}
			due, a.set, a.at = false, true, next
			if !e.lie(idle, func() bool { return due }) {
				break
			}
			if !push(next) {
				return nil
			}
			next = next.Add(every)
		}
		return e.cause()
	}}
}

// Lines is a source of the lines of r, without their ends. A line of more than
// most bytes, 1 to 2^30, fails the stream with [ErrBound]. A cancelled stream
// ends when r returns; a reader with a SetReadDeadline method, as those of
// package net and pipes, is told to return at once.
func Lines(r io.Reader, most int) Stream[string] {
	if r == nil {
		return broken[string]("lines", "the reader is nil")
	}
	if most < 1 || most > 1<<30 {
		return broken[string]("lines", "a bound of %d bytes is not 1 to 2^30", most)
	}
	return Stream[string]{name: "lines", run: func(e *env, name string, push func(string) bool) (err error) {
		me := e.stage()
		defer e.claim(me, name, &err)
		if d, ok := r.(interface{ SetReadDeadline(time.Time) error }); ok {
			stop := context.AfterFunc(e.ctx, func() { _ = d.SetReadDeadline(time.Unix(1, 0)) })
			defer stop()
		}
		in := bufio.NewReaderSize(r, min(most+2, 64<<10))
		for n := 1; e.ready(); n++ {
			e.inside = me
			line, err := readLine(e, in, most)
			switch {
			case err != nil && e.ctx.Err() != nil:
				return e.cause()
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return at(name, fmt.Errorf("line %d: %w", n, err))
			case !push(line):
				return nil
			}
		}
		return e.cause()
	}}
}

// readLine returns the next line. The last one needs no end.
func readLine(e *env, in *bufio.Reader, most int) (string, error) {
	var long []byte
	for {
		if in.Buffered() == 0 {
			before := e.clock.enter(starved)
			_, _ = in.Peek(1) // its error comes again
			e.clock.enter(before)
		}
		part, err := in.ReadSlice('\n')
		line := part
		if long != nil {
			line = append(long, part...)
		}
		ended := err == nil || errors.Is(err, io.EOF) && len(line) > 0
		if ended {
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		}
		switch {
		case len(line) > most+1 || ended && len(line) > most:
			return "", fmt.Errorf("%w: more than %d bytes", ErrBound, most)
		case ended:
			return string(line), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
		long = slices.Clone(line)
	}
}
