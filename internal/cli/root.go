package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

const rootLong = `penstock keeps services at full goodput under any load, and carries "slow down,
I'm full" from the consumer back to the producer.

  penstock demo                                   see what it is for
  penstock gateway --to http://127.0.0.1:9000     protect a service, in any language
  penstock load http://127.0.0.1:8080/ --rate 1000/s --for 10s --deadline 100ms

Exit codes: 0 fine, 1 the run failed, 2 wrong usage or configuration. Ctrl-C
drains; a second one stops at once.`

// exitInterrupted is the code of a program that a second signal ends: 128 + the
// number of SIGINT, as shells have it.
const exitInterrupted = 130

// Root returns the penstock command. Its errors are of type *[ExitError], but
// for those of the command line's form, which are any other and mean wrong usage.
func Root() *cobra.Command {
	root := &cobra.Command{
		Use:           "penstock",
		Short:         "Backpressure for services: gateway, load and demo",
		Long:          rootLong,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("penstock {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(demoCommand(), gatewayCommand(), flowCommand(), labCommand(),
		loadCommand(), checkCommand(), explainCommand(), versionCommand())
	for _, c := range root.Commands() {
		failed(c)
	}
	return root
}

// failed makes what a command returns an *ExitError, of code 1 if the command
// does not say otherwise. Errors without a code are then those of parsing the
// command line.
func failed(c *cobra.Command) {
	run := c.RunE
	if run == nil {
		return // it cannot fail
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[*ExitError](err); ok {
			return err
		}
		return &ExitError{Code: exitFailed, Err: err}
	}
}

// Main runs the penstock command and returns its exit code. The first SIGINT or
// SIGTERM ends the command's context, so that it drains; a second one ends the
// program.
func Main(args []string, stdout, stderr io.Writer) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	return run(context.Background(), args, os.Stdin, stdout, stderr, signals, os.Exit)
}

// run is Main with what it takes from the process.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, signals <-chan os.Signal, exit func(int)) int {
	ctx, cancel := context.WithCancel(ctx)
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		watch(signals, done, cancel, exit)
	}()
	defer func() {
		close(done)
		<-watched
		cancel()
	}()

	root := Root()
	root.SetArgs(append([]string{}, args...)) // of nil, cobra would make the arguments of the process
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*ExitError](err); ok {
		_, _ = fmt.Fprintln(stderr, e.Err) // there is nobody else to tell
		return e.Code
	}
	_, _ = fmt.Fprintf(stderr, "penstock: %v\nRun '%s --help' for usage.\n", err, cmd.CommandPath())
	return exitUsage
}

// watch cancels at the first signal and exits at the second, until done.
func watch(signals <-chan os.Signal, done <-chan struct{}, cancel func(), exit func(int)) {
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		case <-signals:
		}
		if n > 1 {
			exit(exitInterrupted)
			return
		}
		cancel()
	}
}
