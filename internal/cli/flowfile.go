package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/flowclient"
)

func flowVerifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "verify FILE",
		Short:   "Check a flow server's file, which no server may have open",
		Example: "  penstock flow verify flow.db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := boltstore.Verify(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
			} else {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s: format %d, epoch %d, flows %s, %d records, %d bytes\n",
					args[0], r.Format, r.Epoch, strings.Join(r.Flows, ", "), r.Records, r.Bytes)
				for s := range flow.State(flow.States) {
					if n := r.Items[s.String()]; n > 0 {
						_, _ = fmt.Fprintf(cmd.OutOrStdout(), "  %-8s %d\n", s, n)
					}
				}
			}
			if n := len(r.Problems); n > 0 {
				return fmt.Errorf("%s: %d problems:\n%s", args[0], n, strings.Join(r.Problems, "\n"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

const flowBackupLong = `Fetch a copy of a running server's file. The server goes on meanwhile. The copy is
checked as verify does before it gets its name, so that what has the name is whole.
To restore it, start a server with it as --data.`

func flowBackupCommand() *cobra.Command {
	var f flowClient
	cmd := &cobra.Command{
		Use:     "backup FILE",
		Short:   "Copy the file of a running server, and check the copy",
		Long:    flowBackupLong,
		Example: "  penstock flow backup flow-monday.db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client("")
			if err != nil {
				return err
			}
			n, err := backUp(cmd.Context(), c, args[0])
			if err == nil {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bytes, sound\n", args[0], n)
			}
			return err
		},
	}
	f.register(cmd)
	return cmd
}

// backUp fetches, syncs and checks a copy, and then gives it its name.
func backUp(ctx context.Context, c *flowclient.Client, name string) (n int64, err error) {
	if _, err := os.Stat(name); err == nil {
		return 0, fmt.Errorf("%s is there already", name)
	}
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	n, err = c.Backup(ctx, file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return n, err
	}
	r, err := boltstore.Verify(file.Name())
	if err != nil {
		return n, err
	}
	if len(r.Problems) > 0 {
		return n, fmt.Errorf("the copy is not sound: %s", strings.Join(r.Problems, "; "))
	}
	return n, os.Rename(file.Name(), name)
}
