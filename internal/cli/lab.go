package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/lab"
	"github.com/penstock-go/penstock/sim/arrival"
)

const labLong = `Run scenarios in virtual time: does this system collapse, and what saves it? The
controllers inside are those of production.

  penstock lab list                                   what there is
  penstock lab run retry-storm --report storm.html    see one, and open the report
  penstock lab test                                   all of them, as in CI
  penstock lab test mine.yaml --junit lab.xml --mutate
  penstock lab arena                                  limiters, ours and others, on the same plants

docs/lab.md says how scenarios are written.`

// labCommand is penstock lab.
func labCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Simulate: does a system collapse, and what saves it",
		Long:  labLong,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(labListCommand(), labRunCommand(), labTestCommand(), labLittleCommand(), labSchemaCommand(), labArenaCommand())
	for _, c := range cmd.Commands() {
		failed(c)
	}
	return cmd
}

func labListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the library's scenarios",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			type entry struct {
				Name     string   `json:"name"`
				About    string   `json:"about"`
				Variants []string `json:"variants"`
			}
			list, err := loadScenarios(lab.Library())
			if err != nil {
				return err
			}
			entries := []entry{}
			for _, s := range list {
				e := entry{Name: s.Name, About: s.About}
				for _, v := range s.Variants {
					e.Variants = append(e.Variants, v.Name)
				}
				entries = append(entries, e)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), entries)
			}
			for _, e := range entries {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-22s %s\n", e.Name, firstSentence(e.About)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// firstSentence cuts a paragraph after its first full stop.
func firstSentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if i := strings.Index(s, ". "); i >= 0 {
		return s[:i+1]
	}
	return s
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func labRunCommand() *cobra.Command {
	var opt lab.Options
	var asJSON bool
	var report string
	cmd := &cobra.Command{
		Use:     "run FILE|NAME",
		Short:   "Run one scenario, and show its variants side by side",
		Long:    "Run every replication of a scenario, and show its variants side by side. A name\nwithout a dot or a slash is the library's; everything else is a file.",
		Example: "  penstock lab run retry-storm --report storm.html",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := loadScenarios(args)
			if err == nil {
				err = checkRunOptions(list[0], opt)
			}
			if err != nil {
				return usage(err)
			}
			runner, clearProgress := newRunner(cmd.ErrOrStderr())
			res, err := runner.Run(cmd.Context(), list[0], opt)
			clearProgress()
			if err != nil {
				return fmt.Errorf("lab run: %w", err)
			}
			if report != "" {
				if err := writeFile(report, res.WriteHTML); err != nil {
					return fmt.Errorf("lab run: --report: %w", err)
				}
			}
			summary := res.Summarize()
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), summary)
			} else {
				err = summary.WriteTable(cmd.OutOrStdout())
			}
			if err != nil {
				return err
			}
			return brokenError(summary)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringSliceVar(&opt.Variants, "variant", nil, "run this variant alone; may be repeated (default: all)")
	fs.IntVar(&opt.Seeds, "seeds", 0, "replications (default: as the scenario says)")
	fs.StringVar(&report, "report", "", "write a report for the browser to this file")
	fs.BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// checkRunOptions reports variants that are not there, and bad numbers.
func checkRunOptions(s *lab.Scenario, opt lab.Options) error {
	var names []string
	for _, v := range s.Variants {
		names = append(names, v.Name)
	}
	var errs []error
	for _, name := range opt.Variants {
		found := false
		for _, n := range names {
			found = found || n == name
		}
		if !found {
			errs = append(errs, fmt.Errorf("lab run: --variant: %s has no %s, allowed: %s", s.Name, config.Quote(name), config.Alternatives(names...)))
		}
	}
	return errors.Join(append(errs, checkSeeds("lab run", opt.Seeds))...)
}

func checkSeeds(command string, n int) error {
	if n < 0 || n > lab.MaxSeeds {
		return fmt.Errorf("%s: --seeds: %d is not a number from 1 to %d", command, n, lab.MaxSeeds)
	}
	return nil
}

// brokenError is an error if an expectation is broken. One about which a few
// seeds leave doubt is not.
func brokenError(s lab.Summary) error {
	broken := 0
	for _, e := range s.Expectations {
		if e.Verdict == lab.Broken {
			broken++
		}
	}
	if broken == 0 {
		return nil
	}
	return fmt.Errorf("lab run: %s: %s of %d broken", s.Name, count(broken, "expectation"), len(s.Expectations))
}

