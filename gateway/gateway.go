// Package gateway is a reverse proxy that keeps the servers behind it at full
// goodput under any load.
package gateway
