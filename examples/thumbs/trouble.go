package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/flowapi"
)

// look is how often the flow is looked at.
const look = 20 * time.Millisecond

// until looks until what is wanted is so. A server that does not answer is asked
// again.
func (p *passage) until(ctx context.Context, what string, so func(flowapi.Description) bool) error {
	var last error
	for end := time.Now().Add(time.Hour); time.Now().Before(end); {
		d, err := p.client.Describe(ctx)
		if err == nil && so(d) {
			return nil
		}
		last = err
		if files, err := os.ReadDir(p.path("raw")); err == nil {
			p.scratch.Store(max(p.scratch.Load(), int64(len(files))))
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s: not within an hour: %w", what, last)
}

// written is how many pictures are done.
func (p *passage) written() int { return int(p.delivered.Load() - p.again.Load()) }

func (p *passage) untilWritten(ctx context.Context, n int) error {
	return p.until(ctx, fmt.Sprintf("%d pictures are written", n), func(flowapi.Description) bool { return p.written() >= n })
}

// trouble makes a stage slow, and fast again, and kills the server.
func (p *passage) trouble(ctx context.Context) error {
	if err := p.untilWritten(ctx, p.pictures/4); err != nil {
		return err
	}
	if err := p.slowDown(ctx); err != nil {
		return err
	}
	if err := p.untilWritten(ctx, p.pictures*6/10); err != nil {
		return err
	}
	if err := p.server.Process.Kill(); err != nil { // SIGKILL
		return err
	}
	_ = p.server.Wait() // it was killed
	dead := time.Now()
	n := p.written()
	if err := p.serve(ctx); err != nil {
		return err
	}
	p.say("\nkill -9 of the server after %d pictures; it answers again after %d ms", n, time.Since(dead).Milliseconds())
	if err := p.untilWritten(ctx, n+1); err != nil {
		return err
	}
	p.say("the next picture is written %d ms after the kill", time.Since(dead).Milliseconds())
	return nil
}

// slowDown makes optimise ten times slower and follows the blockage.
func (p *passage) slowDown(ctx context.Context) error {
	if err := os.WriteFile(p.path("slow"), nil, 0o644); err != nil {
		return err
	}
	start := time.Now()
	p.say("\noptimise is ten times slower from now on (%d pictures are done)", p.written())
	full := map[string]bool{}
	var refused uint64
	err := p.until(ctx, "the entrance is full", func(d flowapi.Description) bool {
		if refused == 0 {
			refused = max(d.Stats.Counts.Refused, 1)
		}
		// From the slow stage upstream: that is the way it goes.
		for i := len(stageNames) - 2; i >= 0; i-- {
			s := d.Stats.Stages[i]
			if full[s.Stage] {
				continue
			}
			if !stuck(s, i) {
				break // what is upstream of it is full for reasons of its own
			}
			full[s.Stage] = true
			p.say("%7d ms  %s is full%s", time.Since(start).Milliseconds(), s.Stage, blockedToo(s))
		}
		return len(full) == len(stageNames)-1 && d.Stats.Level >= 1 && d.Stats.Counts.Refused > refused
	})
	if err != nil {
		return err
	}
	p.say("%7d ms  the entrance refuses\n", time.Since(start).Milliseconds())
	if err := p.status(ctx); err != nil {
		return err
	}
	before, since := p.written(), time.Now()
	select {
	case <-time.After(p.slowFor):
	case <-ctx.Done():
		return ctx.Err()
	}
	slow := float64(p.written()-before) / time.Since(since).Seconds()
	if err := os.Remove(p.path("slow")); err != nil {
		return err
	}
	since = time.Now()
	err = p.until(ctx, "the blockage is gone", func(d flowapi.Description) bool {
		return d.Stats.Stages[0].Blocked == 0 && d.Stats.Stages[1].Blocked == 0
	})
	p.say("as fast as before: the blockage is gone after %d ms; while it lasted %.1f pictures a second were written", time.Since(since).Milliseconds(), slow)
	return err
}

// stuck reports whether a stage is full because of what comes after it: the slow
// one by what waits in it, the others by what is finished and cannot leave.
func stuck(s flow.StageStats, i int) bool {
	return s.Used >= s.Limit && (i == len(stageNames)-2 || s.Blocked > 0)
}

func blockedToo(s flow.StageStats) string {
	if s.Blocked == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of its items finished and blocked", s.Blocked)
}

// status shows what penstock flow status says.
func (p *passage) status(ctx context.Context) error {
	cmd := p.command(ctx, "status", "thumbs")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("penstock flow status: %w: %s", err, cmd.Stderr)
	}
	for line := range strings.Lines(string(out)) {
		p.say("    %s", strings.TrimRight(line, " \n"))
	}
	return nil
}
