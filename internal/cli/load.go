package cli

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/sim/arrival"
)

const loadLong = `Offer load to an HTTP server, open loop: requests are sent when they are due,
whether or not earlier ones have been answered, and latency counts from that
instant.

Good is an answer of 2xx or 3xx within the deadline; refused is 429 or 503; late
is no answer within the deadline: the client then leaves.

Profiles, for --profile:
  1000/s                                     the same as --rate 1000/s
  steps:100/s@5s,2000/s@10s,100/s            one after the other; the last for ever
  spike:base=100/s,peak=2000/s,at=5s,for=3s
  onoff:rate=2000/s,on=2s,off=3s,low=100/s   over and over; low is 0/s if left out

Ctrl-C ends the run early and reports so far; a second one stops at once.`

// loadFlags are the flags of penstock load, as given.
type loadFlags struct {
	rate, profile, arrivals string
	length, warmup          time.Duration
	deadline, interval      time.Duration
	sendDeadline            bool
	connections             int
	outstanding             int
	seed                    uint64

	method                   string
	headers                  []string
	body, bodyFile, bodySize string
	insecure                 bool

	retries          int
	retryBackoff     time.Duration
	retryOn          []string
	honourRetryAfter bool

	json bool
}

// loadCommand is penstock load.
func loadCommand() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use:     "load URL",
		Short:   "Offer load to an HTTP server, open loop",
		Long:    loadLong,
		Example: "  penstock load http://127.0.0.1:8080/ --rate 1000/s --for 10s --deadline 100ms",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Errorf("load: %d addresses given: exactly one is needed, such as http://127.0.0.1:8080/", len(args)))
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := f.config(args[0])
			err = errors.Join(oneOf(cmd, "rate", "profile"), oneOf(cmd, "body", "body-file", "body-size"), err)
			if err != nil {
				return usage(err)
			}
			return f.run(cmd, cfg)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(fmt.Errorf("load: %w", err)) })
	f.register(cmd)
	return cmd
}

func (f *loadFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.rate, "rate", "100/s", "requests per second (or /m, /h), retries not counted")
	fs.StringVar(&f.profile, "profile", "", "a rate that changes, instead of --rate (see above)")
	fs.StringVar(&f.arrivals, "arrivals", "poisson", "poisson: at random, as independent users; constant: evenly spaced")
	fs.DurationVar(&f.length, "for", 0, "how long to offer load (default: the profile's length, else 10s)")
	fs.DurationVar(&f.warmup, "warmup", 0, "first part of --for that the report leaves out")
	fs.DurationVar(&f.deadline, "deadline", load.DefaultDeadline, "how long a client waits, from when its request is due")
	fs.BoolVar(&f.sendDeadline, "send-deadline", false, "tell the server what is left of it, as Penstock-Deadline")
	fs.IntVar(&f.connections, "connections", load.DefaultConnections, "most connections open at once")
	fs.IntVar(&f.outstanding, "outstanding", load.DefaultOutstanding, "most requests outstanding; beyond it they count as not sent")
	fs.Uint64Var(&f.seed, "seed", 1, "of the arrivals; the same seed is due at the same instants")
	fs.StringVarP(&f.method, "method", "X", "", "request method (default GET, with a body POST)")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "header field, as 'Name: value'; may be repeated")
	fs.StringVar(&f.body, "body", "", "request body, as text")
	fs.StringVar(&f.bodyFile, "body-file", "", "file with the request body")
	fs.StringVar(&f.bodySize, "body-size", "", "request body of so many bytes, such as 64KiB")
	fs.BoolVar(&f.insecure, "insecure", false, "believe any certificate")
	fs.IntVar(&f.retries, "retries", 0, "how often a client tries again")
	fs.DurationVar(&f.retryBackoff, "retry-backoff", load.DefaultBackoff, "longest wait before the first retry; doubles; the wait is drawn from 0 to it")
	fs.StringSliceVar(&f.retryOn, "retry-on", []string{"refused", "late", "error"}, "what a client tries again after")
	fs.BoolVar(&f.honourRetryAfter, "honour-retry-after", false, "wait as long as a refusal asks")
	fs.DurationVar(&f.interval, "interval", load.DefaultInterval, "length of a row of the time series in --json")
	fs.BoolVar(&f.json, "json", false, "print the report as JSON")
}

// oneOf reports flags of which only one may be given.
func oneOf(cmd *cobra.Command, names ...string) error {
	given := 0
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given++
		}
	}
	if given > 1 {
		return fmt.Errorf("load: only one of --%s may be given", strings.Join(names, ", --"))
	}
	return nil
}

// config makes the generator's configuration, or names all that is wrong.
func (f *loadFlags) config(url string) (load.Config, error) {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	cfg := load.Config{
		URL: url, Method: f.method, Seed: f.seed, For: f.length, Warmup: f.warmup, Interval: f.interval,
		Deadline: f.deadline, SendDeadline: f.sendDeadline, Connections: f.connections, Outstanding: f.outstanding,
		Retry: load.Retry{Max: f.retries, Backoff: f.retryBackoff, HonourRetryAfter: f.honourRetryAfter},
	}
	var err error
	if cfg.Profile, err = f.parseProfile(); err != nil {
		note(err)
		cfg.Profile, _ = arrival.Flat(1) // so that Check does not say it again
	}
	cfg.Even, err = f.parseArrivals()
	note(err)
	cfg.Header, err = parseHeaders(f.headers)
	note(err)
	cfg.Body, err = f.readBody()
	note(err)
	cfg.Retry.On, err = parseFates(f.retryOn)
	note(err)
	note(f.zeros())
	if f.insecure {
		cfg.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the user asks for it
	}
	note(cfg.Check())
	return cfg, errors.Join(errs...)
}

