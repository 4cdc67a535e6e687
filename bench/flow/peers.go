package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	stages      = 3
	payloadSize = 1024
)

// A peer is a durable queue that takes items through the stages.
type peer struct {
	name  string
	start func(ctx context.Context, dir string, h hooks) (*line, error)
}

// hooks are called by a peer's workers.
type hooks struct {
	begin func(stage int, payload []byte) // a worker has the item
	done  func(payload []byte)            // it has left the last stage
	fail  func(err error)
}

// A line is a peer at work.
type line struct {
	offer func(payload []byte) error // durable when it returns
	stop  func()
}

// A result is of one run.
type result struct {
	hops float64 // per second
	p99  time.Duration
}

func peers(ctx context.Context, dir, pg, redis string, rounds int, each time.Duration) error {
	all := []peer{
		{"penstock, embedded", embedded},
		{"penstock, over HTTP", overHTTP},
		{"JetStream R1, sync always", jetStream(true)},
		{"JetStream R1, default (sync every 2 min)", jetStream(false)},
	}
	if pg != "" {
		all = append(all, peer{"River on PostgreSQL", river(pg)})
	}
	if redis != "" {
		all = append(all, peer{"Asynq on Redis, appendfsync always", asynqOn(redis)})
	}
	got := make([][]result, len(all))
	for r := range rounds {
		for i, p := range all {
			res, err := run(ctx, p, dir, each)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d: %s: %.0f hops/s, p99 %s\n", r+1, p.name, res.hops, ms(res.p99))
			got[i] = append(got[i], res)
		}
	}
	fmt.Println("| | hops/s | p99 of a hop |")
	fmt.Println("|---|---|---|")
	for i, p := range all {
		var hops []float64
		var p99 []time.Duration
		for _, r := range got[i] {
			hops, p99 = append(hops, r.hops), append(p99, r.p99)
		}
		fmt.Printf("| %s | %.0f | %s |\n", p.name, quantile(hops, 0.5), ms(quantile(p99, 0.5)))
	}
	return nil
}

// run keeps as many items in a line as there are workers, and notes when each is
// begun at each stage.
func run(ctx context.Context, p peer, dir string, each time.Duration) (result, error) {
	dir, err := os.MkdirTemp(dir, "flowbench")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is in a temporary folder
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu   sync.Mutex
		last = map[uint64]time.Time{}
		lat  []time.Duration
		hops atomic.Int64
		room = make(chan struct{}, workers)
	)
	l, err := p.start(ctx, dir, hooks{
		begin: func(_ int, payload []byte) {
			now, id := time.Now(), binary.LittleEndian.Uint64(payload)
			mu.Lock()
			defer mu.Unlock()
			if at, ok := last[id]; ok { // else it is handed out again
				lat = append(lat, now.Sub(at))
				last[id] = now
			}
		},
		done: func(payload []byte) {
			hops.Add(stages)
			mu.Lock()
			delete(last, binary.LittleEndian.Uint64(payload))
			mu.Unlock()
			<-room
		},
		fail: cancel,
	})
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	timeUp := time.After(each)
	var id atomic.Uint64
	var wg sync.WaitGroup
	for range workers / 4 { // who offer
		wg.Go(func() {
			for ctx.Err() == nil && time.Since(start) < each {
				select {
				case room <- struct{}{}:
				case <-ctx.Done():
					return
				case <-time.After(each):
					return
				}
				payload := make([]byte, payloadSize)
				n := id.Add(1)
				binary.LittleEndian.PutUint64(payload, n)
				mu.Lock()
				last[n] = time.Now()
				mu.Unlock()
				if err := l.offer(payload); err != nil {
					cancel(err)
				}
			}
		})
	}
	select {
	case <-timeUp:
	case <-ctx.Done():
	}
	n, took := hops.Load(), time.Since(start)
	wg.Wait()
	failed := context.Cause(ctx)
	l.stop()
	mu.Lock()
	defer mu.Unlock()
	return result{float64(n) / took.Seconds(), quantile(lat, 0.99)}, failed
}
