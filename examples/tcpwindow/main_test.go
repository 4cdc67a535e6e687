package main

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
)

// TestReaderStops: the source stands still while nobody reads, and nothing is
// lost.
func TestReaderStops(t *testing.T) {
	writer, reader, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var made atomic.Int64
	done := make(chan error, 1)
	go func() { done <- send(ctx, writer, &made) }()
	// Whatever the kernels buffer: once twice as much has been read, as much has
	// been made anew, and no more than that and the windows is on the way.
	const most = 64 << 20
	n, err := io.CopyN(io.Discard, reader, 2*most)
	if err != nil || n != 2*most {
		t.Fatal(n, err)
	}
	if ahead := made.Load() - n; ahead > most {
		t.Errorf("%d bytes on the way", ahead)
	}
	cancel()
	_ = writer.Close()
	_ = reader.Close()
	if err := <-done; err == nil {
		t.Error("a cancelled stream ended well")
	}
}