// zeros are errors on the command line, where load's zero values mean defaults.
func (f *loadFlags) zeros() error {
	var errs []error
	for _, flag := range []struct {
		name    string
		isZero  bool
		allowed string
	}{
		{"deadline", f.deadline == 0, "a time above 0"},
		{"interval", f.interval == 0, "a time of 1ms or more"},
		{"retry-backoff", f.retryBackoff == 0, "a time above 0"},
		{"connections", f.connections == 0, "a number of at least 1"},
		{"outstanding", f.outstanding == 0, "a number of at least 1"},
	} {
		if flag.isZero {
			errs = append(errs, fmt.Errorf("load: --%s: 0 is not %s", flag.name, flag.allowed))
		}
	}
	return errors.Join(errs...)
}

func (f *loadFlags) parseProfile() (arrival.Profile, error) {
	if f.profile != "" {
		p, err := arrival.ParseProfile(f.profile)
		if err != nil {
			return p, fmt.Errorf("load: --profile: %w", err)
		}
		return p, nil
	}
	perSecond, err := arrival.ParseRate(f.rate)
	if err != nil {
		return arrival.Profile{}, fmt.Errorf("load: --rate: %w", err)
	}
	p, err := arrival.Flat(perSecond)
	if err != nil {
		return p, fmt.Errorf("load: --rate: %w", err)
	}
	return p, nil
}

func (f *loadFlags) parseArrivals() (even bool, err error) {
	switch f.arrivals {
	case "poisson":
		return false, nil
	case "constant":
		return true, nil
	}
	return false, fmt.Errorf("load: --arrivals: %q is not poisson or constant", f.arrivals)
}

func parseHeaders(lines []string) (http.Header, error) {
	h := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("load: --header: %q is not a field: a name, a colon, and a value", line)
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h, nil
}

func (f *loadFlags) readBody() ([]byte, error) {
	switch {
	case f.bodyFile != "":
		return readBounded(f.bodyFile)
	case f.bodySize != "":
		n, err := config.ParseSize(f.bodySize)
		if err != nil {
			return nil, fmt.Errorf("load: --body-size: %w", err)
		}
		if n > load.MaxBody {
			return nil, fmt.Errorf("load: --body-size: %s is more than the %s that are allowed", f.bodySize, config.FormatSize(load.MaxBody))
		}
		return []byte(strings.Repeat("x", int(n))), nil
	}
	return []byte(f.body), nil
}

// readBounded reads a file, but no more of it than tells that it is too large.
func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("load: --body-file: %w", err)
	}
	defer func() { _ = file.Close() }()
	body, err := io.ReadAll(io.LimitReader(file, load.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("load: --body-file: %w", err)
	}
	return body, nil
}

func parseFates(names []string) ([]load.Fate, error) {
	var fates []load.Fate
	for _, name := range names {
		fate, ok := load.ParseFate(name)
		if !ok || fate != load.Refused && fate != load.Late && fate != load.Failed {
			return nil, fmt.Errorf("load: --retry-on: %q is not refused, late or error", name)
		}
		fates = append(fates, fate)
	}
	return fates, nil
}

// run offers the load and prints the report.
func (f *loadFlags) run(cmd *cobra.Command, cfg load.Config) error {
	line := progressLine{w: cmd.ErrOrStderr()}
	if isTerminal(line.w) {
		cfg.Progress = line.show
	}
	report, err := load.Run(cmd.Context(), cfg)
	line.clear()
	if err != nil {
		return &ExitError{Code: exitFailed, Err: err}
	}
	if err := f.print(cmd.OutOrStdout(), report); err != nil {
		return &ExitError{Code: exitFailed, Err: fmt.Errorf("load: print the report: %w", err)}
	}
	if report.Offered > 0 && report.Errors == report.Offered {
		return &ExitError{Code: exitFailed, Err: fmt.Errorf("load: every request to %s failed", report.URL)}
	}
	return nil
}

func (f *loadFlags) print(w io.Writer, r load.Report) error {
	if !f.json {
		return r.WriteTable(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// progressLine is one line on a terminal that is written over and over.
type progressLine struct {
	w     io.Writer
	shown bool
}

const clearLine = "\r\x1b[K"

func (l *progressLine) show(p load.Progress) {
	l.shown = true
	_, _ = io.WriteString(l.w, clearLine+progressText(p))
}

func (l *progressLine) clear() {
	if l.shown {
		_, _ = io.WriteString(l.w, clearLine)
	}
}

func progressText(p load.Progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.0f/s offered  %.0f/s good  p99 %.1f ms", p.OfferedPerSecond, p.GoodPerSecond, p.P99.Seconds()*1000)
	for _, part := range []struct {
		perSecond float64
		name      string
	}{{p.RefusedPerSecond, "refused"}, {p.LatePerSecond, "late"}, {p.ErrorsPerSecond, "errors"}} {
		if part.perSecond > 0 {
			fmt.Fprintf(&b, "  %.0f/s %s", part.perSecond, part.name)
		}
	}
	if p.Left > 0 {
		fmt.Fprintf(&b, "  %v left", p.Left.Round(time.Second))
	} else {
		fmt.Fprintf(&b, "  waiting for %d answers", p.Outstanding)
	}
	return b.String()
}
