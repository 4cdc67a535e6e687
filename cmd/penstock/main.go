// Penstock is the command of the project: see penstock --help.
package main

import (
	"os"

	"github.com/penstock-go/penstock/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
