package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/sim"
)

// A Scenario is a system, what happens to it, its variants, and what is expected
// of them. [Parse] makes one.
type Scenario struct {
	File     string // for messages
	Name     string
	About    string // what it shows
	Costs    string // what the protection costs; may be empty
	Run      RunConfig
	Variants []Variant // at least one
	Expect   []Expectation

	text   []byte
	source source
}

// RunConfig says how a scenario is run.
type RunConfig struct {
	For    time.Duration // virtual time
	Warmup time.Duration // the first part of it, which metrics leave out
	Seeds  int           // most replications
}

// A Variant is the system with some of its parts changed.
type Variant struct {
	Name   string
	System System
}

// A System is what the simulator is given.
type System struct {
	Plan   sim.Plan      // without a seed
	Warmup time.Duration // as in RunConfig
	// First and Last bound what the system must recover from: the instants of
	// the first and the last change of an event or of a source's rate.
	// Disturbed is false where there is none.
	First, Last time.Duration
	Disturbed   bool

	parts  []part
	places map[string]config.Node
}

// The bounds on a scenario.
const (
	MaxVariants     = 16
	MaxExpectations = 100
	MaxSeeds        = 1000
	MaxParts        = 256 // of one kind
	maxRun          = 30 * 24 * time.Hour
	maxNameBytes    = 64
	defaultSeeds    = 20
)

var runKeys = table[RunConfig]{
	{"for", "virtual time that a run lasts", "", duration(func(r *RunConfig) *time.Duration { return &r.For }, time.Millisecond, maxRun)},
	{"warmup", "first part of it, which metrics leave out", "0s", duration(func(r *RunConfig) *time.Duration { return &r.Warmup }, 0, maxRun)},
	{"seeds", "most replications: each seed draws other arrivals and service times", "20", integer(func(r *RunConfig) *int { return &r.Seeds }, 1, MaxSeeds)},
}

// systemKeys are the parts of a system: the keys that variants may change.
var systemKeys = []string{"sources", "stages", "caches", "links", "lines", "bottlenecks", "reservoirs", "events"}

var topKeys = slices.Concat([]string{"name", "about", "costs", "run"}, systemKeys, []string{"variants", "expect"})

// source is what variants and mutants are read from.
type source struct {
	doc       *config.Doc
	base      config.Mapping
	overlays  map[string]config.Mapping // by variant
	reference string                    // the variant that others are compared with
}

// Reference is the name of the variant that stands for the unprotected system:
// push if there is one, else the first.
func (s *Scenario) Reference() string { return s.source.reference }

// Parse reads a scenario. The file name is for messages. The error names every
// problem with its place: it is [config.Problems].
func Parse(file string, data []byte) (*Scenario, error) {
	doc := config.Parse(file, data)
	m := doc.Root().Mapping(topKeys...)
	s := &Scenario{File: file, Run: RunConfig{Seeds: defaultSeeds}}
	readName(m.Need("name", "a name such as retry-storm"), &s.Name)
	s.About = m.Need("about", "a sentence or two").Text("")
	s.Costs = m.Get("costs").Text("")
	runKeys.read(plain(m.Need("run", "a mapping such as {for: 120s, warmup: 10s}")), &s.Run)
	if s.Run.For > 0 && s.Run.Warmup >= s.Run.For {
		m.Get("run").Bad("the warm-up lasts as long as the run", "warmup below for")
	}
	m.Need("stages", "a mapping of names to stages, or {} where there are only other parts")
	s.readVariants(doc, m)
	s.readExpect(m.Get("expect"))
	s.text = data
	for i := range s.Variants {
		s.Variants[i].System.Plan.Window = windowFor(s.Run.For, s.boundaries())
	}
	if err := distinct(doc.Err()); err != nil {
		return nil, err
	}
	return s, nil
}

// Check reports whether data is a scenario: the error of [Parse].
func Check(file string, data []byte) error {
	_, err := Parse(file, data)
	return err
}

// distinct leaves out what was found several times: variants share most of the
// file.
func distinct(err error) error {
	problems, ok := err.(config.Problems) //nolint:errorlint // Doc.Err returns it as it is
	if !ok {
		return err
	}
	var out config.Problems
	seen := map[config.Problem]bool{}
	for _, p := range problems {
		if !seen[*p] {
			seen[*p] = true
			out = append(out, p)
		}
	}
	return out
}

const nameForm = "letters, digits, - and _, beginning with a letter, 64 at most, and neither and nor of"

// readName reads a name that expectations can use.
func readName(n config.Node, into *string) {
	if s := n.Text(""); s != "" {
		*into = s
		checkName(n.Bad, s)
	}
}

func checkName(bad func(problem, allowed string), s string) {
	if s == "" || len(s) > maxNameBytes || !isLetter(s[0]) || spanOf(s, isNameByte) != len(s) || slices.Contains(reserved, s) {
		bad(config.Quote(s)+" is no name", nameForm)
	}
}

// readVariants reads the system once for each variant.
func (s *Scenario) readVariants(doc *config.Doc, m config.Mapping) {
	s.source = source{doc: doc, base: m, overlays: map[string]config.Mapping{}}
	var names []string
	for _, e := range m.Get("variants").Entries(MaxVariants) {
		checkName(e.Value.BadKey, e.Key)
		s.source.overlays[e.Key] = e.Value.Mapping(systemKeys...)
		names = append(names, e.Key)
	}
	if v := m.Get("variants"); v.IsMapping() && len(names) == 0 {
		v.Bad("is empty", "at least one variant, or no such key")
	}
	if len(names) == 0 {
		names = []string{"system"}
	}
	s.source.reference = names[0]
	if slices.Contains(names, "push") {
		s.source.reference = "push"
	}
	for _, name := range names {
		s.Variants = append(s.Variants, Variant{name, s.system(name, "")})
	}
}

// layersOf returns what the file and a variant say of a part of the system.
func (s *source) layersOf(key, variant string) []config.Node {
	layers := []config.Node{s.base.Get(key)}
	if o, ok := s.overlays[variant]; ok {
		layers = append(layers, o.Get(key))
	}
	return stack(layers)
}

// value returns a part of the system as a variant sees it, but for the one
// place where a mutant is as the reference.
func (s *source) value(key, variant, mutate string, places map[string]config.Node) value {
	v := value{
		place: s.base.Get(key), layers: s.layersOf(key, variant), reference: s.layersOf(key, s.reference),
		path: key, mutate: mutate, places: places,
	}
	if mutate == key {
		v.layers = v.reference
	}
	if v.present() {
		v.place = v.layers[len(v.layers)-1]
		v.remember()
	}
	return v
}

// Differences lists what a variant has and the reference has not, or has
// otherwise: dotted paths, such as stages.api.admission.
func (s *Scenario) Differences(variant string) []string {
	var out []string
	for _, key := range systemKeys {
		out = append(out, s.source.value(key, variant, "", nil).differences()...)
	}
	return out
}

// Mutant returns a variant's system with one of its [Scenario.Differences]
// undone. The error says what keeps the rest from being a system.
func (s *Scenario) Mutant(variant, path string) (System, error) {
	text := s.source
	known := text.doc.Err()
	system := s.system(variant, path)
	if err := text.doc.Err(); err != nil && known == nil {
		return System{}, fmt.Errorf("lab: %s without %s: %w", variant, path, distinct(err))
	}
	system.Plan.Window = windowFor(s.Run.For, s.boundaries())
	return system, nil
}
