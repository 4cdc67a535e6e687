package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/gateway"
	"github.com/penstock-go/penstock/internal/golden"
)

func (r *rig) adminGet(path string, header ...string) (*http.Response, string) {
	r.Helper()
	req, err := http.NewRequest(http.MethodGet, r.admin+path, nil)
	if err != nil {
		r.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	return r.do(req)
}

func TestAdmin(t *testing.T) {
	r := serve(t, config(backend(t, discard)))
	r.get("/")
	tests := []struct {
		path        string
		status      int
		kind, holds string
	}{
		{"/healthz", 200, "text/plain", "ok"},
		{"/readyz", 200, "text/plain", "ready"},
		{"/metrics", 200, "text/plain", "penstock_admitted_total 1"},
		{"/v1/state", 200, "application/json", `"admitted": 1`},
		{"/", 200, "text/html", "<title>penstock gateway</title>"},
		{"/v1/explain/UPPER", 400, "text/plain", "no refusal id"},
		{"/v1/explain/zzz", 404, "text/plain", "no refusal of that id"},
		{"/nothing", 404, "text/plain", ""},
	}
	for _, tt := range tests {
		res, body := r.adminGet(tt.path)
		if res.StatusCode != tt.status || !strings.HasPrefix(res.Header.Get("Content-Type"), tt.kind) || !strings.Contains(body, tt.holds) {
			t.Errorf("%s: status %d, type %q, body\n%s", tt.path, res.StatusCode, res.Header.Get("Content-Type"), body)
		}
	}
	_, page := r.adminGet("/")
	for _, outside := range []string{"http://", "https://", "src=", "@import", "url("} {
		if strings.Contains(page, outside) {
			t.Errorf("the page asks for something from outside: %q", outside)
		}
	}
	var s gateway.State
	_, body := r.adminGet("/v1/state")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	if !s.Ready || s.Stats.Admitted != 1 || s.Routes[0].Answers["2xx"] != 1 || s.Build.Go == "" {
		t.Errorf("state: %+v", s)
	}
}

func TestExplainARefusal(t *testing.T) {
	release := make(chan struct{})
	cfg := config(backend(t, func(http.ResponseWriter, *http.Request) { <-release }))
	cfg.Routes[0].Limit, cfg.Routes[0].WaitFor = fixed(1), -1
	r := serve(t, cfg)
	t.Cleanup(func() { close(release) })
	go r.ask(r.front)
	r.until("slot taken", func(s gateway.State) bool { return s.Stats.InFlight == 1 })
	res, body := r.get("/")
	p := r.wantProblem(res, body, http.StatusServiceUnavailable, "queue_full")
	if p.Limit != "/" || p.ID == "" || strings.Contains(body, "127.0.0.1") {
		t.Errorf("the refusal says %s", body)
	}
	explained, words := r.adminGet("/v1/explain/" + p.ID)
	if explained.StatusCode != http.StatusOK || !strings.Contains(words, p.ID) {
		t.Errorf("status %d, %s", explained.StatusCode, words)
	}
}

// Liveness, readiness and state are answered while every slot is taken, the room
// is full, and clients press on.
func TestAdminAnswersUnderLoad(t *testing.T) {
	release := make(chan struct{})
	cfg := config(backend(t, func(http.ResponseWriter, *http.Request) { <-release }))
	cfg.Routes[0].Limit, cfg.Routes[0].WaitFor = fixed(1), -1
	r := serve(t, cfg, gateway.WithMaxConnections(64))
	go r.ask(r.front)
	r.until("slot taken", func(s gateway.State) bool { return s.Stats.InFlight == 1 })
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if res, err := r.client.Get(r.front); err == nil {
						_, _ = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
					}
				}
			}
		})
	}
	for range 20 {
		for _, path := range []string{"/healthz", "/readyz", "/v1/state", "/metrics"} {
			if res, body := r.adminGet(path); res.StatusCode != http.StatusOK {
				t.Errorf("%s: status %d, %s", path, res.StatusCode, body)
			}
		}
	}
	close(stop)
	clients.Wait()
	close(release)
	if s := r.State(); s.Stats.Refused.Total() == 0 {
		t.Error("nothing was refused: the test shows nothing")
	}
}

func TestAdminToken(t *testing.T) {
	cfg := config(backend(t, discard))
	cfg.Admin = "0.0.0.0:0"
	if _, err := gateway.New(cfg); err == nil {
		t.Error("an admin listener for everybody was accepted without a token")
	}
	r := serve(t, cfg, gateway.WithAdminToken("open sesame"))
	r.admin = strings.Replace(r.admin, "[::]", "127.0.0.1", 1)
	for _, tt := range []struct {
		path, authorization string
		status              int
	}{
		{"/healthz", "", 200},
		{"/readyz", "", 200},
		{"/", "", 200}, // holds no data
		{"/metrics", "", 401},
		{"/v1/state", "", 401},
		{"/v1/state", "Bearer wrong", 401},
		{"/v1/state", "open sesame", 401},
		{"/v1/state", "Bearer open sesame", 200},
		{"/metrics", "Bearer open sesame", 200},
		{"/v1/explain/a", "Bearer ", 401},
	} {
		res, _ := r.adminGet(tt.path, "Authorization", tt.authorization)
		if res.StatusCode != tt.status {
			t.Errorf("%s with %q: status %d, want %d", tt.path, tt.authorization, res.StatusCode, tt.status)
		}
	}
}

