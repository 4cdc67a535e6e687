package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/gateway"
)

const gatewayLong = `Protect HTTP services: a reverse proxy that finds out how much each can do, and
refuses the rest early, with the reason and the time to come back.

Without a file, every request goes to the backends of --to. With --config, a YAML
file says more (see docs/gateway-config.md; 'penstock check FILE' checks one), and
SIGHUP reads it again without losing a request.

The admin interface, at http://127.0.0.1:8081/ by default, says what goes on. It
demands a token where the file names one (admin_token_file), or else where
$` + adminTokenEnv + ` is set.

Ctrl-C drains; a second one stops at once.`

// gatewayGC is the garbage collector's target, unless GOGC says otherwise. A
// gateway's live heap is a few megabytes; at the usual 100 it would be collected
// hundreds of times per second, for nothing.
const gatewayGC = 400

// gatewayFlags are the flags of penstock gateway, as given.
type gatewayFlags struct {
	config, listen, admin, record string
	to                            []string
	observe                       bool
}

// gatewayCommand is penstock gateway.
func gatewayCommand() *cobra.Command {
	var f gatewayFlags
	cmd := &cobra.Command{
		Use:     "gateway",
		Short:   "Protect HTTP services with a reverse proxy",
		Long:    gatewayLong,
		Example: "  penstock gateway --to http://127.0.0.1:9000\n  penstock gateway --config penstock.yaml --record today.ndjson",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.config, "config", "", "configuration file; - is the standard input")
	fs.StringVar(&f.listen, "listen", "", "address of the front listener (default 127.0.0.1:8080)")
	fs.StringSliceVar(&f.to, "to", nil, "backend, such as http://127.0.0.1:9000; may be repeated")
	fs.StringVar(&f.admin, "admin", "", "address of the admin listener, or none (default 127.0.0.1:8081)")
	fs.BoolVar(&f.observe, "observe", false, "refuse nothing, and count what would have been refused")
	fs.StringVar(&f.record, "record", "", "file for a recording of arrivals, ranks and service times; it is overwritten")
	return cmd
}

func (f *gatewayFlags) run(cmd *cobra.Command) (err error) {
	cfg, err := f.load(cmd.InOrStdin())
	if err != nil {
		return usage(err)
	}
	token, err := gatewayToken(cfg)
	if err != nil {
		return usage(err)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gatewayGC)
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	opts := []gateway.Option{gateway.WithLogger(log), gateway.WithAdminToken(token)}
	if f.record != "" {
		file, openErr := os.OpenFile(f.record, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if openErr != nil {
			return usage(fmt.Errorf("gateway: --record: %s: %w", f.record, reasonOf(openErr)))
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		opts = append(opts, gateway.WithRecording(file))
	}
	g, err := gateway.New(cfg, opts...)
	if err != nil {
		return usage(err)
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	stop := f.reloadOnHangup(cmd.Context(), g, log)
	defer stop()
	return g.Serve(cmd.Context())
}

// load reads the configuration, and what the flags say beside it.
func (f *gatewayFlags) load(stdin io.Reader) (gateway.Config, error) {
	var cfg gateway.Config
	switch {
	case f.config == "" && len(f.to) == 0:
		return cfg, errors.New("gateway: --to URL or --config FILE is needed, such as --to http://127.0.0.1:9000")
	case f.config != "" && (len(f.to) > 0 || f.listen != ""):
		return cfg, errors.New("gateway: --config excludes --to and --listen: the file says where to listen and to whom to forward")
	case f.config == "":
		var err error
		if cfg, err = gateway.ForBackends(f.listen, f.admin, f.to); err != nil {
			return cfg, err
		}
	default:
		name := f.config
		data, err := readFile(stdin, name)
		if name == stdinName {
			name = stdinShown
		}
		if err != nil {
			return cfg, &config.Problem{File: name, Text: err.Error()}
		}
		if cfg, err = gateway.Parse(name, data); err != nil {
			return cfg, err
		}
		if cfg, err = cfg.WithAdmin(f.admin); err != nil {
			return cfg, err
		}
	}
	cfg.Observe = cfg.Observe || f.observe
	return cfg, nil
}

// gatewayToken is the token that the admin interface demands; empty for none.
func gatewayToken(cfg gateway.Config) (string, error) {
	if cfg.AdminTokenFile == "" {
		return os.Getenv(adminTokenEnv), nil
	}
	data, err := readFile(nil, cfg.AdminTokenFile)
	if err != nil {
		return "", fmt.Errorf("gateway: admin_token_file: %s: %w", cfg.AdminTokenFile, reasonOf(err))
	}
	token := strings.TrimSpace(string(data))
	if token == "" || len(token) > maxAdminToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("gateway: admin_token_file: %s does not hold one token of at most %d bytes", cfg.AdminTokenFile, maxAdminToken)
	}
	return token, nil
}

// reloadOnHangup reads the file again at every SIGHUP. A file that cannot be
// used changes nothing.
func (f *gatewayFlags) reloadOnHangup(ctx context.Context, g *gateway.Gateway, log *slog.Logger) (stop func()) {
	if f.config == "" || f.config == stdinName {
		return func() {}
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-hangups:
			}
			if err := f.reload(g); err != nil {
				log.LogAttrs(ctx, slog.LevelError, "configuration not reloaded", slog.String("problems", err.Error()))
			} else {
				log.LogAttrs(ctx, slog.LevelInfo, "configuration reloaded")
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
		<-ended
	}
}

func (f *gatewayFlags) reload(g *gateway.Gateway) error {
	cfg, err := f.load(nil)
	if err != nil {
		return err
	}
	return g.Reload(cfg)
}
