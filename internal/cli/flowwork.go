package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
)

// offerBatch is how many items one request offers.
const offerBatch = 100

// maxOfferLine bounds a line, in bytes.
const maxOfferLine = 16 << 20

func flowOfferCommand() *cobra.Command {
	var f flowClient
	var ndjson bool
	var prefix string
	cmd := &cobra.Command{
		Use:   "offer FLOW [FILE...]",
		Short: "Offer items, one a line, as fast as the flow takes them",
		Long: `Offer the lines of files, or of the standard input, as items. When the flow is
full, this waits as long as it is told to, and goes on where it stopped. With --ids
the items have ids, so that the same command again offers nothing twice.

With --ndjson each line is an item of the API, such as
  {"id":"order-7","key":"customer-3","json":{"total":12}}`,
		Example: "  seq 100 | penstock flow offer orders --ids numbers",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client(args[0])
			if err != nil {
				return err
			}
			o := offering{client: c, ndjson: ndjson, prefix: prefix, counts: map[string]int{}}
			if len(args) == 1 {
				err = o.lines(cmd.Context(), "standard input", cmd.InOrStdin())
			}
			for _, name := range args[1:] {
				if err != nil {
					break
				}
				err = o.file(cmd.Context(), name)
			}
			var words []string
			for _, w := range []string{"accepted", "conflated", "duplicate", "failed"} {
				if n := o.counts[w]; n > 0 {
					words = append(words, fmt.Sprintf("%d %s", n, w))
				}
			}
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "offered %d: %s\n", o.n, strings.Join(words, ", "))
			return errors.Join(err, o.first)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&ndjson, "ndjson", false, "each line is an item in JSON")
	cmd.Flags().StringVar(&prefix, "ids", "", "give each line the id PREFIX-NUMBER")
	return cmd
}

type offering struct {
	client *flowclient.Client
	ndjson bool
	prefix string
	n      int
	counts map[string]int
	first  error // the first item's that failed
}

func (o *offering) file(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return o.lines(ctx, name, f)
}

