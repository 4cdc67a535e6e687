package boltstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/storetest"
)

const benchPayload = 1024

// BenchmarkGroup100 moves items of 1 KiB from stage to stage, 100 in a commit:
// read the payload, and store a new one in the next stage. bare is bbolt alone:
// read, delete, put, and a counter.
func BenchmarkGroup100(b *testing.B) {
	b.Run("store", func(b *testing.B) {
		s := boltstore.New(filepath.Join(b.TempDir(), "flow.db"), boltstore.Options{})
		storetest.Read(b, s)
		const items = 10_000
		at := make([]flow.Change, items)
		for i := range at {
			at[i] = put(uint64(i+1), benchPayload)
		}
		for group := range slices.Chunk(at, 100) {
			if err := s.Commit(b.Context(), group); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			group := at[n%items:][:100]
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
			n += 100
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "hops/s")
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("bare", bare)
}

func bare(b *testing.B) {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bolt.Options{
		NoFreelistSync: true, FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 28,
	})
	if err != nil {
		b.Fatal(err)
	}
	const items = 10_000
	bucket := []byte("items")
	payload := make([]byte, benchPayload)
	next := uint64(0)
	step := func(n int, old uint64) {
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
	for range items / 100 {
		step(100, 0)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		step(100, uint64(n)+1)
		n += 100
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "hops/s")
	b.StopTimer()
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWorkers lets workers take items of 1 KiB from stage to stage, one at a
// time: pull, and acknowledge with a new payload, durably. The flow is as long as
// may be, so that few items make many hops.
func BenchmarkWorkers(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) { benchWorkers(b, workers) })
	}
}

func benchWorkers(b *testing.B, workers int) {
	ctx := context.Background()
	e, err := engine.Open(ctx, boltstore.New(filepath.Join(b.TempDir(), "flow.db"), boltstore.Options{}), engine.Options{})
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
	need := b.N/(len(def.Stages)-1) + 2*workers
	for n := 0; n < need; n += len(offers) {
		for _, r := range e.Offer(ctx, "f", offers...) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	lat := make([][]time.Duration, workers)
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			stage := 0
			for range (b.N + workers - 1) / workers {
				var jobs []engine.Job
				start := time.Now()
				for len(jobs) == 0 {
					if jobs, err = e.Pull(ctx, "f", def.Stages[stage].Name, 1, 0, 0); err != nil {
						b.Error(err)
						return
					}
					if len(jobs) == 0 {
						stage = (stage + 1) % (len(def.Stages) - 1)
					}
				}
				r := e.Ack(ctx, "f", engine.Ack{Lease: jobs[0].Lease, Output: payload, Replace: true})
				if r[0].Err != nil {
					b.Error(r[0].Err)
					return
				}
				lat[w] = append(lat[w], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(lat...)
	slices.Sort(all)
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "hops/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}
