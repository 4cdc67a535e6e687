//go:build unix

package gateway_test

import (
	"fmt"
	"net"
	"net/http"
	"runtime"
	"syscall"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

// Thousands of idle connections cost little, and do not get into the way.
func TestIdleConnections(t *testing.T) {
	const idle = 8000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Skip("needs a system that tells its limit on open files (getrlimit), such as Linux:", err)
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Log("raising the limit on open files:", err)
		}
	}
	if limit.Cur < 2*idle+500 {
		t.Skipf("needs %d open files for both ends of %d connections, and may have %d: ulimit -n %d, as root if the hard limit is lower", 2*idle+500, idle, limit.Cur, 2*idle+500)
	}
	r := serve(t, config(backend(t, discard)))
	if most := r.State().Front.MaxConnections; most <= idle {
		t.Skipf("needs a gateway with more than %d connections, and of %d open files it leaves its clients %d: raise ulimit -n", idle, limit.Cur, most)
	}
	goroutines := runtime.NumGoroutine()
	address := r.Addr().String()
	conns := make([]net.Conn, idle)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
		r.until("they are gone", func(s gateway.State) bool { return s.Front.Connections <= 10 })
	}()
	for i := range conns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	r.until("all are accepted", func(s gateway.State) bool { return s.Front.Connections >= idle })
	for range 100 {
		if res, _ := r.get("/"); res.StatusCode != http.StatusOK {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	if n := runtime.NumGoroutine() - goroutines; n > idle+100 {
		t.Errorf("%d goroutines for %d idle connections", n, idle)
	}
}

// Beyond the bound, connections wait in the backlog until one is closed.
func TestConnectionBound(t *testing.T) {
	r := serve(t, config(backend(t, discard)), gateway.WithMaxConnections(2))
	a, _ := r.dial()
	r.dial()
	r.until("both are accepted", func(s gateway.State) bool { return s.Front.Connections == 2 })
	c, in := r.dial()
	_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	r.until("accepting has stopped", func(s gateway.State) bool { return s.Front.AcceptStopped == 1 })
	if s := r.State(); s.Routes[0].Requests != 0 {
		t.Fatal("the third connection was served")
	}
	_ = a.Close()
	if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
}
