package caller

import (
	"context"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// gatherReserve is the share of its time that Gather leaves its caller to make
// an answer of what has come.
const gatherReserve = 0.1

// Gather makes all calls at once and returns what has come by the deadline of
// ctx, less a tenth that is left for making an answer of it: the results by
// name, and for each that is missing why. It does not wait for stragglers:
// their context ends when Gather returns, and calls that do not heed it end
// unheard. Without a deadline it waits for all.
//
// The calls are optional (see [Optional]): a page without recommendations is
// better than none, and a full recommender is no reason to refuse pages. Make
// calls that the answer cannot do without in ctx itself.
//
// It starts one goroutine for each call, however many there are: the bound is
// the length of the map.
func Gather[T any](ctx context.Context, calls map[string]func(context.Context) (T, error)) (got map[string]T, missing map[string]error) {
	type result struct {
		name  string
		value T
		err   error
	}
	inner, cancel := context.WithCancel(Optional(ctx))
	if at, ok := ctx.Deadline(); ok {
		cancel()
		left := mono.Of(at).Sub(mono.Now())
		inner, cancel = context.WithTimeout(Optional(ctx), time.Duration(float64(left)*(1-gatherReserve)))
	}
	defer cancel()
	results := make(chan result, len(calls)) // so that stragglers end too
	for name, call := range calls {
		go func() {
			v, err := call(inner)
			results <- result{name, v, err}
		}()
	}
	got, missing = make(map[string]T, len(calls)), map[string]error{}
	take := func(r result) {
		if r.err != nil {
			missing[r.name] = r.err
		} else {
			got[r.name] = r.value
		}
	}
	for range calls {
		select {
		case r := <-results:
			take(r)
			continue
		case <-inner.Done():
		}
		for { // what had come by then
			select {
			case r := <-results:
				take(r)
				continue
			default:
			}
			break
		}
		break
	}
	for name := range calls {
		if _, ok := got[name]; !ok && missing[name] == nil {
			missing[name] = context.Cause(inner)
		}
	}
	return got, missing
}
