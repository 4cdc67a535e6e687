// Command tcpwindow shows demand without a protocol for it: a stream is written
// to a bare TCP connection whose reader stops and goes on again. The kernels'
// buffers fill, Write blocks, and the source of the stream stands still.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/demand"
)

func main() {
	if err := run(os.Stdout, 2*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "tcpwindow:", err)
		os.Exit(1)
	}
}

// run prints once in each phase how much the source has made and the reader read.
func run(out io.Writer, phase time.Duration) error {
	writer, reader, err := connect()
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	var made, read atomic.Int64
	done := make(chan error, 1)
	go func() { done <- send(ctx, writer, &made) }()

	buf := make([]byte, 64<<10)
	for _, reading := range []bool{true, false, true} {
		end := time.Now().Add(phase)
		for time.Now().Before(end) {
			if !reading {
				time.Sleep(phase / 10)
				continue
			}
			_ = reader.SetReadDeadline(end)
			n, _ := reader.Read(buf)
			read.Add(int64(n))
		}
		_, _ = fmt.Fprintf(out, "reading %-5v  made %8d KiB  read %8d KiB  on the way %6d KiB\n",
			reading, made.Load()>>10, read.Load()>>10, (made.Load()-read.Load())>>10)
	}
	cancel()
	_ = writer.Close() // which ends a Write that blocks
	if err := <-done; err == nil {
		return errors.New("a cancelled stream ended well")
	}
	return nil
}

// send writes an endless stream of blocks to the connection.
func send(ctx context.Context, conn net.Conn, made *atomic.Int64) error {
	block := make([]byte, 16<<10)
	source := demand.Func(func(context.Context) ([]byte, error) {
		made.Add(int64(len(block)))
		return block, nil
	})
	return source.Async(demand.Window(4)).Each(ctx, func(b []byte) error {
		_, err := conn.Write(b)
		return err
	})
}

// connect returns both ends of a connection over the loopback interface.
func connect() (a, b net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = l.Close() }()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	b, err = l.Accept()
	return a, b, err
}
