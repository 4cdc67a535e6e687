// Package services is a shop of four small services, front -> cart -> stock ->
// database, over HTTP and gRPC. By themselves they do nothing about overload:
// a [Guard] does, of penstock ([Penstock]) or of anybody else.
package services

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/penstock-go/penstock/penstockhttp"
)

// Names are the services', front first.
var Names = []string{"front", "cart", "stock", "database"}

// A Config shapes a shop. The zero Config is one without guards, somewhere on
// loopback.
type Config struct {
	Listen string // where the front listens; empty is anywhere on loopback
	// Guard makes the guard of a service; nil is none.
	Guard func(service string) Guard
	// Between returns the address by which one service is to reach another, which
	// listens at the address given: to put a proxy between them. nil is no proxy.
	Between func(from, to, address string) (string, error)
}

// A Guard is how one service protects itself and calls others. What is nil is not
// there.
type Guard struct {
	Handler   func(http.Handler) http.Handler           // around what it serves over HTTP,
	Server    []grpc.ServerOption                       // or over gRPC
	Transport func(http.RoundTripper) http.RoundTripper // around its calls over HTTP,
	Dial      []grpc.DialOption                         // or over gRPC
	Close     func()
}

// A Shop is four services that run.
type Shop struct {
	Addr     string // of the front
	Database *Database

	cfg   Config
	close []func()
	wg    sync.WaitGroup
}

// Open starts a shop.
func Open(cfg Config) (*Shop, error) {
	s := &Shop{cfg: cfg, Database: NewDatabase()}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Shop) open() error {
	database, err := s.serve("", s.Database, s.guard("database"))
	if err != nil {
		return err
	}
	stock, err := s.openStock(database)
	if err != nil {
		return err
	}
	cart, err := s.openCart(stock)
	if err != nil {
		return err
	}
	return s.openFront(cart)
}

func (s *Shop) openStock(database string) (string, error) {
	g := s.guard("stock")
	ask, err := s.caller("stock", "database", database, g)
	if err != nil {
		return "", err
	}
	return s.serve("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := ask(r.Context()); err != nil {
			penstockhttp.Error(w, r, err)
		}
	}), g)
}

func (s *Shop) openCart(stock string) (string, error) {
	g := s.guard("cart")
	ask, err := s.caller("cart", "stock", stock, g)
	if err != nil {
		return "", err
	}
	return s.serveCart(&cart{ask}, g)
}

func (s *Shop) openFront(cart string) error {
	g := s.guard("front")
	conn, err := s.dial("front", "cart", cart, g)
	if err != nil {
		return err
	}
	s.Addr, err = s.serve(s.cfg.Listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := conn.Invoke(r.Context(), showCart, &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
			penstockhttp.Error(w, r, err)
		}
	}), g)
	return err
}

// Close stops it.
func (s *Shop) Close() {
	for _, stop := range slices.Backward(s.close) {
		stop()
	}
	s.wg.Wait()
}

func (s *Shop) guard(service string) Guard {
	if s.cfg.Guard == nil {
		return Guard{}
	}
	g := s.cfg.Guard(service)
	if g.Close != nil {
		s.close = append(s.close, g.Close)
	}
	return g
}

// serve starts an HTTP service and returns its address.
func (s *Shop) serve(address string, h http.Handler, g Guard) (string, error) {
	if g.Handler != nil {
		h = g.Handler(h)
	}
	l, err := listen(address)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h}
	s.wg.Go(func() { _ = server.Serve(l) }) // ends when it is closed
	s.close = append(s.close, func() { _ = server.Close() })
	return l.Addr().String(), nil
}

func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	return net.Listen("tcp", address)
}

func (s *Shop) between(from, to, address string) (string, error) {
	if s.cfg.Between == nil {
		return address, nil
	}
	return s.cfg.Between(from, to, address)
}

// caller returns how a service asks another over HTTP.
func (s *Shop) caller(from, to, address string, g Guard) (func(context.Context) error, error) {
	address, err := s.between(from, to, address)
	if err != nil {
		return nil, err
	}
	base := &http.Transport{MaxIdleConnsPerHost: 1000}
	s.close = append(s.close, base.CloseIdleConnections)
	client := &http.Client{Transport: base}
	if g.Transport != nil {
		client.Transport = g.Transport(base)
	}
	return func(ctx context.Context) error { return get(ctx, client, "http://"+address+"/") }, nil
}

// get asks another service; a refusal is an error.
func get(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if refused, ok := penstockhttp.RefusalOf(res); ok {
		return refused
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return err
}

// maxAnswer is the most that is read of an answer, in bytes.
const maxAnswer = 64 << 10

// The cart is a gRPC service of one method, written out where a generator would
// be used for a larger one.
const showCart = "/shop.Cart/Show"

type cart struct {
	ask func(context.Context) error
}

func (c *cart) show(ctx context.Context) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, c.ask(ctx)
}

var cartService = grpc.ServiceDesc{
	ServiceName: "shop.Cart", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Show", Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		in := new(emptypb.Empty)
		if err := decode(in); err != nil {
			return nil, err
		}
		show := func(ctx context.Context, _ any) (any, error) { return srv.(*cart).show(ctx) }
		if intercept == nil {
			return show(ctx, in)
		}
		return intercept(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: showCart}, show)
	}}},
}

func (s *Shop) serveCart(c *cart, g Guard) (string, error) {
	l, err := listen("")
	if err != nil {
		return "", err
	}
	server := grpc.NewServer(g.Server...)
	server.RegisterService(&cartService, c)
	s.wg.Go(func() { _ = server.Serve(l) }) // ends when it is stopped
	s.close = append(s.close, server.Stop)
	return l.Addr().String(), nil
}

func (s *Shop) dial(from, to, address string, g Guard) (*grpc.ClientConn, error) {
	address, err := s.between(from, to, address)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(address, slices.Concat([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, g.Dial)...)
	if err == nil {
		s.close = append(s.close, func() { _ = conn.Close() })
	}
	return conn, err
}
