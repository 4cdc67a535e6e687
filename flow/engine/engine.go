package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/mono"
)

// Bounds.
const (
	// FlowsMax is how many flows an engine runs.
	FlowsMax = 256
	// GroupMax is how many changes one commit takes.
	GroupMax = 1024
	// GroupBytes is how many bytes of payload one commit takes, one item apart.
	GroupBytes = 8 << 20
)

// Errors.
var (
	ErrUnknownFlow = errors.New("flow: no such flow")
	ErrClosed      = errors.New("flow: shutting down")
	// ErrAborted says that a duplicate's original was not stored: offer it again.
	ErrAborted = errors.New("flow: not stored; offer it again")
)

// Options tune an engine. The zero Options are right for production.
type Options struct {
	// Seed spreads backoff and retry-after; 0 means by the clock.
	Seed uint64
}

// An Engine runs the flows of a store.
type Engine struct {
	store flow.Store
	rng   *rand.Rand
	stop  context.CancelFunc
	done  chan struct{} // closed when the committer has ended
	kick  chan struct{} // something is pending; never more than one token

	mu       sync.Mutex
	epoch    *flow.Epoch
	flows    map[string]*running
	pending  []op
	spare    []op
	changes  []flow.Change // of the group being committed
	expected int           // proposals that the next group may have, as far as is known
	auto     []*flow.Proposal
	pause    mono.Time // no new try before: the store was full
	noNew    mono.Time // no new item before, for the same reason
	err      error     // why nothing is done any more
}

// A running flow.
type running struct {
	core    *flow.Core
	waiters map[string][]*waiter // by stage, the first first
	stirred bool
	defined bool // in the store
}

// An op is a proposal that waits to be committed, and who waits for it.
type op struct {
	p      *flow.Proposal
	f      *running
	ticket *ticket
	slot   int // of the ticket's results
}

// A ticket waits for the proposals of one call.
type ticket struct {
	left    int
	results []error
	done    chan struct{}
}

func (t *ticket) settle(slot int, err error) {
	t.results[slot] = err
	if t.left--; t.left == 0 {
		close(t.done)
	}
}

// now reads both clocks.
func now() flow.Instant {
	return flow.Instant{Mono: mono.Now(), Wall: flow.WallOf(time.Now())} //nolint:forbidigo // delays and deadlines go by the wall
}

// Open opens the store and starts what is in it.
func Open(ctx context.Context, store flow.Store, opts Options) (*Engine, error) {
	seed := opts.Seed
	if seed == 0 {
		seed = uint64(now().Wall)
	}
	e := &Engine{
		store: store, rng: rand.New(rand.NewPCG(seed, 0)), flows: map[string]*running{},
		done: make(chan struct{}), kick: make(chan struct{}, 1), pause: mono.Distant, noNew: mono.Distant,
	}
	epoch, defs, items, err := store.Open(ctx)
	if err != nil {
		return nil, err
	}
	e.epoch = flow.NewEpoch(epoch)
	if err := e.load(defs, items); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	go e.commitLoop(run)
	return e, nil
}

// load reads the store once, and deals the items to the flows.
func (e *Engine) load(defs []flow.Definition, items iter.Seq2[flow.Item, error]) error {
	cores, err := flow.Load(now(), defs, e.epoch, items, e.rng)
	if err != nil {
		return err
	}
	for i, d := range defs {
		e.add(d.Name, cores[i]).defined = true
	}
	return nil
}

func (e *Engine) add(name string, core *flow.Core) *running {
	f := &running{core: core, waiters: map[string][]*waiter{}, stirred: true}
	e.flows[name] = f
	return f
}

// Close ends the engine and closes the store: what is being committed is, what
// waits is refused.
func (e *Engine) Close() error {
	e.stop()
	<-e.done
	return e.store.Close()
}

// Failed is closed when the engine has ended, by Close or because the store is
// broken; Err says why.
func (e *Engine) Failed() <-chan struct{} { return e.done }

// Err is why the engine does nothing any more, or nil.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// flow finds a flow; the caller has the lock.
func (e *Engine) flow(name string) (*running, error) {
	if e.err != nil {
		return nil, e.err
	}
	if f := e.flows[name]; f != nil && f.defined {
		return f, nil
	}
	return nil, fmt.Errorf("%w: %.64q", ErrUnknownFlow, name)
}

// enqueue lets a proposal wait for its commit; the caller has the lock.
func (e *Engine) enqueue(o op) {
	e.pending = append(e.pending, o)
	e.wake()
}

func (e *Engine) wake() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// do makes n proposals under the lock and waits until each is committed or has
// failed: the errors are by index.
//
// A caller that goes away does not take its proposals back.
func (e *Engine) do(ctx context.Context, name string, n int, propose func(f *running, i int) (*flow.Proposal, error)) []error {
	return e.await(ctx, n, func() (*running, error) { return e.flow(name) }, propose)
}

// await is do for a flow that is found in another way.
func (e *Engine) await(ctx context.Context, n int, find func() (*running, error), propose func(f *running, i int) (*flow.Proposal, error)) []error {
	t := &ticket{left: 1, results: make([]error, n), done: make(chan struct{})}
	e.mu.Lock()
	f, err := find()
	for i := range n {
		if err != nil {
			t.results[i] = err
			continue
		}
		p, perr := propose(f, i)
		if perr != nil {
			t.results[i] = perr
			continue
		}
		t.left++
		e.enqueue(op{p, f, t, i})
		f.stirred = true
	}
	if t.left--; t.left == 0 {
		e.mu.Unlock()
		return t.results
	}
	e.mu.Unlock()
	select {
	case <-t.done:
		return t.results
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	results := slices.Clone(t.results) // those that come later are nobody's
	if t.left > 0 {
		for i := range results {
			if results[i] == nil {
				results[i] = context.Cause(ctx)
			}
		}
	}
	return results
}
