package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/lab/arena"
)

// arenaResults is where the repository keeps the runs of real limiters.
const arenaResults = "bench/arena/results.json"

const labArenaLong = `Compare limiters on the same plants: 8 workers of 10 ms, clients that leave after
100 ms, loads from half to ten times what the workers can do, slow-downs, outages,
lulls. A table per plant, then where penstock loses, then everybody over all.

penstock's own laws and the oracle run here, in virtual time. What other people's
limiters do comes from a file: real code of their modules, run by "make arena".
In a clone of the repository it is there already.

--numbers runs something else: the default law on every plant and in every event
for which a number is to be reached, and says which are. With five seeds all of it
takes ten minutes; --plant picks. --law holds another one to the same: aimd, vegas,
gradient2, or delay, which infers nothing: it is told by how much others held each
request up.`

func labArenaCommand() *cobra.Command {
	var from, page, only, plots, law string
	var seeds int
	var asJSON, numbers, each bool
	cmd := &cobra.Command{
		Use:     "arena",
		Short:   "Compare limiters on the same plants: the scoreboard",
		Long:    labArenaLong,
		Example: "  penstock lab arena --html arena.html\n  penstock lab arena --plant 'slower' --seeds 20",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if plots != "" {
				if err := arena.WritePlots(plots); err != nil {
					return fmt.Errorf("lab arena: --plots: %w", err)
				}
				return nil
			}
			if numbers {
				return runNumbers(cmd, law, only, seeds, each)
			}
			plants, err := arenaPlants(only)
			if seeds < 1 || seeds > arena.MaxSeeds {
				err = errors.Join(err, fmt.Errorf("lab arena: --seeds: %d is not a number from 1 to %d", seeds, arena.MaxSeeds))
			}
			if err != nil {
				return usage(err)
			}
			live, err := readArena(from, cmd.Flags().Changed("from"))
			if err != nil {
				return usage(err)
			}
			show, clearProgress := arenaProgress(cmd.ErrOrStderr())
			virtual, err := arena.RunVirtual(cmd.Context(), plants, seeds, show)
			clearProgress()
			if err != nil {
				return fmt.Errorf("lab arena: %w", err)
			}
			board := arena.NewScoreboard(plants, virtual, live)
			if page != "" {
				if err := writeFile(page, board.WriteHTML); err != nil {
					return fmt.Errorf("lab arena: --html: %w", err)
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), board)
			}
			return board.WriteText(cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&from, "from", arenaResults, "results of real limiters")
	flags.StringVar(&page, "html", "", "write a page for the browser, with plots, to this file")
	flags.StringVar(&only, "plant", "", "only the plants whose name matches this regular expression (default: all)")
	flags.IntVar(&seeds, "seeds", 5, "replications of the virtual runs")
	flags.BoolVar(&asJSON, "json", false, "print as JSON")
	flags.BoolVar(&numbers, "numbers", false, "hold the default law to the numbers that it is to reach")
	flags.StringVar(&law, "law", "auto", "with --numbers: the law, one of "+strings.Join(numbersLaws, ", "))
	flags.StringVar(&plots, "plots", "", "write pictures of the default law in a step, a lull and a storm into this folder, and nothing else")
	flags.BoolVar(&each, "cases", false, "with --numbers: a line for each load and service law, too")
	return cmd
}

// numbersLaws are the laws that need no number. Delay needs servers that report.
var numbersLaws = []string{"auto", "delay", "aimd", "vegas", "gradient2"}

// runNumbers runs the cases whose row or name matches, and prints the table.
func runNumbers(cmd *cobra.Command, law, only string, seeds int, each bool) error {
	if !slices.Contains(numbersLaws, law) {
		return usage(fmt.Errorf("lab arena: --law: %q is none of %s", law, strings.Join(numbersLaws, ", ")))
	}
	newLaw := limit.Default // told by its servers, it is the delay law
	if law != "delay" {
		newLaw = limit.Named(law, 0)
	}
	wanted, err := regexp.Compile(only)
	if err != nil {
		return usage(fmt.Errorf("lab arena: --plant: %w", err))
	}
	if seeds < 1 || seeds > arena.MaxSeeds {
		return usage(fmt.Errorf("lab arena: --seeds: %d is not a number from 1 to %d", seeds, arena.MaxSeeds))
	}
	var cases []arena.Case
	for _, c := range arena.Cases() {
		if wanted.MatchString(c.Row + ", " + c.Name) {
			c.Trial.Reports = law == "delay"
			cases = append(cases, c)
		}
	}
	if len(cases) == 0 {
		return usage(fmt.Errorf("lab arena: --plant: nothing matches %q", only))
	}
	show, clearProgress := arenaProgress(cmd.ErrOrStderr())
	results, err := arena.RunNumbers(cmd.Context(), cases, newLaw, seeds, show)
	clearProgress()
	if err != nil {
		return fmt.Errorf("lab arena: %w", err)
	}
	return arena.WriteNumbers(cmd.OutOrStdout(), results, each)
}

// arenaPlants are the plants whose name matches.
func arenaPlants(only string) ([]arena.Plant, error) {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("lab arena: --plant: %w", err)
	}
	var plants []arena.Plant
	var names []string
	for _, p := range arena.Plants() {
		names = append(names, p.Name)
		if wanted.MatchString(p.Name) {
			plants = append(plants, p)
		}
	}
	if len(plants) == 0 {
		return nil, fmt.Errorf("lab arena: --plant: nothing matches %q, the plants are:\n  %s", only, strings.Join(names, "\n  "))
	}
	return plants, nil
}

// readArena reads results. That there are none is an error only where somebody
// asked for the file: outside the repository there are none.
func readArena(name string, asked bool) (*arena.Results, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil, nil //nolint:nilnil // no results are no error
	}
	if err != nil {
		return nil, fmt.Errorf("lab arena: --from: %w", err)
	}
	defer func() { _ = f.Close() }()
	res, err := arena.Read(f)
	if err != nil {
		return nil, fmt.Errorf("lab arena: %s: %w", name, err)
	}
	return res, nil
}

// arenaProgress shows progress on a terminal, and returns what wipes the last of
// it.
func arenaProgress(stderr io.Writer) (show func(done, of int), clearProgress func()) {
	if !isTerminal(stderr) {
		return nil, func() {}
	}
	return func(done, of int) { _, _ = fmt.Fprintf(stderr, "%s%d of %d runs", clearLine, done, of) },
		func() { _, _ = io.WriteString(stderr, clearLine) }
}
