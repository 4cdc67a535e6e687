package archtest

import "fmt"

// A use is one import in one file of package from.
type use struct {
	from   string // relative to the module
	path   string // as written
	inTest bool   // the file is a test file
}

// breaks says which rules the use breaks, each with its reason. A package that
// is not in the table breaks none here: TestTable reports it, once.
func (u use) breaks() []string {
	at, ok := locate(u.from)
	if !ok {
		return nil
	}
	to, ours := relative(u.path)
	switch {
	case u.inTest && ours:
		return u.testReach(at, to)
	case u.inTest:
		return nil
	case ours:
		return u.downOnly(at, to)
	}
	return append(u.pureOnly(at), u.testOnly()...)
}

// downOnly holds for the module's own packages.
func (u use) downOnly(at place, to string) []string {
	target, ok := locate(to)
	if !ok {
		return nil
	}
	switch {
	case at.leaf != nil:
		return broken("%s is a leaf and imports %s: a leaf knows no other part, so that any part may use it", u.from, to)
	case target.leaf != nil && target.leaf.from == "tests":
		return broken("%s imports %s, which is for tests alone: it would put test flags into users' programs", u.from, to)
	case target.leaf != nil && at.level < levelOf(target.leaf.from):
		return broken("%s (%s) imports %s, which is for %s and above: what lies below is told its settings as Go values",
			u.from, at, to, target.leaf.from)
	case target.leaf != nil:
		return nil
	case target.level > at.level:
		return broken("%s (%s) imports %s (%s): imports go down only, so that a part can be used and proved "+
			"without what is built on it. Move the shared part down, or pass it in", u.from, at, to, target)
	case target.level == at.level && !isSideways(u.from, to):
		return broken("%s and %s are both in %s: parts of one layer stay apart, so that each can be used alone. "+
			"Move the shared part down; if the import is meant, add it to sideways in internal/archtest/table_test.go, with its reason, "+
			"and to ARCHITECTURE.md", u.from, to, at)
	}
	return nil
}

// testReach lets tests look up, but not to the programs.
func (u use) testReach(at place, to string) []string {
	target, ok := locate(to)
	if !ok || target.leaf != nil {
		return nil
	}
	if target.level > max(at.level, levelOf(testsReach)) {
		return broken("a test of %s (%s) imports %s (%s): a test may reach up to its own layer or the %s; "+
			"what needs more is a test of the upper part", u.from, at, to, target, testsReach)
	}
	return nil
}

// pureOnly holds for everything outside the module.
func (u use) pureOnly(at place) []string {
	if !at.layer.pure {
		return nil
	}
	if !isStandard(u.path) {
		return broken("%s (%s) imports %s: a pure package imports the standard library only, "+
			"so that its users inherit no dependency", u.from, at, u.path)
	}
	if u.path == "math/rand" {
		return broken("%s (%s) imports math/rand: take a *math/rand/v2.Rand, so that a run can be repeated", u.from, at)
	}
	for _, d := range deniedToPure {
		if !fits(d.path+"/...", u.path) {
			continue
		}
		if u.from == mayAskSystem && (d.path == "os" || d.path == "runtime") {
			continue
		}
		return broken("%s (%s) imports %s: %s", u.from, at, u.path, d.why)
	}
	return nil
}

// testOnly keeps test libraries out of users' programs.
func (u use) testOnly() []string {
	at, _ := locate(u.from)
	if isSuite(u.from) || at.leaf != nil && at.leaf.from == "tests" {
		return nil
	}
	for _, p := range testOnly {
		if fits(p+"/...", u.path) {
			return broken("%s imports %s outside its tests: test code belongs into _test.go files, "+
				"or into a package whose name ends in \"test\"", u.from, u.path)
		}
	}
	return nil
}

func broken(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }
