package flowserver_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowserver"
	"github.com/penstock-go/penstock/flow/storetest"
	"github.com/penstock-go/penstock/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// watchdog ends a test that hangs.
const watchdog = 30 * time.Second

// A bench is a server on a listener of its own.
type bench struct {
	t      *testing.T
	engine *engine.Engine
	addr   string
	scheme string
	client *http.Client
	token  string
}

type setup struct {
	store   flow.Store
	tokens  flowserver.Tokens
	secure  *tls.Config
	trusted *tls.Config
	options []flowserver.Option
}

// start serves a flow "f" with the stages a and b.
func start(t *testing.T, wip int, how setup) *bench {
	t.Helper()
	if how.store == nil {
		how.store = &storetest.Mem{}
	}
	e, err := engine.Open(t.Context(), how.store, engine.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	def := flow.Definition{Name: "f", PayloadMax: 10_000, Stages: []flow.Stage{{Name: "a", WIP: wip}, {Name: "b", WIP: wip}}}
	if err := e.Define(t.Context(), def); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := flowserver.New(e, how.tokens, how.options...)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, how.secure) }()
	transport := &http.Transport{TLSClientConfig: how.trusted, ExpectContinueTimeout: watchdog}
	b := &bench{t: t, engine: e, addr: ln.Addr().String(), scheme: "http", client: &http.Client{Transport: transport, Timeout: watchdog}}
	if how.secure != nil {
		b.scheme = "https"
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		s.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) request(method, path string, body io.Reader) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.scheme+"://"+b.addr+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return r
}

// An answer is a response, with what its body says.
type answer struct {
	*http.Response
	text string
	body struct {
		Detail, Reason, ID, Outcome string
		RetryAfterMS                float64 `json:"retry_after_ms"`
		RetrySafe                   bool    `json:"retry_safe"`
		Pressure                    float64
		Jobs                        []struct{ ID, Lease string }
		Results                     []struct{ ID, Outcome, Error, Reason string }
	}
}

func (b *bench) send(r *http.Request) answer {
	b.t.Helper()
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.read(res)
}

func (b *bench) read(res *http.Response) answer {
	b.t.Helper()
	a, err := b.tryRead(res)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *bench) tryRead(res *http.Response) (a answer, err error) {
	defer res.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(res.Body)
	a.Response, a.text = res, string(text)
	if err == nil && strings.Contains(res.Header.Get("Content-Type"), "json") {
		err = json.Unmarshal(text, &a.body)
	}
	return a, err
}

func (b *bench) do(method, path, body string) answer {
	b.t.Helper()
	return b.send(b.request(method, "/v1/flows/f"+path, strings.NewReader(body)))
}

// fill offers items until the entrance refuses.
func (b *bench) fill() (n int) {
	b.t.Helper()
	for ; ; n++ {
		if a := b.do("POST", "/items", "x"); a.StatusCode != http.StatusAccepted {
			return n
		}
	}
}
