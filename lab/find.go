package lab

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/scenarios"
)

// Library lists the names of the scenarios that come with penstock, in order.
func Library() []string {
	files, err := fs.Glob(scenarios.Files, "*.yaml")
	if err != nil {
		panic("lab: " + err.Error()) // the pattern is right
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	slices.Sort(files)
	return files
}

// Load reads a scenario: the file of the given name, or the library's scenario.
// A name without a slash or a dot is the library's.
func Load(name string) (*Scenario, error) {
	if !strings.ContainsAny(name, "/.\\") {
		data, err := scenarios.Files.ReadFile(name + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("lab: there is no scenario %s in the library; a file needs its ending or a path, such as ./%s.yaml. The library has %s",
				config.Quote(name), name, strings.Join(Library(), ", "))
		}
		return Parse(name+".yaml", data)
	}
	data, err := readFile(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

// readFile reads a file, but no more of it than tells that it is too large.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return nil, &config.Problem{File: name, Text: err.Error()}
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, config.MaxFileBytes+1))
	if err != nil {
		return nil, &config.Problem{File: name, Text: err.Error()}
	}
	return data, nil
}
