package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow/flowapi"
)

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
