// Package cli holds the penstock command's subcommands.
package cli
