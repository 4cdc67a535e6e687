package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/bench/plant"
	"github.com/penstock-go/penstock/bench/process"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/penstockgrpc"
	"github.com/penstock-go/penstock/penstockhttp"
)

type hopConfig struct {
	index    int
	protocol string
	next     string // empty: this is the last
	listens  bool
}

// A hop is one of the six processes.
type hop struct {
	hopConfig
	watch  watch
	ctl    *admission.Controller
	door   *caller.Client
	client *caller.Client
	plant  *plant.Plant                    // of the last,
	call   func(ctx context.Context) error // and what the others do in its place
}

// state is what a hop says of itself to the bench.
type state struct {
	Passed passed         `json:"passed"`
	Stats  penstock.Stats `json:"stats"`
	Tested uint64         `json:"tested"` // refusals by estimate that were let through, at the door or behind it
	Peers  int            `json:"peers"`  // callees remembered, door included
	At     int64          `json:"at"`     // now
	Plant  plant.Stats    `json:"plant"`
}

// serveHop runs a hop until it is killed. It prints two addresses: that of its
// work and that of its control.
func serveHop(cfg hopConfig) error {
	h := &hop{hopConfig: cfg, door: caller.NewDoor(), client: caller.New(caller.Config{})}
	if cfg.next == "" {
		h.plant = plant.New(workers, "constant", mean)
		h.ctl = admission.New(admission.Config{})
	} else {
		h.ctl = admission.New(admission.Config{Limit: limit.Fixed(places)})
	}
	if err := h.connect(); err != nil {
		return err
	}
	return process.Serve(h.serve, h.control)
}

// serve answers over gRPC, and in the first hop, which the load drives, always
// over HTTP.
func (h *hop) serve(l net.Listener) error {
	if h.protocol == "grpc" && h.index > 1 {
		opts := append(penstockgrpc.Server(h.ctl, penstockgrpc.WithDoor(h.door)), grpc.StatsHandler(grpcWatch{&h.watch}))
		s := grpc.NewServer(opts...)
		s.RegisterService(&hopService, h)
		return s.Serve(l)
	}
	next := penstockhttp.Handler(h.ctl, http.HandlerFunc(h.answer), penstockhttp.WithDoor(h.door))
	return http.Serve(l, h.watch.around(next))
}

func (h *hop) answer(w http.ResponseWriter, r *http.Request) {
	if err := h.do(r.Context()); err != nil {
		penstockhttp.Error(w, r, err)
		return
	}
	_, _ = io.WriteString(w, "ok\n") // a caller that has left is nobody's loss
}

// do is a hop's work: some of its own, and that of the hops behind it.
func (h *hop) do(ctx context.Context) error {
	if h.plant != nil {
		return h.plant.Do(ctx)
	}
	time.Sleep(ownWork)
	return h.call(ctx)
}

// connect makes what calls the next hop.
func (h *hop) connect() error {
	switch {
	case h.next == "":
	case h.protocol == "grpc":
		opts := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
		if h.listens {
			opts = append(opts, penstockgrpc.Client(penstockgrpc.ClientConfig{Client: h.client})...)
		}
		opts = append(opts, grpc.WithChainUnaryInterceptor(noteCall))
		conn, err := grpc.NewClient(h.next, opts...)
		if err != nil {
			return err
		}
		h.call = func(ctx context.Context) error { return conn.Invoke(ctx, doMethod, &emptypb.Empty{}, &emptypb.Empty{}) }
	default:
		client := &http.Client{Transport: noting{&http.Transport{MaxIdleConnsPerHost: 2 * places}}}
		if h.listens {
			client.Transport = &penstockhttp.Transport{Base: client.Transport, Client: h.client}
		}
		h.call = func(ctx context.Context) error { return get(ctx, client, "http://"+h.next+"/") }
	}
	return nil
}

// noting notes what is really sent to the next hop.
type noting struct{ *http.Transport }

func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	calling(r.Context())
	return n.Transport.RoundTrip(r)
}

func noteCall(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	calling(ctx)
	return invoke(ctx, method, req, reply, cc, opts...)
}

func get(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection serves again
	_ = res.Body.Close()
	if refused, ok := penstockhttp.RefusalOf(res); ok {
		return refused
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// control tells the state, and then changes it: ?mark=1 forgets what happened first, ?speed=0.5
// changes the last hop.
func (h *hop) control(w http.ResponseWriter, r *http.Request) {
	door, client := h.door.Stats(), h.client.Stats()
	s := state{
		Passed: h.watch.seen(), Stats: h.ctl.Stats(), Tested: door.Explored + client.Explored,
		Peers: door.Peers + client.Peers, At: time.Now().UnixNano(),
	}
	if r.FormValue("mark") != "" {
		h.watch.mark()
	}
	if h.plant != nil {
		s.Plant = h.plant.Change(r.Form)
	}
	_ = json.NewEncoder(w).Encode(s)
}

const doMethod = "/hop.Hop/Do"

// hopService is a gRPC service of one method.
var hopService = grpc.ServiceDesc{
	ServiceName: "hop.Hop", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Do", Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		in := new(emptypb.Empty)
		if err := decode(in); err != nil {
			return nil, err
		}
		do := func(ctx context.Context, _ any) (any, error) { return in, srv.(*hop).do(ctx) }
		return intercept(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: doMethod}, do)
	}}},
}
