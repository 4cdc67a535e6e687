package main

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/pressure"
)

// The service answers a list of clients with a list of countries. It takes
// serviceTime for each call, and says that it is full from serviceLimit calls at
// once on.
const (
	serviceTime  = 20 * time.Millisecond
	serviceLimit = 6
)

func serve() (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	var inside atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := inside.Add(1)
		defer inside.Add(-1)
		clients, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		time.Sleep(serviceTime)
		level := pressure.Signal{Level: min(float64(n)/serviceLimit, 1)}
		w.Header().Set("Penstock-Pressure", string(pressure.AppendHeader(nil, level)))
		for client := range bytes.Lines(clients) {
			h := fnv.New32a()
			_, _ = h.Write(bytes.TrimSpace(client))
			_, _ = fmt.Fprintf(w, "C%d\n", h.Sum32()%200)
		}
	})}
	go func() { _ = server.Serve(l) }()
	return "http://" + l.Addr().String(), func() { _ = server.Close() }, nil
}

// enrich asks the service for the countries of a batch, and tells the pace how
// full it is.
func enrich(client *http.Client, url string, pace *demand.Pace) func(context.Context, []entry) ([]entry, error) {
	return func(ctx context.Context, batch []entry) ([]entry, error) {
		var ask strings.Builder
		for i := range batch {
			ask.WriteString(batch[i].client)
			ask.WriteByte('\n')
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(ask.String()))
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }() // it was only read
		if signal, ok := pressure.Parse(resp.Header.Get("Penstock-Pressure")); ok {
			pace.Observe(signal.Level)
		}
		answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return nil, err
		}
		countries := strings.Fields(string(answer))
		if resp.StatusCode != http.StatusOK || len(countries) != len(batch) {
			return nil, fmt.Errorf("the service answers %s with %d of %d", resp.Status, len(countries), len(batch))
		}
		for i := range batch {
			batch[i].country = countries[i]
		}
		return batch, nil
	}
}
