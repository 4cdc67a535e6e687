package main

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/penstock-go/penstock/examples/shop/services"
)

// counts are how many requests have arrived at each service.
type counts map[string]*atomic.Uint64

func newCounts() counts {
	c := counts{}
	for _, name := range services.Names {
		c[name] = new(atomic.Uint64)
	}
	return c
}

func (c counts) arrived() map[string]uint64 {
	all := map[string]uint64{}
	for name, n := range c {
		all[name] = n.Load()
	}
	return all
}

// around counts outside of what a guard does.
func (c counts) around(guard func(string) services.Guard) func(string) services.Guard {
	return func(service string) services.Guard {
		n := c[service]
		g := guard(service)
		inner := g.Handler
		g.Handler = func(next http.Handler) http.Handler {
			if inner != nil {
				next = inner(next)
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				next.ServeHTTP(w, r)
			})
		}
		first := grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			n.Add(1)
			return next(ctx, req)
		})
		g.Server = slices.Concat([]grpc.ServerOption{first}, g.Server)
		return g
	}
}
