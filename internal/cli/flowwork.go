package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
)

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
