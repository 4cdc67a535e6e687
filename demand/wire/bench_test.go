package wire_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/demand/wire"
)

// BenchmarkTCP sends items of 8 bytes over the loopback interface.
func BenchmarkTCP(b *testing.B) {
	b.ReportAllocs()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer func() { _ = conn.Close() }()
		n := b.N
		source := demand.From(func(yield func(string) bool) {
			for range n {
				if !yield("12345678") {
					return
				}
			}
		})
		done <- wire.Send(b.Context(), conn, source, demand.Text{})
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for _, err := range wire.Receive(conn, demand.Text{}, wire.Config{Window: 16 << 10}).All(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := <-done; err != nil || n != b.N {
		b.Fatal(n, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mitems/s")
}

// BenchmarkIdle measures what a sender holds that has nothing to do: the heap, and
// the stacks. Its receiver has never asked, or has got the one item it asked for.
func BenchmarkIdle(b *testing.B) {
	const streams = 2000
	for name, grant := range map[string][]byte{"never asked": nil, "asked": grantOf(1)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				var all, sent sync.WaitGroup
				conns := make([]*quiet, streams)
				for i := range conns {
					conns[i] = &quiet{closed: make(chan struct{}), in: bytes.NewReader(grant)}
					if grant != nil {
						sent.Add(1)
						conns[i].wrote = sync.OnceFunc(sent.Done)
					}
					all.Go(func() { _ = wire.Send(b.Context(), conns[i], words(9), demand.Text{}) })
				}
				sent.Wait()
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/streams, "heap-B/stream")
				b.ReportMetric(float64(int64(after.StackInuse)-int64(before.StackInuse))/streams, "stack-B/stream")
				for _, c := range conns {
					_ = c.Close()
				}
				all.Wait()
			}
		})
	}
}

// grantOf is the frame that grants n items.
func grantOf(n uint64) []byte {
	frame := binary.BigEndian.AppendUint64([]byte{1, 0, 0, 0, 12}, n)
	return append(frame, 0, 0, 0, 0)
}
