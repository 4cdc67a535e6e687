package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/penstock-go/penstock/gateway"
)

func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))
	defer service.Close()

	cfg, err := gateway.ForBackends("127.0.0.1:0", "none", []string{service.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := gateway.New(cfg, gateway.WithLameDuck(0))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := g.Listen(); err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + g.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	fmt.Println(res.StatusCode, string(body), err)

	stop() // drains
	fmt.Println(<-served)
	fmt.Println(g.State().Stats.Good, "good")

	// Output:
	// 200 hello <nil>
	// <nil>
	// 1 good
}
