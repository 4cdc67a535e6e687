// Package demo shows what backpressure is for: two copies of a sample service,
// one asked directly and one through a gateway, are offered the same load, which
// exceeds their capacity for a while.
//
// The service, the gateway and the load are real and talk TCP over the loopback
// interface; nothing is simulated but the work itself, which is a wait. docs/demo.md
// says what is to be seen, and why.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/gateway"
	"github.com/penstock-go/penstock/mono"
)

// The lanes, in the order in which they are shown.
const (
	unprotected = iota
	protected
	lanes
)

// stopTime bounds how long Close waits for requests in hand.
const stopTime = time.Second

// A Demo is two services, a gateway in front of one, and the load on both.
type Demo struct {
	cfg      Config
	capacity float64 // jobs per second of one service
	phases   []Phase
	lanes    [lanes]*lane
	gateway  *gateway.Gateway

	phase   atomic.Int64 // from 1; 0 before the load, len(phases)+1 after
	loading sync.Once
	start   mono.Time // of the load; written before phase becomes 1
	refused atomic.Pointer[string]

	stopGateway context.CancelFunc
	served      chan error
	closing     sync.Once
	closed      error
}

// Start opens every listener and serves. The error names every problem of the
// configuration, or the address that cannot be listened on.
func Start(cfg Config) (*Demo, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	d := &Demo{cfg: cfg, capacity: cfg.capacity(), phases: plan(cfg.For, cfg.Peak), served: make(chan error, 1)}
	for i, name := range [lanes]string{"unprotected", "protected"} {
		s, err := newService(cfg, uint64(i))
		if err != nil {
			return nil, errors.Join(err, d.closeServices())
		}
		d.lanes[i] = &lane{name: name, service: s, address: s.addr()}
	}
	if err := d.startGateway(); err != nil {
		return nil, errors.Join(err, d.closeServices())
	}
	return d, nil
}

// startGateway puts a gateway before the protected service. It is told the
// service's address and nothing else.
func (d *Demo) startGateway() error {
	l := d.lanes[protected]
	cfg, err := gateway.ForBackends("", "", []string{"http://" + l.service.addr()})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	cfg.Listen, cfg.Admin = freeOr(d.cfg.Listen), freeOr(d.cfg.Admin)
	g, err := gateway.New(cfg, gateway.WithLameDuck(0), gateway.WithDrainTime(stopTime))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := g.Listen(); err != nil {
		return errors.Join(fmt.Errorf("demo: %w", err), g.Close())
	}
	d.gateway, l.gateway, l.address = g, g, g.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	d.stopGateway = cancel
	go func() { d.served <- g.Serve(ctx) }()
	return nil
}

// freeOr returns the address if it can be listened on, else one with a port of
// the system's choice.
func freeOr(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close() // it accepted nothing
	return address
}

// Addresses are where the demo listens: URLs without a path.
type Addresses struct {
	Unprotected string `json:"unprotected"` // the service without a gateway
	Protected   string `json:"protected"`   // the gateway
	Admin       string `json:"admin"`       // the gateway's admin interface
}

// Addresses returns where to send requests.
func (d *Demo) Addresses() Addresses {
	return Addresses{
		Unprotected: d.lanes[unprotected].url(),
		Protected:   d.lanes[protected].url(),
		Admin:       "http://" + d.gateway.AdminAddr().String(),
	}
}

// Close drains the gateway, stops the services, and waits for all of it. What
// is in a service's queue is dropped.
func (d *Demo) Close() error {
	d.closing.Do(func() {
		d.stopGateway()
		err := <-d.served
		if errors.Is(err, gateway.ErrDrain) {
			err = nil // somebody waits in the service's queue, which is not worth waiting for
		}
		d.closed = errors.Join(err, d.closeServices())
	})
	return d.closed
}

func (d *Demo) closeServices() error {
	var errs []error
	for _, l := range d.lanes {
		if l != nil {
			errs = append(errs, l.service.close())
		}
	}
	return errors.Join(errs...)
}
