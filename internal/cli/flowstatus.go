package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
	"github.com/penstock-go/penstock/flow/flowserver"
)

func flowStatusCommand() *cobra.Command {
	var f flowClient
	cmd := &cobra.Command{
		Use:   "status FLOW",
		Short: "Show the stages: what waits, what is worked on, what is blocked, and how full it is",
		Long: `Show the stages of a flow, and whether its entrance is open. The column needs is a
hint how many workers would hold the stage's target delay: by Little's law, the mean
time of work times the rate at which items come, and what must be caught up.`,
		Example: "  penstock flow status orders",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client(args[0])
			if err != nil {
				return err
			}
			d, err := c.Describe(cmd.Context())
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), d)
			}
			return flowTable(cmd.OutOrStdout(), d.Stats)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&f.json, "json", false, "print it as JSON")
	return cmd
}

func flowTable(w io.Writer, st flow.Stats) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "stage\twaiting\tleased\tblocked\tused/limit\toldest\trate/s\tneeds\t\t")
	for _, s := range st.Stages {
		mark := ""
		switch {
		case s.Paused:
			mark = "paused"
		case s.Draining:
			mark = "draining"
		case s.Used >= s.Limit && s.Blocked > 0:
			mark = "full, blocked"
		case s.Used >= s.Limit:
			mark = "full"
		}
		oldest := time.Duration(s.OldestMS * float64(time.Millisecond)).Round(time.Millisecond)
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d/%d\t%v\t%.1f\t%s\t%s\t\n", s.Stage, s.Waiting, s.Leased, s.Blocked, s.Used, s.Limit, oldest, s.Rate, needed(s.Workers), mark)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	entrance := "open"
	if st.Level >= 1 {
		entrance = "full: offers are refused"
	}
	_, err := fmt.Fprintf(w, "\nentrance %s (level %.2f), %d delayed, %d in the spillway, %d finished\n", entrance, st.Level, st.Delayed, st.Spillway, st.Counts.Finished)
	return err
}

// needed is the hint how many workers would hold the stage's target delay.
func needed(workers int) string {
	if workers == 0 {
		return "-" // nothing is known yet, or nothing comes
	}
	return count(workers, "worker")
}

func flowSpillwayCommand() *cobra.Command {
	var f flowClient
	var replay, discard bool
	cmd := &cobra.Command{
		Use:     "spillway FLOW [ID...]",
		Short:   "List what was spilled, send it back, or discard it",
		Example: "  penstock flow spillway orders\n  penstock flow spillway orders --replay order-7",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if replay && discard || (replay || discard) != (len(args) > 1) {
				return usage(errors.New("give ids with one of --replay and --discard, or neither to list"))
			}
			c, err := f.client(args[0])
			if err != nil {
				return err
			}
			switch {
			case replay:
				rs, err := c.Replay(cmd.Context(), args[1:]...)
				return spillwayResults(cmd.OutOrStdout(), rs, err)
			case discard:
				rs, err := c.Discard(cmd.Context(), args[1:]...)
				return spillwayResults(cmd.OutOrStdout(), rs, err)
			}
			items, err := allSpilled(cmd.Context(), c)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), items)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(t, "id\tstage\tattempts\tbytes\treason")
			for _, it := range items {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\n", it.ID, it.Stage, it.Attempts, it.Size, it.Reason)
			}
			return t.Flush()
		},
	}
	f.register(cmd)
	fs := cmd.Flags()
	fs.BoolVar(&replay, "replay", false, "send the items back to their stages")
	fs.BoolVar(&discard, "discard", false, "end the items")
	fs.BoolVar(&f.json, "json", false, "print the list as JSON")
	return cmd
}

// allSpilled lists the whole spillway, page by page.
func allSpilled(ctx context.Context, c *flowclient.Client) ([]flowapi.Spilled, error) {
	const page = flowserver.ItemsMax
	items := []flowapi.Spilled{}
	for after := ""; ; after = items[len(items)-1].ID {
		more, err := c.Spillway(ctx, after, page)
		if err != nil {
			return nil, err
		}
		if items = append(items, more...); len(more) < page {
			return items, nil
		}
	}
}

// spillwayResults says what became of each item, and fails if anything did not
// become of one.
func spillwayResults(w io.Writer, rs []flowapi.Result, err error) error {
	for _, r := range rs {
		if r.Error != "" {
			err = errors.Join(err, errors.New(r.Error))
			continue
		}
		_, _ = fmt.Fprintf(w, "%s %s\n", r.ID, r.Outcome)
	}
	return err
}
