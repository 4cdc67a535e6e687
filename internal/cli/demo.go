package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/internal/demo"
)

const demoLong = `See what backpressure is for. Two copies of a sample service, one asked directly
and one through a gateway that was told its address and nothing else, are offered
the same load: half of what they can do, then three times as much as they can do,
then 0.8 times. What is good is an answer before the client has left.

The sample service is as most are: some workers, a queue, and work that goes on
after the client has gone. All of it runs in this one program, on loopback
addresses of this machine.

After the load the demo stays up, for a curl of yours. With --for it ends.`

type demoFlags struct {
	cfg     demo.Config
	service string
	json    bool
}

// demoCommand is penstock demo.
func demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Watch overload with and without a gateway, side by side",
		Long:    demoLong,
		Example: "  penstock demo\n  penstock demo --for 30s --service exp:10ms",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			law, err := demo.ParseService(f.service)
			if err != nil {
				return usage(err)
			}
			f.cfg.Service = law
			if err := errors.Join(f.zeroes(), f.cfg.Check()); err != nil {
				return usage(err)
			}
			return f.run(cmd, !cmd.Flags().Changed("for"))
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.DurationVar(&f.cfg.For, "for", demo.DefaultFor, "how long to offer load, and then end; without it, the demo stays up")
	fs.Float64Var(&f.cfg.Peak, "peak", demo.DefaultPeak, "load of the middle half, times what a service can do")
	fs.IntVar(&f.cfg.Workers, "workers", demo.DefaultWorkers, "workers of each service")
	fs.StringVar(&f.service, "service", demo.DefaultService.String(), "time that a job takes: 10ms, or exp:10ms for exponential times of that mean")
	fs.DurationVar(&f.cfg.Deadline, "deadline", demo.DefaultDeadline, "how long a client waits")
	fs.IntVar(&f.cfg.Retries, "retries", 0, "how often a client tries again")
	fs.StringVar(&f.cfg.Listen, "listen", "127.0.0.1:8080", "address of the gateway; a free port if it is taken")
	fs.StringVar(&f.cfg.Admin, "admin", "127.0.0.1:8081", "address of its admin interface; a free port if it is taken")
	fs.BoolVar(&f.json, "json", false, "print the summary as JSON")
	return cmd
}

// zeroes names the flags that are 0, which to the configuration means their
// default.
func (f *demoFlags) zeroes() error {
	var errs []error
	for _, flag := range []struct {
		name string
		zero bool
	}{{"for", f.cfg.For == 0}, {"peak", f.cfg.Peak == 0}, {"workers", f.cfg.Workers == 0}, {"deadline", f.cfg.Deadline == 0}} {
		if flag.zero {
			errs = append(errs, fmt.Errorf("demo: %s: 0 is not above 0", flag.name))
		}
	}
	return errors.Join(errs...)
}

// run starts the demo, shows it, sums up, and stays for curl if asked to.
func (f *demoFlags) run(cmd *cobra.Command, stay bool) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	d, err := demo.Start(f.cfg)
	if err != nil {
		return err
	}
	err = f.show(ctx, d, out, stay)
	if cerr := d.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("demo: stop: %w", cerr)
	}
	return err
}

func (f *demoFlags) show(ctx context.Context, d *demo.Demo, out io.Writer, stay bool) error {
	view := newDemoView(out, f.json)
	view.say(addresses(d.Addresses()))
	stopped := view.follow(d)
	summary, err := d.Load(ctx)
	stopped()
	if err != nil {
		return err
	}
	if err := f.print(out, summary); err != nil {
		return fmt.Errorf("demo: print the summary: %w", err)
	}
	if !stay || ctx.Err() != nil {
		return nil
	}
	view.say(hints(summary, programName()))
	view.rest(ctx, d)
	return nil
}

func (f *demoFlags) print(out io.Writer, s demo.Summary) error {
	if !f.json {
		return s.WriteTable(out)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}

func addresses(a demo.Addresses) string {
	return fmt.Sprintf("unprotected  %s\nprotected    %s  (admin %s)\n\n", a.Unprotected, a.Protected, a.Admin)
}

// hints says what to try while the demo stays up; program is how the user called
// this one.
func hints(s demo.Summary, program string) string {
	a := s.Addresses
	var b strings.Builder
	b.WriteString("\nAll of it stays up until Ctrl-C. Try:\n")
	hint := func(what, command string) { fmt.Fprintf(&b, "  %-38s %s\n", what, command) }
	hint("through the gateway", "curl -i "+a.Protected+"/")
	hint("behind the queue of the other", "curl -i "+a.Unprotected+"/")
	hint("the gateway's own view", a.Admin+"/")
	if s.Refusal != "" {
		explain := program + " explain " + s.Refusal
		if a.Admin != defaultAdmin {
			explain += " --admin " + a.Admin
		}
		hint("why it refused a request a while ago", explain)
	}
	hint("a load of your own", fmt.Sprintf("%s load %s/ --rate %.0f/s --for 10s --deadline %v", program, a.Protected,
		2*s.Capacity, time.Duration(s.DeadlineMS*float64(time.Millisecond))))
	b.WriteString("\n")
	return b.String()
}

// programName is how the user called this program.
func programName() string {
	if name := os.Args[0]; filepath.Base(name) == "penstock" {
		return name
	}
	return "penstock"
}
