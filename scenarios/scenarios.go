// Package scenarios is the lab's library: one YAML file for each way in which a
// system collapses, with what saves it. docs/lab.md says how they are written,
// and penstock lab list what they show.
package scenarios

import "embed"

// Files holds NAME.yaml for each scenario.
//
//go:embed *.yaml
var Files embed.FS
