package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/caller/breaker"
	"github.com/penstock-go/penstock/penstockgrpc"
	"github.com/penstock-go/penstock/penstockhttp"
)

// A Config switches the shop's mechanisms. The zero Config is a shop with
// nothing, somewhere on loopback.
type Config struct {
	Listen    string // where the front listens; empty is anywhere on loopback
	Admission bool   // each service protects itself,
	Limit     int    // with a fixed limit where positive
	Signal    bool   // callers listen to their callees
	Breakers  bool   // callers have circuit breakers
}

// A Service is one of the shop's, as the view sees it.
type Service struct {
	Name string
	Ctl  *admission.Controller // nil where it is not protected
	Door *caller.Client
}

// A Shop is four services that run.
type Shop struct {
	Addr     string // of the front
	Database *Database
	Services []*Service // front first

	cfg   Config
	close []func()
	wg    sync.WaitGroup
}

// Open starts a shop.
func Open(cfg Config) (*Shop, error) {
	s := &Shop{cfg: cfg, Database: NewDatabase()}
	database, err := s.serveHTTP("database", "", s.Database)
	if err != nil {
		return nil, err
	}
	stock, err := s.serveHTTP("stock", "", s.ask(database))
	if err != nil {
		return nil, s.abort(err)
	}
	cart, err := s.serveCart(s.client(), "http://"+stock+"/")
	if err != nil {
		return nil, s.abort(err)
	}
	conn, err := grpc.NewClient(cart, s.dial()...)
	if err != nil {
		return nil, s.abort(err)
	}
	s.close = append(s.close, func() { _ = conn.Close() })
	s.Addr, err = s.serveHTTP("front", cfg.Listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := conn.Invoke(r.Context(), showCart, &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
			penstockhttp.Error(w, r, err)
		}
	}))
	if err != nil {
		return nil, s.abort(err)
	}
	return s, nil
}

// Close stops it.
func (s *Shop) Close() {
	for _, stop := range slices.Backward(s.close) {
		stop()
	}
	s.wg.Wait()
}

// abort stops what has been started of it.
func (s *Shop) abort(err error) error {
	s.Close()
	return err
}

// service makes the protection of a service, if it has one.
func (s *Shop) service(name string) *Service {
	v := &Service{Name: name, Door: caller.NewDoor()}
	s.Services = append([]*Service{v}, s.Services...)
	if s.cfg.Admission {
		cfg := admission.Config{}
		if s.cfg.Limit > 0 {
			cfg.Limit = limit.Fixed(float64(s.cfg.Limit))
		}
		v.Ctl = admission.New(cfg)
		s.close = append(s.close, v.Ctl.Close)
	}
	return v
}

// serveHTTP starts a service and returns its address.
func (s *Shop) serveHTTP(name, addr string, h http.Handler) (string, error) {
	if v := s.service(name); v.Ctl != nil {
		h = penstockhttp.Handler(v.Ctl, h, penstockhttp.WithName(name), penstockhttp.WithDoor(v.Door))
	}
	l, err := listenOn(addr)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h}
	s.wg.Go(func() { _ = server.Serve(l) })
	s.close = append(s.close, func() { _ = server.Close() })
	return l.Addr().String(), nil
}

func listenOn(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	return net.Listen("tcp", addr)
}

// client is how a service calls another.
func (s *Shop) client() *http.Client {
	base := &http.Transport{MaxIdleConnsPerHost: 1000}
	s.close = append(s.close, base.CloseIdleConnections)
	if !s.cfg.Signal && !s.cfg.Breakers {
		return &http.Client{Transport: base}
	}
	return &http.Client{Transport: &penstockhttp.Transport{Base: base, Client: caller.New(s.calls())}}
}

func (s *Shop) calls() caller.Config {
	cfg := caller.Config{Peer: caller.PeerConfig{NoThrottle: !s.cfg.Signal}}
	if s.cfg.Breakers {
		cfg.Peer.Breaker = &breaker.Config{}
	}
	return cfg
}

// ask is the stock service: it asks the database.
func (s *Shop) ask(database string) http.Handler {
	client := s.client()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := get(r.Context(), client, "http://"+database+"/"); err != nil {
			penstockhttp.Error(w, r, err)
		}
	})
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
	return nil
}

// The cart is a gRPC service of one method, written out where a generator would
// be used for a larger one.
const showCart = "/shop.Cart/Show"

type cart struct {
	client *http.Client
	stock  string
}

func (c *cart) show(ctx context.Context) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, get(ctx, c.client, c.stock)
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

func (s *Shop) serveCart(client *http.Client, stock string) (string, error) {
	var opts []grpc.ServerOption
	if v := s.service("cart"); v.Ctl != nil {
		opts = penstockgrpc.Server(v.Ctl, penstockgrpc.WithDoor(v.Door))
	}
	l, err := listenOn("")
	if err != nil {
		return "", err
	}
	server := grpc.NewServer(opts...)
	server.RegisterService(&cartService, &cart{client, stock})
	s.wg.Go(func() { _ = server.Serve(l) })
	s.close = append(s.close, server.Stop)
	return l.Addr().String(), nil
}

func (s *Shop) dial() []grpc.DialOption {
	opts := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if s.cfg.Signal || s.cfg.Breakers {
		opts = append(opts, penstockgrpc.Client(penstockgrpc.ClientConfig{Client: caller.New(s.calls())})...)
	}
	return opts
}
