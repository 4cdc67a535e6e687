package flowserver_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
	"github.com/penstock-go/penstock/flow/flowserver"
)

// BenchmarkHops sends items through three stages over HTTP, with the client in the
// same process: a hop is an item pulled and acknowledged, durably. batch is how
// many items one request carries. PENSTOCK_BENCH_DIR says where the file is; the
// default is a temporary folder.
func BenchmarkHops(b *testing.B) {
	for _, batch := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) { hops(b, batch) })
	}
}

// crowd is how many workers each stage has, and how many offer.
const crowd = 8

func hops(b *testing.B, batch int) {
	dir := os.Getenv("PENSTOCK_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	file := filepath.Join(dir, fmt.Sprintf("hops-%d.db", os.Getpid()))
	defer os.Remove(file) //nolint:errcheck // of a benchmark
	c, stop := benchServer(b, file)
	ctx, cancel := context.WithCancel(b.Context())
	var done atomic.Int64
	finished := make(chan struct{})
	var wg sync.WaitGroup
	for _, stage := range []string{"a", "b", "c"} {
		for range crowd {
			wg.Go(func() {
				for ctx.Err() == nil {
					jobs, err := c.Pull(ctx, stage, batch, 30*time.Second)
					if err != nil || len(jobs) == 0 {
						continue
					}
					acks := make([]flowapi.Done, len(jobs))
					for i := range jobs {
						acks[i].Lease = jobs[i].Lease
					}
					if _, err := c.AckAll(ctx, acks...); err != nil {
						continue // the end has come
					}
					if n := done.Add(int64(len(jobs))); n >= int64(b.N) && n-int64(len(jobs)) < int64(b.N) {
						close(finished)
					}
				}
			})
		}
	}
	items := make([]flowapi.Item, batch)
	for i := range items {
		items[i].JSON = []byte(`{"order":"` + strings.Repeat("7", 80) + `"}`)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range crowd {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = c.Offer(ctx, items...) // fails only at the end
			}
		})
	}
	<-finished
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hops/s")
	cancel()
	wg.Wait()
	stop()
}

func benchServer(b *testing.B, file string) (*flowclient.Client, func()) {
	e, err := engine.Open(b.Context(), boltstore.New(file, boltstore.Options{}), engine.Options{Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	def := flow.Definition{Name: "f"}
	for _, s := range []string{"a", "b", "c"} {
		def.Stages = append(def.Stages, flow.Stage{Name: s, WIP: 10_000})
	}
	if err := e.Define(b.Context(), def); err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := flowserver.New(e, flowserver.Tokens{})
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, nil) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 1000}
	c := &flowclient.Client{URL: "http://" + ln.Addr().String(), Flow: "f", HTTP: &http.Client{Transport: transport}}
	return c, func() {
		transport.CloseIdleConnections()
		end()
		if err := <-served; err != nil {
			b.Error(err)
		}
		s.Close()
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	}
}
