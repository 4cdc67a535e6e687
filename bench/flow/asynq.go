package main

import (
	"context"
	"time"

	lib "github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

type quiet struct{}

func (quiet) Debug(...any) {}
func (quiet) Info(...any)  {}
func (quiet) Warn(...any)  {}
func (quiet) Error(...any) {}
func (quiet) Fatal(...any) {}

// asynqOn has a queue for each stage. A hop enqueues for the next stage, and the
// library acknowledges after the handler has returned.
func asynqOn(addr string) func(context.Context, string, hooks) (*line, error) {
	return func(ctx context.Context, _ string, h hooks) (*line, error) {
		db := redis.NewClient(&redis.Options{Addr: addr})
		defer db.Close() //nolint:errcheck // it has done what it is for
		if err := db.FlushAll(ctx).Err(); err != nil {
			return nil, err
		}
		opt := lib.RedisClientOpt{Addr: addr, PoolSize: 2 * workers}
		client := lib.NewClient(opt)
		queues := map[string]int{}
		mux := lib.NewServeMux()
		for i := range stages {
			queues[stageName(i)] = 1
			mux.HandleFunc(stageName(i), func(ctx context.Context, t *lib.Task) error {
				h.begin(i, t.Payload())
				if i == stages-1 {
					h.done(t.Payload())
					return nil
				}
				_, err := client.EnqueueContext(ctx, lib.NewTask(stageName(i+1), t.Payload()), lib.Queue(stageName(i+1)))
				if err != nil {
					h.fail(err)
				}
				return err
			})
		}
		srv := lib.NewServer(opt, lib.Config{Concurrency: workers, TaskCheckInterval: time.Millisecond, Queues: queues, Logger: quiet{}, LogLevel: lib.FatalLevel})
		if err := srv.Start(mux); err != nil {
			return nil, err
		}
		return &line{
			offer: func(p []byte) error {
				_, err := client.EnqueueContext(ctx, lib.NewTask(stageName(0), p), lib.Queue(stageName(0)))
				return err
			},
			stop: func() {
				srv.Shutdown()
				_ = client.Close()
			},
		}, nil
	}
}
