package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
)

var stageNames = []string{"decode", "resize", "optimise", "write"}

// workers is how many each stage has: fewest where pictures come in, so that
// nothing fills until a stage is slow.
var workers = map[string]int{"decode": 1, "resize": 1, "optimise": 3, "write": 1}

// A passage is one run of all pictures through the flow.
type passage struct {
	config
	addr      string
	client    *flowclient.Client
	server    *exec.Cmd
	delivered atomic.Int64 // to the last stage
	again     atomic.Int64 // of these, to one that had written the picture
	troubles  atomic.Int64 // calls that failed, while the server was dead
	scratch   atomic.Int64 // the most files that were in the scratch folder
}

// pass sends the pictures through, makes trouble, and checks.
func pass(ctx context.Context, cfg config, im string) error {
	addr, err := freeAddress()
	if err != nil {
		return err
	}
	p := &passage{config: cfg, addr: addr, client: &flowclient.Client{URL: "http://" + addr, Flow: "thumbs"}}
	if err := p.files(); err != nil {
		return err
	}
	if err := p.serve(ctx); err != nil {
		return err
	}
	start := time.Now()
	work, done := context.WithCancel(ctx)
	var hands sync.WaitGroup
	p.work(work, &hands)
	optimiser := p.command(work, "work", "thumbs", "optimise", "--concurrency", strconv.Itoa(workers["optimise"]), "--exec", p.optimise(im))
	optimiser.Cancel = func() error { return optimiser.Process.Signal(os.Interrupt) }
	offerer := p.command(ctx, "offer", "thumbs", "--ndjson", p.path("list"))
	err = errors.Join(optimiser.Start(), offerer.Start())
	if err == nil {
		err = p.trouble(ctx)
	}
	if err == nil {
		if err = offerer.Wait(); err != nil {
			err = fmt.Errorf("penstock flow offer: %w: %s", err, offerer.Stderr)
		} else {
			p.say("%s", strings.TrimSpace(lastLine(offerer.Stderr)))
			err = p.until(ctx, "nothing is left in the flow", func(d flowapi.Description) bool { return d.Stats.Items == 0 })
		}
	}
	took := time.Since(start)
	done()
	hands.Wait()
	if optimiser.Process != nil {
		_ = optimiser.Wait() // it was interrupted
	}
	err = errors.Join(err, p.stop())
	if err != nil {
		return err
	}
	p.say("%.0f s in all, %.1f pictures a second", took.Seconds(), float64(p.pictures)/took.Seconds())
	return p.check(ctx)
}

// files writes what the server and the offer are to read.
func (p *passage) files() error {
	type stage struct {
		Name  string `json:"name"`
		WIP   int    `json:"wip"`
		Lease string `json:"lease"`
	}
	var stages []stage
	for _, s := range stageNames {
		stages = append(stages, stage{s, p.wip, "10s"})
	}
	// JSON is YAML, too.
	flow, err := json.Marshal(map[string]any{"flows": []any{map[string]any{
		"name": "thumbs", "stages": stages, "remember": "24h", "payload_max": "4MiB",
	}}})
	if err != nil {
		return err
	}
	var list bytes.Buffer
	for i := range p.pictures {
		fmt.Fprintf(&list, "{\"id\":%q,\"json\":%q}\n", name(i), file(i))
	}
	return errors.Join(os.WriteFile(p.path("flow.yaml"), flow, 0o644), os.WriteFile(p.path("list"), list.Bytes(), 0o644))
}

// command is penstock flow with arguments, its errors kept.
func (p *passage) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.penstock, append([]string{"flow"}, args...)...)
	cmd.Env = append(os.Environ(), "PENSTOCK_FLOW="+p.client.URL)
	cmd.Stderr = &bytes.Buffer{}
	return cmd
}

// serve starts the server, and waits until it answers.
func (p *passage) serve(ctx context.Context) error {
	p.server = p.command(ctx, "serve", "--config", p.path("flow.yaml"), "--data", p.path("flow.db"), "--listen", p.addr)
	if err := p.server.Start(); err != nil {
		return err
	}
	return p.until(ctx, "the server answers", func(flowapi.Description) bool { return true })
}

func (p *passage) stop() error {
	if p.server.Process == nil {
		return nil
	}
	if err := p.server.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.server.Wait(); err != nil {
		return fmt.Errorf("penstock flow serve: %w: %s", err, p.server.Stderr)
	}
	return nil
}

// work starts the workers that are Go: of all stages but optimise.
func (p *passage) work(ctx context.Context, wg *sync.WaitGroup) {
	start := func(stage string, h func(context.Context, flowapi.Job) (flowapi.Content, error)) {
		w := flowclient.Worker{
			Client: p.client, Stage: stage, Concurrency: workers[stage], Handler: h,
			Failed: func(flowapi.Job, error) { p.troubles.Add(1) },
		}
		wg.Go(func() { w.Run(ctx) })
	}
	start("decode", p.decode)
	start("resize", p.resize)
	start("write", func(ctx context.Context, j flowapi.Job) (flowapi.Content, error) {
		p.delivered.Add(1)
		again, err := p.write(ctx, j)
		if again {
			p.again.Add(1)
		}
		return flowapi.Content{JSON: []byte("null")}, err // nobody needs the picture any more
	})
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func lastLine(of any) string {
	lines := strings.Split(strings.TrimSpace(fmt.Sprint(of)), "\n")
	return lines[len(lines)-1]
}
