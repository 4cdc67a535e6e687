package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
	"github.com/penstock-go/penstock/flow/flowserver"
)

// open starts an engine with a flow of n stages.
func open(ctx context.Context, dir string, n, wip int) (*engine.Engine, error) {
	e, err := engine.Open(ctx, boltstore.New(filepath.Join(dir, "flow.db"), boltstore.Options{}), engine.Options{})
	if err != nil {
		return nil, err
	}
	def := flow.Definition{Name: "f", RememberMax: 10_000}
	for i := range n {
		def.Stages = append(def.Stages, flow.Stage{Name: stageName(i), WIP: wip})
	}
	return e, e.Define(ctx, def)
}

func stageName(i int) string { return "s" + strconv.Itoa(i) }

// crew starts workers, and returns a function that waits until they have ended.
func crew(ctx context.Context, h hooks, work func(ctx context.Context, stage int) error) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := work(ctx, w%stages); err != nil && ctx.Err() == nil {
					h.fail(err)
					return
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func embedded(ctx context.Context, dir string, h hooks) (*line, error) {
	e, err := open(ctx, dir, stages, 10*workers)
	if err != nil {
		return nil, err
	}
	stop := crew(ctx, h, func(ctx context.Context, stage int) error {
		jobs, err := e.Pull(ctx, "f", stageName(stage), 1, time.Second, 0)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			h.begin(stage, j.Payload)
			if r := e.Ack(context.WithoutCancel(ctx), "f", engine.Ack{Lease: j.Lease, Output: j.Payload, Replace: true})[0]; r.Err != nil {
				return r.Err
			}
			if stage == stages-1 {
				h.done(j.Payload)
			}
		}
		return nil
	})
	return &line{
		offer: func(p []byte) error { return e.Offer(ctx, "f", flow.Offer{Payload: p})[0].Err },
		stop:  func() { stop(); _ = e.Close() },
	}, nil
}

// serve puts a server before an engine.
func serve(e *engine.Engine) (c *flowclient.Client, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	srv := &http.Server{Handler: flowserver.New(e, flowserver.Tokens{}), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 4 * workers}
	return &flowclient.Client{URL: "http://" + l.Addr().String(), Flow: "f", HTTP: &http.Client{Transport: transport}},
		func() { transport.CloseIdleConnections(); _ = srv.Close() }, nil
}

func overHTTP(ctx context.Context, dir string, h hooks) (*line, error) {
	e, err := open(ctx, dir, stages, 10*workers)
	if err != nil {
		return nil, err
	}
	c, closeServer, err := serve(e)
	if err != nil {
		return nil, err
	}
	stop := crew(ctx, h, func(ctx context.Context, stage int) error {
		var got flowapi.PullResponse
		if err := c.Call(ctx, http.MethodPost, "/stages/"+stageName(stage)+"/pull", flowapi.PullRequest{Max: 1, Wait: flowapi.Duration(time.Second)}, &got); err != nil {
			return err
		}
		for _, j := range got.Jobs {
			h.begin(stage, j.Payload)
			done := flowapi.AckRequest{Done: []flowapi.Done{{Lease: j.Lease, Content: j.Content}}}
			if err := c.Call(context.WithoutCancel(ctx), http.MethodPost, "/ack", done, nil); err != nil {
				return err
			}
			if stage == stages-1 {
				h.done(j.Payload)
			}
		}
		return nil
	})
	return &line{
		offer: func(p []byte) error {
			_, err := c.Offer(ctx, flowapi.Item{Content: flowapi.Content{Payload: p}})
			return err
		},
		stop: func() { stop(); closeServer(); _ = e.Close() },
	}, nil
}
