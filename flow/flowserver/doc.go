// Package flowserver serves flows as JSON over HTTP, so that producers and
// workers in any language need no library. proto/penstock/flow/v1/flow.proto is
// the definition; docs/flow.md shows it with curl.
//
// A full entrance refuses before it reads a body. A worker that waits is
// answered in the moment in which there is an item.
package flowserver