func (o *offering) lines(ctx context.Context, name string, r io.Reader) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxOfferLine)
	var batch []flowapi.Item
	for line := 1; in.Scan(); line++ {
		o.n++
		it := flowapi.Item{Content: flowapi.Content{Payload: bytes.Clone(in.Bytes())}}
		if o.ndjson {
			it = flowapi.Item{}
			d := json.NewDecoder(bytes.NewReader(in.Bytes()))
			d.DisallowUnknownFields()
			if err := d.Decode(&it); err != nil {
				return usage(fmt.Errorf("%s:%d: %w", name, line, err))
			}
		}
		if o.prefix != "" {
			it.ID = fmt.Sprintf("%s-%d", o.prefix, o.n)
		}
		if batch = append(batch, it); len(batch) == offerBatch {
			if err := o.send(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(batch) == 0 {
		return nil
	}
	return o.send(ctx, batch)
}

func (o *offering) send(ctx context.Context, batch []flowapi.Item) error {
	rs, err := o.client.Offer(ctx, batch...)
	for _, r := range rs {
		switch {
		case r.Error != "":
			o.counts["failed"]++
			if o.first == nil {
				o.first = errors.New(r.Error)
			}
		case r.Outcome != "":
			o.counts[r.Outcome]++
		}
	}
	return err
}

func flowPullCommand() *cobra.Command {
	var f flowClient
	var n int
	var wait time.Duration
	cmd := &cobra.Command{
		Use:     "pull FLOW STAGE",
		Short:   "Take jobs of a stage, and print them as JSON, one a line",
		Example: "  penstock flow pull orders pack --wait 10s",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client(args[0])
			if err != nil {
				return err
			}
			jobs, err := c.Pull(cmd.Context(), args[1], n, wait)
			if err != nil {
				return err
			}
			enc := json.NewEncoder(cmd.OutOrStdout())
			for _, j := range jobs {
				if err := enc.Encode(j); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().IntVarP(&n, "number", "n", 1, "how many at most")
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for the first")
	return cmd
}

func flowAckCommand() *cobra.Command {
	var f flowClient
	var output string
	cmd := &cobra.Command{
		Use:     "ack FLOW LEASE",
		Short:   "Say that a job is done",
		Example: "  penstock flow ack orders 9zldw.1.1 --output result.json",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client(args[0])
			if err != nil {
				return err
			}
			var content flowapi.Content
			if output != "" {
				var b []byte
				if output == "-" {
					b, err = io.ReadAll(cmd.InOrStdin())
				} else {
					b, err = os.ReadFile(output)
				}
				if err != nil {
					return err
				}
				content.Payload = append([]byte{}, b...)
			}
			outcome, err := c.Ack(cmd.Context(), args[1], content)
			if err == nil {
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), outcome)
			}
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&output, "output", "", "file with what the item carries from now on; - is the standard input")
	return cmd
}

func flowNackCommand() *cobra.Command {
	var f flowClient
	var delay time.Duration
	var reason string
	cmd := &cobra.Command{
		Use:     "nack FLOW LEASE",
		Short:   "Send a job back",
		Example: "  penstock flow nack orders 9zldw.1.1 --reason 'no paper' --delay 1m",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client(args[0])
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("delay") {
				delay = -1
			}
			return c.Nack(cmd.Context(), args[1], delay, reason)
		},
	}
	f.register(cmd)
	cmd.Flags().DurationVar(&delay, "delay", 0, "when it may be tried again (default: the stage's backoff)")
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

func flowWorkCommand() *cobra.Command {
	var f flowClient
	var command string
	var n int
	cmd := &cobra.Command{
		Use:   "work FLOW STAGE --exec COMMAND",
		Short: "Work for a stage with a command: its input is the item, its output what goes on",
		Long: `Run a command for each job of a stage, with the shell. What the item carries is its
standard input, what it prints is what the item carries from then on. Exit code 0
sends the item on; any other sends it back, with the last line of its standard error
as the reason. PENSTOCK_ID, PENSTOCK_KEY and PENSTOCK_ATTEMPT are set.

Ctrl-C takes nothing new and finishes what is at work.`,
		Example: "  penstock flow work photos resize --exec 'convert - -resize 320x jpeg:-' --concurrency 4",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if command == "" {
				return usage(errors.New("--exec is needed: the command that does the work"))
			}
			c, err := f.client(args[0])
			if err != nil {
				return err
			}
			if d, err := c.Describe(cmd.Context()); err != nil { // say what is wrong now, not at the first job
				return err
			} else if !hasStage(d, args[1]) {
				return usage(fmt.Errorf("flow %s has no stage %q", args[0], args[1]))
			}
			w := flowclient.Worker{
				Client: c, Stage: args[1], Concurrency: n,
				Handler: func(ctx context.Context, j flowapi.Job) (flowapi.Content, error) { return execute(ctx, command, j) },
				Failed: func(j flowapi.Job, err error) {
					_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", j.ID, err)
				},
			}
			w.Run(cmd.Context())
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&command, "exec", "", "the command, for the shell")
	cmd.Flags().IntVar(&n, "concurrency", 1, "how many jobs at once")
	return cmd
}

func hasStage(d flowapi.Description, name string) bool {
	for _, s := range d.Definition.Stages {
		if s.Name == name {
			return true
		}
	}
	return false
}

// maxExecOutput bounds what a command may print for an item, in bytes.
const maxExecOutput = 16 << 20

func execute(ctx context.Context, command string, j flowapi.Job) (flowapi.Content, error) {
	in, _ := j.Bytes()
	sh := exec.CommandContext(ctx, "sh", "-c", command)
	sh.Env = append(os.Environ(), "PENSTOCK_ID="+j.ID, "PENSTOCK_KEY="+j.Key, fmt.Sprintf("PENSTOCK_ATTEMPT=%d", j.Attempt))
	sh.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	sh.Stdout, sh.Stderr = &out, &errs
	if err := sh.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		if last := lines[len(lines)-1]; last != "" {
			return flowapi.Content{}, fmt.Errorf("%w: %.200s", err, last)
		}
		return flowapi.Content{}, err
	}
	if out.Len() > maxExecOutput {
		return flowapi.Content{}, fmt.Errorf("the command printed %d bytes, where at most %d are allowed", out.Len(), maxExecOutput)
	}
	return flowapi.Content{Payload: append([]byte{}, out.Bytes()...)}, nil
}
