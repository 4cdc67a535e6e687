package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
)

const (
	line5 = 5 // stages of the line that fills
	wip   = 4
	tries = 200
)

// pressure measures, through a server and its client, how soon the entrance knows.
func pressure(ctx context.Context, dir string) error {
	dir, err := os.MkdirTemp(dir, "flowbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is in a temporary folder
	e, err := open(ctx, dir, line5, wip)
	if err != nil {
		return err
	}
	defer e.Close() //nolint:errcheck // nothing of it is kept
	c, stop, err := serve(e)
	if err != nil {
		return err
	}
	defer stop()
	p := &prober{ctx: ctx, c: c}
	fmt.Println("| | p50 | p99 | most |")
	fmt.Println("|---|---|---|---|")
	if err := p.wakes(); err != nil {
		return err
	}
	return p.fullness()
}

type prober struct {
	ctx  context.Context
	c    *flowclient.Client
	held []string // leases in the last stage
}

func show(name string, d []time.Duration) {
	fmt.Printf("| %s | %s | %s | %s |\n", name, ms(quantile(d, 0.5)), ms(quantile(d, 0.99)), ms(quantile(d, 1)))
}

func (p *prober) pull(stage int, wait time.Duration) ([]flowapi.Job, error) {
	var got flowapi.PullResponse
	err := p.c.Call(p.ctx, http.MethodPost, "/stages/"+stageName(stage)+"/pull",
		flowapi.PullRequest{Max: 1, Wait: flowapi.Duration(wait), Lease: flowapi.Duration(time.Hour)}, &got)
	return got.Jobs, err
}

func (p *prober) offer() error {
	return p.c.Call(p.ctx, http.MethodPost, "/offer", flowapi.OfferRequest{Items: []flowapi.Item{{Content: flowapi.Content{Payload: make([]byte, payloadSize)}}}}, nil)
}

func (p *prober) ack(lease string) error {
	return p.c.Call(p.ctx, http.MethodPost, "/ack", flowapi.AckRequest{Done: []flowapi.Done{{Lease: lease}}}, nil)
}

// settle lets everything that can move do so, until the line is as blocked as it
// can be: what is in the last stage is held.
func (p *prober) settle() error {
	for moved := true; moved; {
		moved = false
		for stage := range line5 {
			jobs, err := p.pull(stage, 0)
			if err != nil {
				return err
			}
			for _, j := range jobs {
				moved = true
				if stage == line5-1 {
					p.held = append(p.held, j.Lease)
				} else if err := p.ack(j.Lease); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// wakes measures until an idle worker has an item.
func (p *prober) wakes() error {
	var woke, whole []time.Duration
	for range tries {
		type got struct {
			jobs []flowapi.Job
			err  error
			at   time.Time
		}
		idle := make(chan got, 1)
		go func() {
			jobs, err := p.pull(0, time.Minute)
			idle <- got{jobs, err, time.Now()}
		}()
		time.Sleep(5 * time.Millisecond) // so that the worker waits
		start := time.Now()
		if err := p.offer(); err != nil {
			return err
		}
		stored := time.Now()
		g := <-idle
		if g.err != nil || len(g.jobs) != 1 {
			return fmt.Errorf("an idle worker got %v, %w", g.jobs, g.err)
		}
		woke, whole = append(woke, max(g.at.Sub(stored), 0)), append(whole, g.at.Sub(start))
		if err := p.ack(g.jobs[0].Lease); err != nil {
			return err
		}
		if err := p.settle(); err != nil {
			return err
		}
		if err := p.ack(p.held[0]); err != nil {
			return err
		}
		p.held = p.held[1:]
	}
	show("an offer is answered, until an idle worker has the item", woke)
	show("an offer is sent, until an idle worker has the item", whole)
	return nil
}

// until offers until the answer is yes, or no.
func (p *prober) until(yes bool) error {
	for {
		err := p.offer()
		if _, refused := errors.AsType[*penstock.RejectedError](err); err != nil && !refused {
			return err
		}
		if yes == (err == nil) {
			return nil
		}
	}
}

// fullness measures in a line that is full and blocked from its end: how soon a
// slot freed there lets one in at the entrance, and how soon the entrance, full
// again, says so.
func (p *prober) fullness() error {
	for range line5 * wip {
		if err := errors.Join(p.offer(), p.settle()); err != nil {
			return err
		}
	}
	var sent, answered, full []time.Duration
	for range tries {
		start := time.Now()
		if err := p.ack(p.held[0]); err != nil {
			return err
		}
		p.held = p.held[1:]
		freed := time.Now()
		if err := p.until(true); err != nil {
			return err
		}
		in := time.Now()
		if err := p.until(false); err != nil {
			return err
		}
		sent, answered, full = append(sent, in.Sub(start)), append(answered, in.Sub(freed)), append(full, time.Since(in))
		if err := p.settle(); err != nil {
			return err
		}
	}
	show("the last slot of a full line is acknowledged, until one is admitted at the entrance", sent)
	show("the same, from the acknowledgement's answer", answered)
	show("the last of five stages is full, until the entrance has refused", full)
	return nil
}
