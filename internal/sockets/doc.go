// Package sockets looks into TCP connections without reading from them.
package sockets
