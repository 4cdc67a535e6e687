package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/pressure"
)

type config struct {
	in, db   string
	stop     time.Duration
	stopped  func() // called when the sink has stopped; nil: nobody wants to know
	progress io.Writer
}

// A result counts.
type result struct {
	lines, bytes, rows int64
}

const (
	batchLines = 1000
	atOnce     = 8 // calls of the service
)

func run(ctx context.Context, cfg config) (r result, err error) {
	url, stop, err := serve()
	if err != nil {
		return r, err
	}
	defer stop()
	file, err := os.Open(cfg.in)
	if err != nil {
		return r, err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return r, err
	}
	db, err := create(ctx, cfg.db)
	if err != nil {
		return r, err
	}
	defer func() { _ = db.Close() }() // every batch was committed

	var lines, bytes atomic.Int64
	var monitor demand.Monitor
	if cfg.progress != nil {
		defer progress(cfg.progress, &bytes, info.Size(), &monitor)()
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	defer client.CloseIdleConnections()
	pace := demand.NewPace(pressure.PacerConfig{Least: 5, Most: 2000, Start: 100}) // batches per second

	read := demand.Lines(file, 4096).Tap(func(line string) {
		lines.Add(1)
		bytes.Add(int64(len(line)) + 1)
	}).Named("read")
	parsed := demand.TryMap(read, parse).Named("parse")
	batches := demand.Batch(parsed, demand.BatchConfig[entry]{Count: batchLines, Within: time.Second})
	enriched := demand.MapN(batches.ThrottleBy(pace), atOnce,
		demand.Retrying(enrich(client, url, pace), demand.RetryConfig{}),
		demand.InOrder(demand.Unordered)).Named("enrich")

	half := info.Size() / 2
	err = enriched.Async(demand.Window(2)).Named("write").Each(monitor.Watch(ctx), func(batch []entry) error {
		if cfg.stop > 0 && bytes.Load() > half {
			if cfg.stopped != nil {
				cfg.stopped()
			}
			time.Sleep(cfg.stop)
			cfg.stop = 0
		}
		return insert(ctx, db, batch)
	})
	if err != nil {
		return r, err
	}
	r = result{lines: lines.Load(), bytes: bytes.Load()}
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM log").Scan(&r.rows)
	return r, err
}

// create makes the database anew.
func create(ctx context.Context, name string) (*sql.DB, error) {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(name + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	db, err := sql.Open("sqlite", name+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=cache_size(-8000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "CREATE TABLE log (second INTEGER, client TEXT, path TEXT, status INTEGER, bytes INTEGER, country TEXT)")
	return db, errors.Join(err)
}

// rowsAtOnce is how many rows one statement inserts: six values each, of at most
// 999 that every SQLite takes.
const rowsAtOnce = 100

// insert writes a batch in one transaction.
func insert(ctx context.Context, db *sql.DB, batch []entry) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	for len(batch) > 0 {
		part := batch[:min(rowsAtOnce, len(batch))]
		batch = batch[len(part):]
		values := strings.Repeat("(?,?,?,?,?,?),", len(part))
		args := make([]any, 0, 6*len(part))
		for i := range part {
			e := &part[i]
			args = append(args, e.second, e.client, e.path, e.status, e.bytes, e.country)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO log VALUES "+values[:len(values)-1], args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// progress draws a bar each second, and says which stage does what.
func progress(out io.Writer, bytes *atomic.Int64, all int64, m *demand.Monitor) (stop func()) {
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-done:
				_, _ = fmt.Fprintln(out)
				return
			}
			part := float64(bytes.Load()) / float64(max(all, 1))
			n := min(int(part*30), 30)
			_, _ = fmt.Fprintf(out, "\r[%s%s] %3.0f %%  %4d MiB", strings.Repeat("#", n), strings.Repeat(".", 30-n), 100*part, resident())
			for _, s := range m.Snapshot().Stages {
				if !strings.Contains(s.Name, "/") {
					_, _ = fmt.Fprintf(out, "  %s: busy %.0f %%", s.Name, 100*s.Busy)
				}
			}
		}
	}()
	return func() { close(done); <-gone }
}

// resident is the most memory that this process has had resident, in MiB, or 0
// where the system does not say.
func resident() int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kib int
			_, _ = fmt.Sscan(rest, &kib)
			return kib >> 10
		}
	}
	return 0
}
