package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ErrDrain is returned by [Gateway.Serve] where requests were still in hand when
// the time for draining was over.
var ErrDrain = errors.New("gateway: requests were cut off: the time to drain was over")

// frontServer has no absolute time for a whole request, which would kill long
// transfers that go well: bodies and answers have deadlines that roll.
func (g *Gateway) frontServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           g,
		Protocols:         protocols,
		ReadHeaderTimeout: g.bounds.header,
		IdleTimeout:       g.bounds.idle,
		MaxHeaderBytes:    MaxHeaderBytes,
		ErrorLog:          log.New(g.quiet, "", 0),
		ConnContext:       withConn,
		ConnState:         g.connState,
	}
}

// connState counts connections whose bytes never made a request.
func (g *Gateway) connState(c net.Conn, state http.ConnState) {
	own, ok := c.(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		own.speaking.Store(true) // until a handler takes it up
	case http.StateIdle:
		own.rests()
	case http.StateClosed:
		if !own.speaking.Load() {
			return
		}
		switch own.refused.Load() {
		case 0:
			g.counts.fault(faultHalfRequest)
		case http.StatusRequestHeaderFieldsTooLarge:
			g.counts.fault(faultHeaderTooLarge)
		default:
			g.counts.fault(faultBadRequest)
		}
	default:
	}
}

// Listen opens the listeners, so that their addresses are known before
// [Gateway.Serve]. Calling it is optional, and again is no harm.
func (g *Gateway) Listen() error {
	g.listening.Lock()
	defer g.listening.Unlock()
	if g.frontL != nil {
		return nil
	}
	front, err := net.Listen("tcp", g.listen)
	if err != nil {
		return fmt.Errorf("gateway: listen: %w", err)
	}
	if g.adminListen != "" {
		admin, err := net.Listen("tcp", g.adminListen)
		if err != nil {
			return errors.Join(fmt.Errorf("gateway: admin: %w", err), front.Close())
		}
		g.adminL = newBoundedListener(admin, MaxAdminConnections, g.bounds.write)
	}
	g.frontL = newBoundedListener(front, g.opts.maxConnections, g.bounds.write)
	g.frontL.front = g
	return nil
}

// Serve listens and serves until ctx ends, then drains: it says that it is not
// ready, goes on for the lame-duck time, stops accepting, refuses what is new on
// open connections (reason draining), and waits for what is in hand. Streams, and
// work that goes on for clients that have left, end when everything else has. It returns nil after a clean drain, [ErrDrain] after
// a cut one, nil after [Gateway.Close], and the error of a listener that failed.
// A gateway serves once.
func (g *Gateway) Serve(ctx context.Context) error {
	if err := g.Listen(); err != nil {
		return err
	}
	front, admin := g.listeners()
	failed := make(chan error, 2)
	var servers sync.WaitGroup
	serve := func(s *http.Server, l *boundedListener) {
		servers.Go(func() {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				failed <- fmt.Errorf("gateway: serving %s: %w", l.Addr(), err)
			}
		})
	}
	serve(g.front, front)
	if admin != nil {
		serve(g.admin, admin)
	}
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	servers.Go(func() { g.watch(watching) })
	g.ready.Store(true)
	g.log.LogAttrs(ctx, slog.LevelInfo, "serving",
		slog.String("listen", front.Addr().String()), slog.String("admin", g.adminListen), slog.Bool("observe", g.table.Load().observe))

	var err error
	select {
	case <-ctx.Done():
		err = g.drain(context.WithoutCancel(ctx), front)
	case err = <-failed:
	case <-g.closed:
	}
	stopWatching()
	err = errors.Join(err, g.Close())
	servers.Wait()
	return err
}

// drain ends the front in good order. The admin interface goes on until Close.
func (g *Gateway) drain(ctx context.Context, front *boundedListener) error {
	g.ready.Store(false)
	g.draining.Store(true)
	g.log.LogAttrs(ctx, slog.LevelInfo, "draining", slog.Int64("in_hand", g.work.n.Load()))
	if !g.pause(g.opts.lameDuck) {
		return nil
	}
	_ = front.Close() // Shutdown closes it again
	g.ctl.Drain()
	ctx, cancel := context.WithTimeout(ctx, g.opts.drain)
	defer cancel()
	if !g.work.wait(ctx.Done(), g.closed) {
		g.log.LogAttrs(ctx, slog.LevelWarn, "drain cut off", slog.Int64("in_hand", g.work.n.Load()))
		return ErrDrain
	}
	g.streams.end()
	g.zombies.end()
	if err := g.front.Shutdown(ctx); err != nil { // the last answers leave their buffers
		return ErrDrain
	}
	return nil
}

// pause reports false where the gateway was closed meanwhile.
func (g *Gateway) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-g.closed:
		return false
	}
}

// Close stops at once: it cuts off every connection, and everything that was
// left to finish alone. It also ends a Serve that drains.
func (g *Gateway) Close() error {
	g.closing.Do(g.shut)
	return nil
}

// shut is Close, once; a second caller waits for the first.
func (g *Gateway) shut() {
	g.ready.Store(false)
	g.draining.Store(true)
	close(g.closed)
	// Errors of connections and listeners that are closed anyway.
	_ = g.front.Close()
	_ = g.admin.Close()
	front, admin := g.listeners()
	for _, l := range []*boundedListener{front, admin} {
		if l != nil {
			_ = l.Close()
		}
	}
	g.ctl.Drain()
	g.streams.end()
	g.zombies.end()
	g.settle()
	for _, be := range *g.backends.Load() {
		be.transport.CloseIdleConnections()
	}
	g.ctl.Close()
	if g.recorder != nil {
		g.recorder.close()
	}
}

// settle waits for what was just cut off to end, no longer than a drain of a
// single answer may take.
func (g *Gateway) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*g.bounds.drainTime)
	defer cancel()
	g.handlers.wait(ctx.Done(), nil)
}
