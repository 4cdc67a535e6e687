package penstockhttp_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/penstockhttp"
)

// A step is what a handler does with its context.
type step struct {
	do   string
	wait time.Duration // "wait"
}

func drawSteps(t *rapid.T) []step {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		s := step{do: rapid.SampledFrom([]string{"wait", "err", "cause", "done", "child", "after", "deadline", "value", "leave"}).Draw(t, "do")}
		if s.do == "wait" {
			s.wait = time.Duration(rapid.IntRange(0, 120).Draw(t, "ms")) * time.Millisecond
		}
		return s
	}), 1, 12).Draw(t, "steps")
}

// A watched is a context and what became of those that were made of it.
type watched struct {
	context.Context //nolint:containedctx // it is what is tested
	children        []context.Context
	called          atomic.Int32 // by AfterFunc
}

// see does a step, and says what there is to see.
func (w *watched) see(s step) string {
	switch s.do {
	case "err":
		return fmt.Sprint(w.Err())
	case "cause":
		return fmt.Sprint(context.Cause(w))
	case "done":
		select {
		case <-w.Done():
			return "done"
		default:
			return "open"
		}
	case "child":
		child, cancel := context.WithCancel(w)
		context.AfterFunc(w, cancel)
		w.children = append(w.children, child)
	case "after":
		context.AfterFunc(w, func() { w.called.Add(1) })
	case "deadline":
		at, ok := w.Deadline()
		return fmt.Sprint(at.UnixNano(), ok)
	case "value":
		return fmt.Sprint(w.Value(callerKey{}))
	}
	synctest.Wait()
	seen := []any{w.called.Load()}
	for _, child := range w.children {
		seen = append(seen, child.Err(), context.Cause(child))
	}
	return fmt.Sprint(seen...)
}

type callerKey struct{}

// contexts demands that the context of a request with a deadline does what that of
// [context.WithDeadline] does, whenever one looks, waits or leaves, and after the
// handler has returned.
func contexts(tt *testing.T, t *rapid.T) {
	deadline := time.Duration(rapid.IntRange(1, 200).Draw(t, "deadline")) * time.Millisecond
	outer := time.Duration(rapid.IntRange(0, 300).Draw(t, "of the server")) * time.Millisecond
	steps, last := drawSteps(t), drawSteps(t)
	wrong := ""
	synctest.Test(tt, func(tt *testing.T) {
		parent, leave := context.WithCancelCause(context.WithValue(tt.Context(), callerKey{}, "us"))
		defer leave(nil)
		if outer > 0 {
			var cancel context.CancelFunc
			parent, cancel = context.WithTimeout(parent, outer)
			defer cancel()
		}
		var ours, want watched
		follow := func(when string, steps []step) {
			for i, s := range steps {
				if s.do == "leave" {
					_ = ours.Err() // else nobody knows which came first, this or the deadline
					leave(errGone)
				}
				time.Sleep(s.wait)
				synctest.Wait()
				if got, want := ours.see(s), want.see(s); got != want && wrong == "" {
					wrong = fmt.Sprintf("%s, step %d of %+v: %s; want %s", when, i, steps, got, want)
				}
			}
		}
		ctl := capped(tt)
		defer ctl.Close()
		r := request(tt, stranger, "GET", "/", fmt.Sprint("Penstock-Deadline: ", deadline.Milliseconds())).WithContext(parent)
		reference, cancel := context.WithTimeout(parent, deadline)
		do(penstockhttp.Handler(ctl, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ours.Context, want.Context = r.Context(), reference //nolint:fatcontext // to look at it after the handler
			if penstock.VisitFrom(r.Context()) == nil {
				wrong = "the context serves nothing"
			}
			follow("in the handler", steps)
			if penstock.VisitFrom(r.Context()) == nil {
				wrong = "the context does not serve any more"
			}
		})), r)
		cancel()
		follow("after it", last)
	})
	if wrong != "" {
		t.Fatal(wrong)
	}
}

func TestContexts(t *testing.T) { rapid.Check(t, func(r *rapid.T) { contexts(t, r) }) }

func FuzzContexts(f *testing.F) {
	f.Fuzz(func(t *testing.T, input []byte) { rapid.MakeFuzz(func(r *rapid.T) { contexts(t, r) })(t, input) })
}
