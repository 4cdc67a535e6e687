package main

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// jetStream is a server in this process, over TCP, with a stream for each stage. A
// hop publishes to the next stream, and then acknowledges, both confirmed.
func jetStream(syncAlways bool) func(context.Context, string, hooks) (*line, error) {
	return func(ctx context.Context, dir string, h hooks) (*line, error) {
		srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, SyncAlways: syncAlways, NoLog: true, NoSigs: true})
		if err != nil {
			return nil, err
		}
		srv.Start()
		if !srv.ReadyForConnections(10 * time.Second) {
			return nil, errors.New("the server does not start")
		}
		nc, err := nats.Connect(srv.ClientURL())
		if err != nil {
			return nil, err
		}
		js, err := jetstream.New(nc)
		if err != nil {
			return nil, err
		}
		var iters []jetstream.MessagesContext
		var wg sync.WaitGroup
		for stage := range stages {
			name := "s" + strconv.Itoa(stage)
			stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}, Retention: jetstream.WorkQueuePolicy})
			if err != nil {
				return nil, err
			}
			cons, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "w", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10 * workers})
			if err != nil {
				return nil, err
			}
			for range (workers + stages - 1 - stage) / stages {
				it, err := cons.Messages(jetstream.PullMaxMessages(1))
				if err != nil {
					return nil, err
				}
				iters = append(iters, it)
				wg.Go(func() { natsWork(context.WithoutCancel(ctx), js, it, stage, h) })
			}
		}
		return &line{
			offer: func(p []byte) error {
				_, err := js.Publish(ctx, "s0", p)
				return err
			},
			stop: func() {
				for _, it := range iters {
					it.Stop()
				}
				wg.Wait()
				nc.Close()
				srv.Shutdown()
				srv.WaitForShutdown()
			},
		}, nil
	}
}

func natsWork(ctx context.Context, js jetstream.JetStream, it jetstream.MessagesContext, stage int, h hooks) {
	for {
		m, err := it.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return
		}
		if err == nil {
			h.begin(stage, m.Data())
			if stage+1 < stages {
				_, err = js.Publish(ctx, "s"+strconv.Itoa(stage+1), m.Data())
			}
		}
		if err == nil {
			err = m.DoubleAck(ctx)
		}
		if err != nil {
			h.fail(err)
			return
		}
		if stage == stages-1 {
			h.done(m.Data())
		}
	}
}
