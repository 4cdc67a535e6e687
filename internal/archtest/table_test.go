package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const module = "github.com/penstock-go/penstock"

// A layer is a set of packages. They may import the layers above them in the
// table, and each other only where sideways says so.
type layer struct {
	name     string
	packages string // patterns, separated by blanks: "." is the root, x/... is x and all below it
	pure     bool   // decides, and does nothing else: see deniedToPure
}

// table lists the layers from the bottom up. ARCHITECTURE.md shows the same.
// A package that is named counts as that, others by the longest pattern.
var table = []layer{
	{"mono", "mono", true},
	{"words", ".", true},
	{"kernels", "rate pressure sim/arrival sim/rival admission/... caller/...", true},
	{"cores", "admission caller demand flow internal/fields", true},
	{"hosts", "sim admission/limit/limittest load penstockhttp penstockgrpc flow/... demand/...", false},
	{"systems", "gateway lab lab/arena", false},
	{"programs", "cmd/... internal/cli/... internal/demo internal/dashboard/... examples/...", false},
}

// A leaf imports nothing of the module.
type leaf struct {
	pkg  string
	from string // the lowest layer whose code may import it; "tests" for test files alone
}

var leaves = []leaf{
	{"config", "systems"},
	{"scenarios", "systems"},
	{"internal/archtest", "tests"},
	{"internal/golden", "tests"},
	{"internal/leak", "tests"},
	{"internal/sockets", "hosts"},
}

// An edge lets one package import another of its own layer.
type edge struct{ from, to string }

var sideways = []edge{
	{"admission/limit/limittest", "sim"}, // the suite runs any law in the simulator's plants
	{"flow/...", "flow/engine"},          // the engine runs flows for whoever serves them
	{"flow/...", "flow/flowapi"},         // the messages that server and client share
	{"flow/flowserver", "penstockhttp"},  // a refusal looks the same everywhere
	{"penstockgrpc", "penstockhttp"},     // whom to trust and to tell is said the same way
	{"cmd/...", "internal/cli/..."},      // cmd holds main alone
	{"internal/cli/...", "internal/cli/..."},
	{"internal/cli/...", "internal/demo"},
	{"internal/cli/...", "internal/dashboard/..."},
	{"examples/shop", "examples/shop/services"}, // which bench/shop guards in other ways
}

// testsReach is the layer up to which any package's tests may import: twin
// tests run a core in the simulator.
const testsReach = "hosts"

// deniedToPure lists what a pure package may not import, with all below it.
var deniedToPure = []struct{ path, why string }{
	{"net/http", "pure packages do no I/O; the hosts speak protocols"},
	{"os", "pure packages do no I/O; admission/sense alone asks the system"},
	{"runtime", "pure packages are told what they need to know; admission/sense alone asks the runtime"},
	{"log", "pure packages return errors and stats; the hosts log"},
}

// mayAskSystem is the pure package that may import os and runtime: to sense is
// its work.
const mayAskSystem = "admission/sense"

// testOnly lists what may be imported by test files and by the public test
// suites, whose names end in "test".
var testOnly = []string{"testing", "pgregory.net/rapid", "go.uber.org/goleak"}

// place is where the table puts a package of the module.
type place struct {
	level int // index into table; -1 for a leaf
	layer layer
	leaf  *leaf
}

func (p place) String() string {
	if p.leaf != nil {
		return "a leaf"
	}
	return "layer " + p.layer.name
}

// locate finds a package, named relative to the module, "." for the root.
func locate(pkg string) (place, bool) {
	for i := range leaves {
		if leaves[i].pkg == pkg {
			return place{level: -1, leaf: &leaves[i]}, true
		}
	}
	best, found := place{}, ""
	for i, l := range table {
		for pattern := range strings.FieldsSeq(l.packages) {
			if pattern == pkg {
				return place{level: i, layer: l}, true
			}
			if fits(pattern, pkg) && len(pattern) > len(found) {
				best, found = place{level: i, layer: l}, pattern
			}
		}
	}
	return best, found != ""
}

// fits reports whether a pattern names pkg: exactly, or as x/... for x and all
// below it.
func fits(pattern, pkg string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == dir || strings.HasPrefix(pkg, dir+"/")
	}
	return pattern == pkg
}

func levelOf(layerName string) int {
	return slices.IndexFunc(table, func(l layer) bool { return l.name == layerName })
}

func isSideways(from, to string) bool {
	return slices.ContainsFunc(sideways, func(e edge) bool { return fits(e.from, from) && fits(e.to, to) })
}

// relative names an import path of the module relative to it.
func relative(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// block is the table as ARCHITECTURE.md shows it.
func block() string {
	var b strings.Builder
	b.WriteString("layers:\n")
	for _, l := range table {
		pure := ""
		if l.pure {
			pure = " (pure)"
		}
		fmt.Fprintf(&b, "  %-18s %s\n", l.name+pure, l.packages)
	}
	b.WriteString("leaves:\n")
	for _, l := range leaves {
		users := l.from + " and above"
		if l.from == "tests" {
			users = "tests"
		}
		fmt.Fprintf(&b, "  %-18s for %s\n", l.pkg, users)
	}
	b.WriteString("sideways:\n")
	for _, e := range sideways {
		fmt.Fprintf(&b, "  %s -> %s\n", e.from, e.to)
	}
	return b.String()
}

// isSuite reports whether a package is a public test suite, such as limittest.
func isSuite(pkg string) bool { return strings.HasSuffix(path.Base(pkg), "test") }
