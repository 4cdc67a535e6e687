package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowserver"
)

const flowServeLong = `Serve flows from one file, which is made if it is not there. What it holds is
there again after any crash. While the server runs, and after a crash, the latest
commits are in a journal beside it, FILE.journal, which belongs to it.

Flows are defined by --config, by --flow and --stage, or over the API; those in
the file already are kept. Flags count before what --config says.

Without tokens anybody who reaches the address may do everything. So where other
machines can reach it, tokens and TLS are both needed, or --insecure, which says
that something else guards it.`

type flowServe struct {
	flowAccess
	config, data, flow string
	stages             []string
}

func flowServeCommand() *cobra.Command {
	var f flowServe
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Serve flows from one file",
		Long:    flowServeLong,
		Example: "  penstock flow serve --flow orders --stage check:10 --stage pack:4 --stage ship:2\n  penstock flow serve --config flow.yaml --data /var/lib/penstock/flow.db",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.config, "config", "", "file with flows; - is the standard input")
	fs.StringVar(&f.data, "data", "flow.db", "file that keeps everything")
	fs.StringVar(&f.flow, "flow", "", "name of a flow to define")
	fs.StringArrayVar(&f.stages, "stage", nil, "its stages in order, as NAME:WIP; repeated")
	f.register(cmd)
	return cmd
}

// definitions are the flows that the flags and the file ask for.
func (f *flowServe) definitions(cmd *cobra.Command) ([]flow.Definition, error) {
	var defs []flow.Definition
	if f.config != "" {
		data, err := readFile(cmd.InOrStdin(), f.config)
		if err != nil {
			return nil, &config.Problem{File: f.config, Text: err.Error()}
		}
		file, err := parseFlowFile(f.config, data)
		if err != nil {
			return nil, err
		}
		defs = file.flows
		f.flowAccess = f.over(file.flowAccess)
	}
	if (f.flow == "") != (len(f.stages) == 0) {
		return nil, errors.New("--flow and --stage belong together: --flow orders --stage pack:4 --stage ship:2")
	}
	if f.flow != "" {
		d, err := flowOfFlags(f.flow, f.stages)
		if err != nil {
			return nil, err
		}
		defs = append(defs, d)
	}
	return defs, nil
}

func (f *flowServe) run(cmd *cobra.Command) error {
	defs, err := f.definitions(cmd)
	if err != nil {
		return usage(err)
	}
	tokens, secure, err := f.check()
	if err != nil {
		return usage(err)
	}
	ln, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	store := boltstore.New(f.data, boltstore.Options{})
	e, err := engine.Open(cmd.Context(), store, engine.Options{})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	for _, d := range defs {
		if err := e.Define(cmd.Context(), d); err != nil {
			return usage(errors.Join(fmt.Errorf("flow %s: %w", d.Name, err), ln.Close(), e.Close()))
		}
	}
	return f.serve(cmd, e, ln, flowserver.New(e, tokens, flowserver.WithBackup(store.Backup)), secure)
}

func (f *flowServe) serve(cmd *cobra.Command, e *engine.Engine, ln net.Listener, s *flowserver.Server, secure *tls.Config) error {
	defer s.Close()
	scheme := "http"
	if secure != nil {
		scheme = "https"
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "flows: %s\nserving %s://%s/ from %s\n", strings.Join(e.Flows(), ", "), scheme, ln.Addr(), f.data)
	return errors.Join(s.Serve(cmd.Context(), ln, secure), e.Close())
}
