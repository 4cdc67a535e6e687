package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafegrpc"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/sony/gobreaker/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstock-go/penstock/examples/shop/services"
)

// A setting is a way to protect a shop.
type setting struct {
	name  string
	guard func(service string) services.Guard
}

// places is the fixed limit of each service: nearly four times the database's
// connections.
const places = 30

var settings = []setting{
	{"nothing", plain},
	{"fixed limits (30)", func(string) services.Guard { return fixed(false) }},
	{"fixed limits (30) and gobreaker", func(string) services.Guard { return fixed(true) }},
	{"failsafe-go: adaptive limiters, retries", func(string) services.Guard { return throughFailsafe(false) }},
	{"failsafe-go: adaptive limiters, retries, breakers", func(string) services.Guard { return throughFailsafe(true) }},
	{"penstock, admission alone", penstockWith(services.Mechanisms{Admission: true})},
	{"penstock", penstockWith(services.Mechanisms{Admission: true, Signal: true})},
	{"penstock, each retries", penstockWith(services.Mechanisms{Admission: true, Signal: true, Retries: true})},
}

func penstockWith(m services.Mechanisms) func(string) services.Guard {
	return func(service string) services.Guard {
		g, _ := services.Penstock(service, m)
		return g
	}
}

// plain is a service that does nothing about overload.
func plain(string) services.Guard {
	return services.Guard{Server: []grpc.ServerOption{grpc.ChainUnaryInterceptor(sayUnavailable)}}
}

// sayUnavailable gives a failed call the status that callers expect of a callee
// that cannot serve, where gRPC would say that the error is unknown.
func sayUnavailable(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	res, err := next(ctx, req)
	if _, ok := status.FromError(err); !ok && ctx.Err() == nil {
		err = status.Error(codes.Unavailable, err.Error())
	}
	return res, err
}

// fixed is a limit that somebody has chosen, without a waiting room, and perhaps
// a circuit breaker with sony/gobreaker's defaults around each call.
func fixed(breakers bool) services.Guard {
	slots := make(chan struct{}, places)
	enter := func() bool {
		select {
		case slots <- struct{}{}:
			return true
		default:
			return false
		}
	}
	g := services.Guard{
		Handler: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !enter() {
					http.Error(w, "busy", http.StatusServiceUnavailable)
					return
				}
				defer func() { <-slots }()
				next.ServeHTTP(w, r)
			})
		},
		Server: []grpc.ServerOption{grpc.ChainUnaryInterceptor(sayUnavailable, func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if !enter() {
				return nil, status.Error(codes.ResourceExhausted, "busy")
			}
			defer func() { <-slots }()
			return next(ctx, req)
		})},
	}
	if !breakers {
		return g
	}
	breaker := gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{})
	g.Transport = func(base http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			return breaker.Execute(func() (*http.Response, error) {
				res, err := base.RoundTrip(r)
				if err == nil && res.StatusCode >= http.StatusInternalServerError {
					_ = res.Body.Close()
					return nil, errors.New(res.Status)
				}
				return res, err
			})
		})
	}
	g.Dial = []grpc.DialOption{grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		_, err := breaker.Execute(func() (*http.Response, error) { return nil, invoke(ctx, method, req, reply, cc, opts...) })
		return err
	})}
	return g
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// throughFailsafe has failsafe-go's policies with the defaults that its
// documentation gives: an adaptive limiter in each server; in each client two
// retries of what failed for a reason that may pass, and perhaps a circuit
// breaker (one failure opens it, for a minute).
func throughFailsafe(breakers bool) services.Guard {
	overHTTP := []failsafe.Policy[*http.Response]{failsafehttp.NewRetryPolicyBuilder().Build()}
	overGRPC := []failsafe.Policy[any]{failsafegrpc.NewRetryPolicyBuilder[any]().Build()}
	if breakers {
		overHTTP = append(overHTTP, circuitbreaker.NewWithDefaults[*http.Response]())
		overGRPC = append(overGRPC, circuitbreaker.NewWithDefaults[any]())
	}
	return services.Guard{
		Handler: func(next http.Handler) http.Handler {
			return failsafehttp.NewHandler(next, adaptivelimiter.NewWithDefaults[*http.Response]())
		},
		Server: []grpc.ServerOption{grpc.ChainUnaryInterceptor(
			failsafegrpc.NewUnaryServerInterceptor[any](adaptivelimiter.NewWithDefaults[any]()), sayUnavailable)},
		Transport: func(base http.RoundTripper) http.RoundTripper { return failsafehttp.NewRoundTripper(base, overHTTP...) },
		Dial:      []grpc.DialOption{grpc.WithChainUnaryInterceptor(failsafegrpc.NewUnaryClientInterceptor[any](overGRPC...))},
	}
}
