//go:build linux

package boltstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/storetest"
)

const benchPayload = 1024

// BenchmarkGroup moves items of 1 KiB from stage to stage, n in a commit: read the
// payload, and store a new one in the next stage. bare is bbolt alone: read, delete,
// put, and a counter. bare-append only puts, and its file grows: no use to anybody,
// but no store on bbolt can be faster. 64 is the most that as many workers can have
// in a commit, 40 about what they have. p99-ms is of commits.
//
// The wide ones move more items around than the journal holds: all that is committed
// is brought into the file, while in the others most of it is overtaken before.
func BenchmarkGroup(b *testing.B) {
	for _, n := range []int{40, 64, 100} {
		b.Run(fmt.Sprintf("n=%d/store", n), func(b *testing.B) { benchStore(b, n, groupItems) })
		b.Run(fmt.Sprintf("n=%d/bare", n), func(b *testing.B) { bare(b, n, groupItems, true) })
		b.Run(fmt.Sprintf("n=%d/bare-append", n), func(b *testing.B) { bare(b, n, groupItems, false) })
	}
	b.Run("n=100/store-wide", func(b *testing.B) { benchStore(b, 100, wideItems) })
	b.Run("n=100/bare-wide", func(b *testing.B) { bare(b, 100, wideItems, true) })
}

// How many items are moved around, or a little less: whole groups.
const (
	groupItems = 10_000
	wideItems  = 100_000
)

