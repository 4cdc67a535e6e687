package flowserver_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowserver"
	"github.com/penstock-go/penstock/flow/storetest"
)

// TestTheEnd lets a worker that waits go, with nothing, and finishes an offer
// whose commit is under way.
func TestTheEnd(t *testing.T) {
	committing, goOn := make(chan struct{}), make(chan struct{})
	store := &storetest.Mem{Fail: func(cs []flow.Change) error {
		if cs[0].Op == flow.OpPut {
			close(committing)
			<-goOn
		}
		return nil
	}}
	e, err := engine.Open(t.Context(), store, engine.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Define(t.Context(), flow.Definition{Name: "f", Stages: []flow.Stage{{Name: "a", WIP: 1}, {Name: "b", WIP: 1}}}); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := flowserver.New(e, flowserver.Tokens{})
	defer s.Close()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, nil) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	b := &bench{t: t, engine: e, addr: ln.Addr().String(), scheme: "http", client: &http.Client{Transport: transport, Timeout: watchdog}}
	pulled, offered := make(chan answer, 1), make(chan answer, 1)
	go func() { pulled <- b.do("POST", "/stages/b/pull", `{"wait":"5m"}`) }()
	for { // until the worker waits
		st, err := e.Stats("f")
		if err != nil {
			t.Fatal(err)
		}
		if st.Stages[1].Starved > 0 {
			break
		}
	}
	go func() { offered <- b.do("POST", "/items", "x") }()
	<-committing
	stop()
	if a := <-pulled; a.StatusCode != http.StatusOK || strings.TrimSpace(a.text) != `{"jobs":[]}` {
		t.Errorf("pull: %d %s", a.StatusCode, a.text)
	}
	close(goOn)
	if a := <-offered; a.StatusCode != http.StatusAccepted {
		t.Errorf("offer: %d %s", a.StatusCode, a.text)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestABrokenStoreEndsTheServer: only a new start finds out what the disk holds.
func TestABrokenStoreEndsTheServer(t *testing.T) {
	store := &storetest.Mem{Fail: func(cs []flow.Change) error {
		if cs[0].Op == flow.OpPut {
			return flow.ErrStoreBroken
		}
		return nil
	}}
	e, err := engine.Open(t.Context(), store, engine.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Define(t.Context(), flow.Definition{Name: "f", Stages: []flow.Stage{{Name: "a", WIP: 1}}}); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := flowserver.New(e, flowserver.Tokens{})
	defer s.Close()
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context(), ln, nil) }()
	if r := e.Offer(t.Context(), "f", flow.Offer{})[0]; r.Err == nil {
		t.Error("a broken store takes items in")
	}
	if err := <-served; err == nil || !strings.Contains(err.Error(), flow.ErrStoreBroken.Error()) {
		t.Errorf("Serve ends with %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
