package cli

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow"
)

func flowStatusCommand() *cobra.Command {
	var f flowClient
	cmd := &cobra.Command{
		Use:     "status FLOW",
		Short:   "Show the stages: what waits, what is worked on, what is blocked, and how full it is",
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
	_, _ = fmt.Fprintln(t, "stage\twaiting\tleased\tblocked\tused/limit\toldest\trate/s\tworkers\t\t")
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
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d/%d\t%v\t%.1f\t%d\t%s\t\n", s.Stage, s.Waiting, s.Leased, s.Blocked, s.Used, s.Limit, oldest, s.Rate, s.Workers, mark)
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
				_, err = c.Replay(cmd.Context(), args[1:]...)
				return err
			case discard:
				_, err = c.Discard(cmd.Context(), args[1:]...)
				return err
			}
			items, err := c.Spillway(cmd.Context(), "", 1000)
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