func labTestCommand() *cobra.Command {
	var opt lab.TestOptions
	var asJSON bool
	var junit string
	cmd := &cobra.Command{
		Use:   "test [FILE|NAME...]",
		Short: "Judge the expectations of scenarios, as in CI",
		Long: `Judge the expectations of scenarios; without arguments, of the whole library.
Replications stop as soon as every verdict is certain. The exit code is 1 if an
expectation does not hold, or with --mutate, if nobody notices that a protection
is gone.`,
		Example: "  penstock lab test scenarios/*.yaml --junit lab.xml --mutate",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = lab.Library()
			}
			list, err := loadScenarios(args)
			if err := errors.Join(err, checkSeeds("lab test", opt.Seeds)); err != nil {
				return usage(err)
			}
			runner, clearProgress := newRunner(cmd.ErrOrStderr())
			report, err := runner.Test(cmd.Context(), list, opt)
			clearProgress()
			if err != nil {
				return fmt.Errorf("lab test: %w", err)
			}
			if junit != "" {
				if err := writeFile(junit, report.WriteJUnit); err != nil {
					return fmt.Errorf("lab test: --junit: %w", err)
				}
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				err = report.WriteText(cmd.OutOrStdout())
			}
			if err == nil && !report.Passed() {
				err = errors.New("lab test: " + report.Totals())
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&junit, "junit", "", "write JUnit XML to this file")
	fs.BoolVar(&opt.Mutate, "mutate", false, "remove each protection in turn, and demand that an expectation breaks")
	fs.IntVar(&opt.Seeds, "seeds", 0, "most replications (default: as each scenario says)")
	fs.BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// loadScenarios reads scenarios, or names all that is wrong with any of them.
func loadScenarios(names []string) ([]*lab.Scenario, error) {
	var list []*lab.Scenario
	var errs []error
	for _, name := range names {
		s, err := lab.Load(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, s)
	}
	return list, errors.Join(errs...)
}

// newRunner returns a runner that shows its progress on a terminal, and what
// wipes the last of it.
func newRunner(stderr io.Writer) (runner *lab.Runner, clearProgress func()) {
	if !isTerminal(stderr) {
		return &lab.Runner{}, func() {}
	}
	show := func(p lab.Progress) {
		text := fmt.Sprintf("%d of at most %d runs", p.Done, p.Most)
		if p.Left >= 0 {
			text += fmt.Sprintf(", at most %v left", p.Left.Round(time.Second))
		}
		_, _ = io.WriteString(stderr, clearLine+text)
	}
	return &lab.Runner{Progress: show}, func() { _, _ = io.WriteString(stderr, clearLine) }
}

// writeFile writes a whole file, or none.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		_ = os.Remove(name) // half of it is worse than nothing
		return err
	}
	return nil
}

func labLittleCommand() *cobra.Command {
	var perSecond string
	var stays time.Duration
	var inFlight float64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "little --rate RATE --time TIME",
		Short: "Little's law: how many are in flight, or what is hidden",
		Long: `Little's law, L = rate x time: the mean number in flight is the rate times the
mean time that each stays. With --inflight, compare it with what was counted: a
gap means a queue that the time leaves out, or a leak.`,
		Example: "  penstock lab little --rate 200/s --time 50ms --inflight 14",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rate, err := arrival.ParseRate(perSecond)
			var errs []error
			if err != nil {
				errs = append(errs, fmt.Errorf("lab little: --rate: %w", err))
			}
			if stays <= 0 {
				errs = append(errs, fmt.Errorf("lab little: --time: %v is not a time above 0", stays))
			}
			counted := cmd.Flags().Changed("inflight")
			if counted && !(inFlight >= 0 && inFlight <= 1e15) {
				errs = append(errs, fmt.Errorf("lab little: --inflight: %v is not a number of at least 0", inFlight))
			}
			if err := errors.Join(errs...); err != nil {
				return usage(err)
			}
			if !counted {
				inFlight = -1
			}
			l := lab.NewLittle(rate, stays, inFlight)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), l)
			}
			return l.Write(cmd.OutOrStdout())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&perSecond, "rate", "", "work that goes through: 200/s (or /m, /h)")
	fs.DurationVar(&stays, "time", 0, "mean time that each stays: 50ms")
	fs.Float64Var(&inFlight, "inflight", 0, "mean number in flight that was counted")
	fs.BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func labSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of scenario files, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := lab.JSONSchema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}