func benchStore(b *testing.B, n, items int) {
	s := boltstore.New(filepath.Join(b.TempDir(), "flow.db"), boltstore.Options{})
	storetest.Read(b, s)
	at := make([]flow.Change, items/n*n)
	for i := range at {
		at[i] = put(uint64(i+1), benchPayload)
	}
	for group := range slices.Chunk(at, n) {
		if err := s.Commit(b.Context(), group); err != nil {
			b.Fatal(err)
		}
	}
	moved := 0
	perGroup(b, n, func() {
		group := at[moved%len(at):][:n]
		moved += n
		for i := range group {
			if _, err := s.Payload(b.Context(), group[i].Item.No); err != nil {
				b.Fatal(err)
			}
			group[i].Op, group[i].Item.Stage = flow.OpMove, "b"
			group[i].Item.Hop++
		}
		if err := s.Commit(b.Context(), group); err != nil {
			b.Fatal(err)
		}
	})
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// perGroup measures what moves n items.
func perGroup(b *testing.B, n int, move func()) {
	b.ReportAllocs()
	var lat []time.Duration
	for b.Loop() {
		start := time.Now()
		move()
		lat = append(lat, time.Since(start))
	}
	b.ReportMetric(float64(n*len(lat))/b.Elapsed().Seconds(), "hops/s")
	b.StopTimer()
	quantiles(b, lat)
}

func bare(b *testing.B, n, items int, move bool) {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bolt.Options{
		NoFreelistSync: true, FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 28,
	})
	if err != nil {
		b.Fatal(err)
	}
	bucket := []byte("items")
	payload := make([]byte, benchPayload)
	next := uint64(0)
	step := func(old uint64) {
		err := db.Update(func(tx *bolt.Tx) error {
			bk, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			for i := range n {
				if old > 0 {
					k := binary.BigEndian.AppendUint64(nil, old+uint64(i))
					copy(payload, bk.Get(k))
					if err := bk.Delete(k); err != nil {
						return err
					}
				}
				next++
				if err := bk.Put(binary.BigEndian.AppendUint64(nil, next), slices.Clone(payload)); err != nil {
					return err
				}
			}
			return bk.Put([]byte("z count"), binary.BigEndian.AppendUint64(nil, next))
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for range items / n {
		step(0)
	}
	moved := 0
	perGroup(b, n, func() {
		if move {
			step(uint64(moved) + 1)
		} else {
			step(0)
		}
		moved += n
	})
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWorkers lets workers take items of 1 KiB from stage to stage, one at a
// time: pull, and acknowledge with a new payload, durably. All work at one stage
// until nothing is in it, and then at the next. hops/commit is how many went into
// one commit.
func BenchmarkWorkers(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) { benchWorkers(b, workers) })
	}
}

// BenchmarkSync is what the disk itself allows: append, and sync the data.
func BenchmarkSync(b *testing.B) {
	for _, kib := range []int{4, 64} {
		b.Run(fmt.Sprint("KiB=", kib), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "sync"))
			if err != nil {
				b.Fatal(err)
			}
			block := make([]byte, kib<<10)
			var lat []time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := f.Write(block); err != nil {
					b.Fatal(err)
				}
				if err := syscall.Fdatasync(int(f.Fd())); err != nil {
					b.Fatal(err)
				}
				lat = append(lat, time.Since(start))
			}
			b.StopTimer()
			quantiles(b, lat)
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func quantiles(b *testing.B, lat []time.Duration) {
	slices.Sort(lat)
	b.ReportMetric(float64(lat[len(lat)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(lat[len(lat)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkMillion starts a flow with a million items of 1 KiB that wait, and pulls
// from it. open-s is how long the start takes; B/item is what of the heap each item
// has then; p99-ms is of pulls, one item each.
func BenchmarkMillion(b *testing.B) {
	if !proof {
		b.Skip("fills a file of 1.1 GB; PENSTOCK_FULL=1 runs it, as make flow-million does")
	}
	const items = 1_000_000
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), "flow.db")
	fill(b, path, items)
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := heap()
	start := time.Now()
	e, err := engine.Open(ctx, boltstore.New(path, boltstore.Options{}), engine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	open := time.Since(start)
	each := (heap() - before) / items
	var lat []time.Duration
	for b.Loop() {
		start := time.Now()
		jobs, err := e.Pull(ctx, "f", "a", 1, 0, time.Hour)
		lat = append(lat, time.Since(start))
		if err != nil || len(jobs) != 1 || len(jobs[0].Payload) != benchPayload {
			b.Fatal(jobs, err)
		}
	}
	b.StopTimer()
	b.ReportMetric(open.Seconds(), "open-s")
	b.ReportMetric(each, "B/item")
	quantiles(b, lat)
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

// fill makes a file with items that wait, of a thousand keys.
func fill(b *testing.B, path string, items int) {
	ctx := context.Background()
	e, err := engine.Open(ctx, boltstore.New(path, boltstore.Options{}), engine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	def := flow.Definition{Name: "f", Stages: []flow.Stage{{Name: "a", WIP: flow.WIPMax}}}
	if err := e.Define(ctx, def); err != nil {
		b.Fatal(err)
	}
	offers := make([]flow.Offer, 1000)
	payload := make([]byte, benchPayload)
	for n := range items / len(offers) {
		for i := range offers {
			offers[i] = flow.Offer{ID: fmt.Sprintf("order-2026-11-22-%012d", n*len(offers)+i), Key: fmt.Sprint("tenant-", i), Payload: payload}
		}
		for _, r := range e.Offer(ctx, "f", offers...) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

// A counted store counts commits.
type counted struct {
	*boltstore.Store
	commits atomic.Int64
}

func (c *counted) Commit(ctx context.Context, changes []flow.Change) error {
	c.commits.Add(1)
	return c.Store.Commit(ctx, changes)
}

func benchWorkers(b *testing.B, workers int) {
	ctx := context.Background()
	store := &counted{Store: boltstore.New(filepath.Join(b.TempDir(), "flow.db"), boltstore.Options{})}
	e, err := engine.Open(ctx, store, engine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	def := flow.Definition{Name: "f", Remember: time.Second, RememberMax: 1000}
	for i := range flow.StagesMax {
		def.Stages = append(def.Stages, flow.Stage{Name: fmt.Sprint("s", i), WIP: 1 << 20})
	}
	if err := e.Define(ctx, def); err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, benchPayload)
	offers := make([]flow.Offer, 1000)
	for i := range offers {
		offers[i].Payload = payload
	}
	need := max(10_000, 2*b.N/len(def.Stages))
	for n := 0; n < need; n += len(offers) {
		for _, r := range e.Offer(ctx, "f", offers...) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	var stage, begun atomic.Int64
	hop := func() error {
		at := stage.Load()
		jobs, err := e.Pull(ctx, "f", def.Stages[at].Name, 1, 0, 0)
		for ; len(jobs) == 0 && err == nil; jobs, err = e.Pull(ctx, "f", def.Stages[at].Name, 1, 0, 0) {
			stage.CompareAndSwap(at, at+1)
			at = stage.Load()
		}
		if err != nil {
			return err
		}
		return e.Ack(ctx, "f", engine.Ack{Lease: jobs[0].Lease, Output: payload, Replace: true})[0].Err
	}
	lat := make([][]time.Duration, workers)
	commits := store.commits.Load()
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for begun.Add(1) <= int64(b.N) {
				start := time.Now()
				if err := hop(); err != nil {
					b.Error(err)
					return
				}
				lat[w] = append(lat[w], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(lat...)
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "hops/s")
	b.ReportMetric(float64(len(all))/float64(store.commits.Load()-commits), "hops/commit")
	quantiles(b, all)
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}
