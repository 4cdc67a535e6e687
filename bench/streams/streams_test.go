// Package streams measures items through three stages, side by side: this
// module's streams, plain channels, and what others offer. Every stage adds one;
// every benchmark checks the sum.
package streams

import (
	"context"
	"strconv"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"
	"github.com/samber/ro"

	"github.com/penstock-go/penstock/demand"
)

func inc(n int) int { return n + 1 }

// report ends a benchmark: n items have been through, and sum to sum.
func report(b *testing.B, n, sum int) {
	b.Helper()
	if want := n*(n-1)/2 + 3*n; sum != want {
		b.Fatalf("the sum of %d items is %d, want %d", n, sum, want)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mitems/s")
}

func numbers(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func add(b *testing.B, s demand.Stream[int]) (sum int) {
	b.Helper()
	for v, err := range s.All(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		sum += v
	}
	return sum
}

// BenchmarkBare is three closures in a row, without anything around them: the
// ceiling for any push stream.
func BenchmarkBare(b *testing.B) {
	b.ReportAllocs()
	n, sum := b.N, 0
	s := bare(bare(bare(numbers(n))))
	s(func(v int) bool { sum += v; return true })
	report(b, n, sum)
}

//go:noinline
func bare(s func(func(int) bool)) func(func(int) bool) {
	f := inc
	return func(push func(int) bool) { s(func(v int) bool { return push(f(v)) }) }
}

func fused(n int) demand.Stream[int] {
	s := demand.From(numbers(n))
	for range 3 {
		s = demand.Map(s, inc)
	}
	return s
}

// BenchmarkFused has the loop over All as its sink, of which the compiler's check
// of the loop's state is a part.
func BenchmarkFused(b *testing.B) {
	b.ReportAllocs()
	report(b, b.N, add(b, fused(b.N)))
}

// BenchmarkFusedEach has a function as its sink, as BenchmarkBare does.
func BenchmarkFusedEach(b *testing.B) {
	b.ReportAllocs()
	sum := 0
	if err := fused(b.N).Each(b.Context(), func(v int) error { sum += v; return nil }); err != nil {
		b.Fatal(err)
	}
	report(b, b.N, sum)
}

func BenchmarkAsync(b *testing.B) {
	for _, window := range []int64{256, 1024, 4096} {
		b.Run("window="+strconv.FormatInt(window, 10), func(b *testing.B) {
			b.ReportAllocs()
			s := demand.From(numbers(b.N))
			for range 3 {
				s = demand.Map(s, inc).Async(demand.Window(window))
			}
			report(b, b.N, add(b, s))
		})
	}
}

// channels is a goroutine for each stage.
func channels(b *testing.B, stage func(in <-chan int, out chan<- int)) {
	b.ReportAllocs()
	source := make(chan int, 256)
	n := b.N
	go func() {
		defer close(source)
		for i := range n {
			source <- i
		}
	}()
	in := source
	for range 3 {
		out := make(chan int, 256)
		go func(in <-chan int) {
			defer close(out)
			stage(in, out)
		}(in)
		in = out
	}
	sum := 0
	for v := range in {
		sum += v
	}
	report(b, n, sum)
}

func BenchmarkChannels(b *testing.B) {
	channels(b, func(in <-chan int, out chan<- int) {
		for v := range in {
			out <- inc(v)
		}
	})
}

func BenchmarkChannelsSelect(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	channels(b, func(in <-chan int, out chan<- int) {
		for {
			select {
			case v, ok := <-in:
				if !ok {
					return
				}
				select {
				case out <- inc(v):
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
}

func BenchmarkRo(b *testing.B) {
	b.ReportAllocs()
	n, sum := b.N, 0
	s := ro.Pipe3(ro.Range(0, int64(n)),
		ro.Map(func(v int64) int64 { return v + 1 }),
		ro.Map(func(v int64) int64 { return v + 1 }),
		ro.Map(func(v int64) int64 { return v + 1 }))
	s.Subscribe(ro.OnNext(func(v int64) { sum += int(v) }))
	report(b, n, sum)
}

func BenchmarkGoStreams(b *testing.B) {
	b.ReportAllocs()
	in := make(chan any, 256)
	n := b.N
	go func() {
		for i := range n {
			in <- i
		}
		close(in)
	}()
	out := make(chan any, 256)
	stage := func() *flow.Map[int, int] { return flow.NewMap(inc, 1) }
	go extension.NewChanSource(in).Via(stage()).Via(stage()).Via(stage()).To(extension.NewChanSink(out))
	sum := 0
	for v := range out {
		sum += v.(int)
	}
	report(b, n, sum)
}

func BenchmarkWatermill(b *testing.B) {
	if b.N > 100_000 {
		b.Skip("at 0.2 ms for an item this would take long: use -bench Watermill -benchtime 30000x")
	}
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	bus := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 256}, watermill.NopLogger{})
	defer func() { _ = bus.Close() }()
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 3 {
		router.AddHandler("stage"+strconv.Itoa(i), "t"+strconv.Itoa(i), bus, "t"+strconv.Itoa(i+1), bus,
			func(m *message.Message) ([]*message.Message, error) {
				v, err := strconv.Atoi(string(m.Payload))
				return message.Messages{message.NewMessage(m.UUID, strconv.AppendInt(nil, int64(inc(v)), 10))}, err
			})
	}
	results, err := bus.Subscribe(ctx, "t3")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = router.Run(ctx) }()
	<-router.Running()
	n := b.N
	b.ResetTimer()
	go func() {
		for i := range n {
			_ = bus.Publish("t0", message.NewMessage("", strconv.AppendInt(nil, int64(i), 10)))
		}
	}()
	sum := 0
	for range n {
		m := <-results
		v, _ := strconv.Atoi(string(m.Payload))
		sum += v
		m.Ack()
	}
	report(b, n, sum)
}
