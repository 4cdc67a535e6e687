package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	lib "github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// A hop is a job's arguments.
type hop struct {
	Stage   int    `json:"stage"`
	Payload []byte `json:"payload"`
}

func (hop) Kind() string { return "hop" }

type hopWorker struct {
	lib.WorkerDefaults[hop]
	pool *pgxpool.Pool
	h    hooks
}

// Work inserts the next stage's job and completes this one in one transaction.
func (w *hopWorker) Work(ctx context.Context, job *lib.Job[hop]) error {
	a := job.Args
	w.h.begin(a.Stage, a.Payload)
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if a.Stage+1 < stages {
			next := hop{a.Stage + 1, a.Payload}
			if _, err := lib.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, next, &lib.InsertOpts{Queue: stageName(next.Stage)}); err != nil {
				return err
			}
		}
		_, err := lib.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
	if err != nil {
		w.h.fail(err)
		return err
	}
	if a.Stage == stages-1 {
		w.h.done(a.Payload)
	}
	return nil
}

// river has a queue for each stage. It is set to fetch as eagerly as it allows.
func river(url string) func(context.Context, string, hooks) (*line, error) {
	return func(ctx context.Context, _ string, h hooks) (*line, error) {
		cfg, err := pgxpool.ParseConfig(url)
		if err != nil {
			return nil, err
		}
		cfg.MaxConns = workers + 16
		pool, err := pgxpool.NewWithConfig(ctx, cfg)
		if err != nil {
			return nil, err
		}
		driver := riverpgxv5.New(pool)
		m, err := rivermigrate.New(driver, nil)
		if err == nil {
			_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		}
		if err == nil {
			_, err = pool.Exec(ctx, "TRUNCATE river_job")
		}
		if err != nil {
			return nil, err
		}
		ws := lib.NewWorkers()
		lib.AddWorker(ws, &hopWorker{pool: pool, h: h})
		queues := map[string]lib.QueueConfig{}
		for i := range stages {
			queues[stageName(i)] = lib.QueueConfig{MaxWorkers: (workers + stages - 1 - i) / stages}
		}
		client, err := lib.NewClient(driver, &lib.Config{
			Queues: queues, Workers: ws, Logger: slog.New(slog.DiscardHandler),
			FetchCooldown: lib.FetchCooldownMin, FetchPollInterval: 10 * time.Millisecond,
		})
		if err == nil {
			err = client.Start(context.WithoutCancel(ctx))
		}
		if err != nil {
			return nil, err
		}
		return &line{
			offer: func(p []byte) error {
				_, err := client.Insert(ctx, hop{0, p}, &lib.InsertOpts{Queue: stageName(0)})
				return err
			},
			stop: func() {
				_ = client.Stop(context.WithoutCancel(ctx))
				pool.Close()
			},
		}, nil
	}
}
