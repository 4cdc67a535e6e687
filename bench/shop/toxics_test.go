package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/examples/shop/services"
)

const (
	watchdog = time.Minute // ends a test that hangs; nothing is expected to take so long
	callers  = 20          // of the front, at once,
	asks     = 4           // each so often
	wait     = 250 * time.Millisecond
)

// A poison is what goes wrong between two services.
type poison struct {
	kind       string
	stream     string // which way
	attributes map[string]int
}

var poisons = []poison{
	{"latency", "downstream", map[string]int{"latency": 150, "jitter": 100}},
	{"bandwidth", "downstream", map[string]int{"rate": 1}},
	{"slow_close", "downstream", map[string]int{"delay": 400}},
	{"reset_peer", "downstream", map[string]int{"timeout": 5}},
	{"limit_data", "downstream", map[string]int{"bytes": 90}}, // in the middle of a header
	{"timeout", "downstream", map[string]int{"timeout": 0}},   // answers never end
	{"timeout", "upstream", map[string]int{"timeout": 0}},     // requests never arrive
	{"timeout", "downstream", map[string]int{"timeout": 100}}, // nothing, and then a close
}

// A poisonedShop is a shop with a proxy between each two of its services.
type poisonedShop struct {
	*services.Shop
	see     []*services.Protected
	between map[string]*toxiproxy.Proxy // by who calls
}

func openPoisoned() (*poisonedShop, error) {
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	s := &poisonedShop{between: map[string]*toxiproxy.Proxy{}}
	guard, see := services.Guards(services.Mechanisms{Admission: true, Signal: true})
	var err error
	s.Shop, err = services.Open(services.Config{Guard: guard, Between: func(from, to, address string) (string, error) {
		p := toxiproxy.NewProxy(api, from+"-"+to, "127.0.0.1:0", address)
		if err := p.Start(); err != nil {
			return "", err
		}
		s.between[from] = p
		return p.Listen, nil
	}})
	s.see = *see
	return s, err
}

func (s *poisonedShop) close() {
	for _, p := range s.between {
		p.Stop()
	}
	s.Close()
}

func (p poison) add(to *toxiproxy.Proxy) error {
	text, err := json.Marshal(map[string]any{"name": "poison", "type": p.kind, "stream": p.stream, "attributes": p.attributes})
	if err != nil {
		return err
	}
	_, err = to.Toxics.AddToxicJson(strings.NewReader(string(text)))
	return err
}

// visit asks the front once: the status, or why there is none.
func visit(ctx context.Context, client *http.Client, address string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err.Error()
	}
	res, err := client.Do(r)
	switch {
	case ctx.Err() != nil:
		return "left"
	case err != nil:
		return err.Error()
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return strconv.Itoa(res.StatusCode)
}

// crowd asks the front from all callers, each with little patience, and counts
// what they get.
func crowd(ctx context.Context, client *http.Client, address string) map[string]int {
	got := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range asks {
				inner, cancel := context.WithTimeout(ctx, wait)
				what := visit(inner, client, address)
				cancel()
				mu.Lock()
				got[what]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return got
}

// busy says which services hold work still.
func (s *poisonedShop) busy() string {
	var all []string
	for _, p := range s.see {
		if st := p.Ctl.Stats(); st.InFlight > 0 || st.Waiting > 0 {
			all = append(all, fmt.Sprintf("%s: %d in flight, %d waiting", p.Name, st.InFlight, st.Waiting))
		}
	}
	return strings.Join(all, "; ")
}

// TestPoison: whatever goes wrong between two services, every caller gets an
// answer that says so or leaves in time, no service holds more than there are
// callers, all that was held is given back although nobody heals anything, and
// once the network is well the shop serves again.
func TestPoison(t *testing.T) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log by themselves
	atOnce := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for _, p := range poisons {
		for _, from := range services.Names[:3] {
			wg.Go(func() {
				atOnce <- struct{}{}
				defer func() { <-atOnce }()
				poisonShop(t, p, from)
			})
		}
	}
	wg.Wait()
}

func poisonShop(t *testing.T, p poison, from string) {
	name := fmt.Sprintf("%s %s %v behind %s", p.kind, p.stream, p.attributes, from)
	s, err := openPoisoned()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer s.close()
	base := &http.Transport{MaxIdleConnsPerHost: callers}
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: base}
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	defer cancel()
	if got := visit(ctx, client, s.Addr); got != "200" {
		t.Errorf("%s: at first %s", name, got)
		return
	}
	if err := p.add(s.between[from]); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	got := crowd(ctx, client, s.Addr)
	t.Logf("%s: %v", name, got)
	for _, what := range slices.Sorted(maps.Keys(got)) {
		switch what {
		case "200", "502", "503", "504", "left":
		default:
			t.Errorf("%s: %d callers got %s", name, got[what], what)
		}
	}
	for ticks := time.Tick(time.Millisecond); ctx.Err() == nil && s.busy() != ""; {
		<-ticks
	}
	if left := s.busy(); left != "" {
		t.Errorf("%s: after all callers have gone: %s", name, left)
	}
	for _, v := range s.see {
		if st := v.Calls.Stats(); st.Peers > caller.DefaultPeers {
			t.Errorf("%s: %s remembers %d callees", name, v.Name, st.Peers)
		}
	}
	if err := s.between[from].Toxics.RemoveToxic(ctx, "poison"); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for ctx.Err() == nil {
		if visit(ctx, client, s.Addr) == "200" {
			return
		}
	}
	t.Errorf("%s: the shop does not serve again", name)
}