// A page elsewhere that points its own name at this machine learns nothing.
func TestAdminNeedsALoopbackName(t *testing.T) {
	r := serve(t, config(backend(t, discard)))
	for host, want := range map[string]int{"evil.example": 403, "evil.example:8081": 403, "localhost:8081": 200, "127.0.0.1": 200} {
		if res, _ := r.adminGet("/v1/state", "Host", host); res.StatusCode != want {
			t.Errorf("Host %s: status %d, want %d", host, res.StatusCode, want)
		}
	}
}

// The names, labels and types of all metrics, and nothing else that a client or
// backend could choose.
func TestMetricNames(t *testing.T) {
	var out bytes.Buffer
	cfg := config("http://127.0.0.1:9")
	r := serve(t, cfg, gateway.WithRecording(&out))
	_, text := r.adminGet("/metrics")
	seen := map[string]bool{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if kind, ok := strings.CutPrefix(line, "# TYPE penstock_"); ok {
			seen["# penstock_"+kind] = true
		}
		if !strings.HasPrefix(line, "penstock_") {
			continue
		}
		name, _, _ := strings.Cut(line, " ")
		if strings.HasPrefix(name, "penstock_build_info") {
			name = "penstock_build_info{go=…,version=…}"
		}
		seen[name] = true
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range seen {
			if !yield(name) {
				return
			}
		}
	})
	golden.Check(t, "metrics.txt", strings.Join(names, "\n")+"\n")
}

func TestRecording(t *testing.T) {
	release := make(chan struct{})
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fails":
			w.WriteHeader(http.StatusInternalServerError)
		case "/waits":
			<-release
		}
	})
	cfg := config(url)
	cfg.Trust = loopback
	cfg.Routes[0].Limit, cfg.Routes[0].WaitFor = fixed(1), -1
	out := &lockedBuffer{}
	r := serve(t, cfg, gateway.WithRecording(out))
	r.get("/secret-path")
	r.get("/fails")
	req, _ := http.NewRequest(http.MethodGet, r.front+"/waits", nil)
	req.Header.Set("Penstock-Deadline", "30")
	req.Header.Set("Penstock-Work", "c=critical, k=0")
	res, body := r.do(req)
	r.wantProblem(res, body, http.StatusGatewayTimeout, "deadline")
	r.get("/refused")
	close(release)
	r.until("the slot is free", func(s gateway.State) bool { return s.Stats.InFlight == 0 })
	_ = r.Close()

	type line struct {
		Recording  string    `json:"penstock_recording"`
		Version    int       `json:"version"`
		Started    time.Time `json:"started"`
		Routes     []string  `json:"routes"`
		AtUS       int64     `json:"at_us"`
		Route      string    `json:"route"`
		Rank       int       `json:"rank"`
		DeadlineUS int64     `json:"deadline_us"`
		WaitUS     *int64    `json:"wait_us"`
		ServiceUS  *int64    `json:"service_us"`
		Outcome    string    `json:"outcome"`
		Refused    string    `json:"refused"`
		Abandoned  bool      `json:"abandoned"`
	}
	var lines []line
	for text := range strings.Lines(out.String()) {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		var l line
		if err := d.Decode(&l); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		lines = append(lines, l)
	}
	if len(lines) != 5 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	if h := lines[0]; h.Recording != "gateway" || h.Version != 1 || !slices.Equal(h.Routes, []string{"/"}) || h.Started.IsZero() {
		t.Errorf("first line: %+v", h)
	}
	critical := int((&penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(0)}).Rank())
	for i, want := range []line{
		{Outcome: "ok"}, {Outcome: "ignored"}, {Refused: "queue_full"}, {Outcome: "ok", Abandoned: true, DeadlineUS: 30000, Rank: critical},
	} {
		got := lines[i+1]
		if got.Outcome != want.Outcome || got.Refused != want.Refused || got.Abandoned != want.Abandoned || got.DeadlineUS != want.DeadlineUS ||
			got.Route != "/" || want.Rank != 0 && got.Rank != want.Rank || (got.ServiceUS == nil) != (want.Refused != "") {
			t.Errorf("line %d: %+v, want %+v", i+1, got, want)
		}
	}
	if strings.Contains(out.String(), "secret") || strings.Contains(out.String(), "127.0.0.1") {
		t.Errorf("the recording says too much:\n%s", out)
	}
}

// A recording that cannot keep up costs records, not requests.
func TestASlowRecordingDropsRecords(t *testing.T) {
	stuck := make(chan struct{})
	cfg := config("http://127.0.0.1:9")
	cfg.Routes[0].Rate = gateway.Rate{PerSecond: 1e-6, Burst: 1, Header: "X-Key"}
	r := serve(t, cfg, gateway.WithRecording(writerFunc(func(p []byte) (int, error) {
		<-stuck
		return len(p), nil
	})))
	for range 10_000 { // all but the first are refused, and recorded
		req, _ := http.NewRequest(http.MethodGet, "/", nil)
		req.RemoteAddr = "192.0.2.1:1"
		r.ServeHTTP(httptest.NewRecorder(), req)
	}
	got := r.State().Recording
	close(stuck)
	if got.Dropped < 1000 || got.Dropped > 10_000 {
		t.Errorf("%+v", got)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
