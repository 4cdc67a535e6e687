package penstockhttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/penstockhttp"
)

// TestConnect: handlers and clients of connectrpc.com/connect are net/http's:
// what is known of a request travels on, and a refusal is one to them too.
func TestConnect(t *testing.T) {
	const procedure = "/test.v1.Test/Empty"
	var found penstock.Work
	mux := http.NewServeMux()
	mux.Handle(procedure, connect.NewUnaryHandler(procedure, func(ctx context.Context, _ *connect.Request[emptypb.Empty]) (*connect.Response[emptypb.Empty], error) {
		found, _ = penstock.WorkFrom(ctx)
		return connect.NewResponse(&emptypb.Empty{}), nil
	}))
	ctl := newController(t)
	server := httptest.NewServer(penstockhttp.Handler(ctl, mux))
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	transport := &penstockhttp.Transport{Base: base}
	client := connect.NewClient[emptypb.Empty, emptypb.Empty](&http.Client{Transport: transport}, server.URL+procedure)
	ctx, cancel := context.WithTimeout(penstock.WithWork(t.Context(), penstock.Work{Criticality: penstock.Sheddable, Cohort: penstock.CohortAt(5)}), watchdog)
	defer cancel()
	call := func() error {
		_, err := client.CallUnary(ctx, connect.NewRequest(&emptypb.Empty{}))
		return err
	}
	if err := call(); err != nil || found.Criticality != penstock.Sheddable || found.Cohort.Index() != 5 || !found.HasDeadline {
		t.Errorf("%v; the handler found %+v", err, found)
	}
	ctl.Drain()
	if err := call(); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("refused: %v", err)
	}
	for ctx.Err() == nil { // a price is a moving average
		if err := call(); errors.Is(err, penstock.ErrRejected) {
			return
		}
	}
	t.Error("the client does not listen")
}
