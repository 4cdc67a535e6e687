package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/gateway"
)

const checkLong = `Check configuration files without using them. Every problem of every file is
printed, one a line, as

  file:line:column: field: what is wrong, what is allowed

and the exit code is 2 if there is any. A file's kind is told by its first key:
routes is a gateway's, flows a flow server's. A file named - is the standard input.`

// stdinName stands for the standard input among file names, and stdinShown in
// messages.
const (
	stdinName  = "-"
	stdinShown = "stdin"
)

// checkCommand is penstock check.
func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE...",
		Short:   "Check configuration files, and name every problem",
		Long:    checkLong,
		Example: "  penstock check penstock.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bad := 0
			for _, name := range args {
				text, err := checkFile(cmd.InOrStdin(), name)
				if err != nil {
					bad++
					text = err.Error()
				}
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), text); err != nil {
					return err
				}
			}
			if bad > 0 {
				return usage(fmt.Errorf("check: %d of %d files cannot be used", bad, len(args)))
			}
			return nil
		},
	}
}

// checkFile says in one line what a file is, or what is wrong with it.
func checkFile(stdin io.Reader, name string) (string, error) {
	data, err := readFile(stdin, name)
	if name == stdinName {
		name = stdinShown
	}
	if err != nil {
		return "", &config.Problem{File: name, Text: err.Error()}
	}
	kind, err := config.Kind(name, data)
	if err != nil {
		return "", err
	}
	summary := ""
	switch kind {
	case "routes":
		var cfg gateway.Config
		if cfg, err = gateway.Parse(name, data); err == nil {
			summary = gatewaySummary(cfg)
		}
	case "flows":
		var file flowFile
		if file, err = parseFlowFile(name, data); err == nil {
			summary = flowSummary(file)
		}
	default:
		err = &config.Problem{File: name, Text: "a file of the kind " + kind + " is not supported by this version, allowed: routes, flows"}
	}
	if err != nil {
		return "", err
	}
	return name + ": ok: " + summary, nil
}

// readFile reads a file of config.MaxFileBytes at most.
func readFile(stdin io.Reader, name string) ([]byte, error) {
	r := stdin
	if name != stdinName {
		f, err := os.Open(name)
		if err != nil {
			return nil, reasonOf(err)
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, config.MaxFileBytes+1))
	if err != nil {
		return nil, reasonOf(err)
	}
	if len(data) > config.MaxFileBytes {
		return nil, fmt.Errorf("the file is too large, allowed: %s at most", config.FormatSize(config.MaxFileBytes))
	}
	return data, nil
}

// gatewaySummary says in a line what a gateway's configuration asks for.
func gatewaySummary(cfg gateway.Config) string {
	var backends []string
	for _, r := range cfg.Routes {
		for _, u := range r.To {
			if !slices.Contains(backends, u.Host) {
				backends = append(backends, u.Host)
			}
		}
	}
	text := fmt.Sprintf("a gateway on %s, %s to %s", cfg.Listen,
		count(len(cfg.Routes), "route"), count(len(backends), "backend"))
	if cfg.Observe {
		text += ", observing"
	}
	return text
}

// flowSummary says in a line what a flow server's configuration asks for.
func flowSummary(f flowFile) string {
	stages := 0
	for _, d := range f.flows {
		stages += len(d.Stages)
	}
	return fmt.Sprintf("a flow server on %s, %s with %s", cmp.Or(f.listen, defaultFlowAddress),
		count(len(f.flows), "flow"), count(stages, "stage"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
