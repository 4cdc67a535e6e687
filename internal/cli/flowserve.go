package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowserver"
)

const flowServeLong = `Serve flows from one file, which is made if it is not there. What it holds is
there again after any crash.

Flows are defined by --config, by --flow and --stage, or over the API; those in
the file already are kept. Anybody who reaches the address may do everything
unless tokens are given; without them it serves on a loopback address alone.`

type flowServe struct {
	config, data, listen         string
	flow                         string
	stages                       []string
	offerToken, workToken, admin string
	cert, key                    string
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
	fs.StringVar(&f.listen, "listen", "", "address (default "+defaultFlowAddress+")")
	fs.StringVar(&f.flow, "flow", "", "name of a flow to define")
	fs.StringArrayVar(&f.stages, "stage", nil, "its stages in order, as NAME:WIP; repeated")
	fs.StringVar(&f.offerToken, "offer-tokens", "", "file with the tokens of those who offer, one a line")
	fs.StringVar(&f.workToken, "work-tokens", "", "file with the tokens of workers")
	fs.StringVar(&f.admin, "admin-tokens", "", "file with the tokens of those who may do everything")
	fs.StringVar(&f.cert, "tls-cert", "", "file with the certificate, for TLS")
	fs.StringVar(&f.key, "tls-key", "", "file with its key")
	return cmd
}

// definitions are the flows that the flags and the file ask for.
func (f *flowServe) definitions(cmd *cobra.Command) ([]flow.Definition, error) {
	var defs []flow.Definition
	if f.config != "" {
		data, err := readFile(cmd.InOrStdin(), f.config)
		if err != nil {
			return nil, err
		}
		file, err := parseFlowFile(f.config, data)
		if err != nil {
			return nil, err
		}
		defs = file.flows
		if f.listen == "" {
			f.listen = file.listen
		}
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
	if f.listen == "" {
		f.listen = defaultFlowAddress
	}
	return defs, nil
}

func (f *flowServe) tokens() (t flowserver.Tokens, err error) {
	for _, role := range []struct {
		file string
		to   *[]string
	}{{f.offerToken, &t.Offer}, {f.workToken, &t.Work}, {f.admin, &t.Admin}} {
		if role.file == "" {
			continue
		}
		if *role.to, err = tokensOf(role.file); err != nil {
			return t, err
		}
	}
	if t.Any() && len(t.Admin) == 0 {
		return t, errors.New("--admin-tokens is needed where other tokens are given: else nobody could administer the flows")
	}
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return t, fmt.Errorf("--listen: %w", err)
	}
	ip := net.ParseIP(host)
	if !t.Any() && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return t, fmt.Errorf("--listen %s: without tokens only a loopback address is allowed, such as %s: anybody could work there", f.listen, defaultFlowAddress)
	}
	if (f.cert == "") != (f.key == "") {
		return t, errors.New("--tls-cert and --tls-key belong together")
	}
	return t, nil
}

func (f *flowServe) run(cmd *cobra.Command) error {
	defs, err := f.definitions(cmd)
	if err != nil {
		return usage(err)
	}
	tokens, err := f.tokens()
	if err != nil {
		return usage(err)
	}
	ln, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	e, err := engine.Open(cmd.Context(), boltstore.New(f.data, boltstore.Options{}), engine.Options{})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	for _, d := range defs {
		if err := e.Define(cmd.Context(), d); err != nil {
			return usage(errors.Join(fmt.Errorf("flow %s: %w", d.Name, err), ln.Close(), e.Close()))
		}
	}
	return f.serve(cmd, e, ln, flowserver.New(e, tokens))
}

// flowDrain is how long a server that ends waits for its answers.
const flowDrain = 5 * time.Second

func (f *flowServe) serve(cmd *cobra.Command, e *engine.Engine, ln net.Listener, h http.Handler) error {
	base, hangUp := context.WithCancel(context.Background()) // lets waiting workers go
	defer hangUp()
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return base },
	}
	scheme := "http"
	if f.cert != "" {
		scheme = "https"
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "flows: %s\nserving %s://%s/ from %s\n", strings.Join(e.Flows(), ", "), scheme, ln.Addr(), f.data)
	ended := make(chan error, 1)
	go func() {
		if f.cert != "" {
			ended <- srv.ServeTLS(ln, f.cert, f.key)
		} else {
			ended <- srv.Serve(ln)
		}
	}()
	var err error
	select {
	case <-cmd.Context().Done():
	case <-e.Failed():
		err = e.Err() // only a new start finds out what the disk holds
	case err = <-ended:
	}
	hangUp()
	ctx, cancel := context.WithTimeout(context.Background(), flowDrain)
	defer cancel()
	return errors.Join(err, srv.Shutdown(ctx), e.Close())
}

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
