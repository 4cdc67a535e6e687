package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock/examples/shop/services"
	"github.com/penstock-go/penstock/internal/leak"
	"github.com/penstock-go/penstock/pressure"
)

func TestMain(m *testing.M) { leak.Main(m) }

// watchdog ends a test that hangs; nothing is expected to take so long.
const watchdog = time.Minute

// ask asks the front once.
func ask(ctx context.Context, client *http.Client, address string) (status int, level float64) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return 0, 0
	}
	res, err := client.Do(r)
	if err != nil {
		return 0, 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	s, _ := pressure.Parse(res.Header.Get("Penstock-Pressure"))
	return res.StatusCode, s.Level
}

// TestShop: when the database slows down under load, its pressure arrives in the
// front's answers, the front refuses, and once all is well the shop serves again.
func TestShop(t *testing.T) {
	guard, see := services.Guards(services.Mechanisms{Admission: true, Signal: true})
	shop, err := services.Open(services.Config{Guard: guard})
	if err != nil {
		t.Fatal(err)
	}
	defer shop.Close()
	base := &http.Transport{MaxIdleConnsPerHost: 100}
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: base}
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	defer cancel()
	if status, level := ask(ctx, client, shop.Addr); status != http.StatusOK || level >= 0.8 {
		t.Fatalf("at rest: %d at level %v", status, level)
	}

	shop.Database.SetSpeed(0.2)
	crowd, disperse := context.WithCancel(ctx)
	full, refused := make(chan struct{}), make(chan struct{})
	var seenFull, seenRefused sync.Once
	refuses := func() bool { // itself: a refusal may come from further down
		front := count((*see)[0])
		return (*see)[0].Name == "front" && front.refused+front.door > 0
	}
	var wg sync.WaitGroup
	for range 60 { // closed loop: as fast as it answers
		wg.Go(func() {
			for crowd.Err() == nil {
				status, level := ask(crowd, client, shop.Addr)
				if level >= 0.8 {
					seenFull.Do(func() { close(full) })
				}
				if status == http.StatusServiceUnavailable && refuses() {
					seenRefused.Do(func() { close(refused) })
				}
			}
		})
	}
	for name, event := range map[string]chan struct{}{"pressure at the front": full, "a refusal by the front": refused} {
		select {
		case <-event:
		case <-ctx.Done():
			t.Errorf("no %s", name)
		}
	}
	disperse()
	wg.Wait()
	shop.Database.SetSpeed(1)
	for ctx.Err() == nil {
		if status, level := ask(ctx, client, shop.Addr); status == http.StatusOK && level < 0.8 {
			return
		}
	}
	t.Error("the shop does not recover")
}

// TestUnprotected: every mechanism can be switched off.
func TestUnprotected(t *testing.T) {
	for name, m := range map[string]services.Mechanisms{
		"nothing": {}, "fixed limits": {Admission: true, Limit: 30}, "signal alone": {Signal: true}, "all": {Admission: true, Signal: true, Breakers: true},
	} {
		guard, see := services.Guards(m)
		shop, err := services.Open(services.Config{Guard: guard})
		if err != nil {
			t.Fatal(err)
		}
		base := &http.Transport{}
		ctx, cancel := context.WithTimeout(t.Context(), watchdog)
		if status, _ := ask(ctx, &http.Client{Transport: base}, shop.Addr); status != http.StatusOK {
			t.Errorf("%s: %d", name, status)
		}
		if got := newView(*see).frame(time.Now()); !strings.Contains(got, "front") || strings.Contains(got, "says nothing") == m.Admission {
			t.Errorf("%s: %s", name, got)
		}
		cancel()
		base.CloseIdleConnections()
		shop.Close()
	}
}

// TestObey: what can be typed while it runs.
func TestObey(t *testing.T) {
	db := services.NewDatabase()
	obey(strings.NewReader("slow 0.25\nslow 7\nslow x\nnonsense\n"), db)
	if db.Speed() != 0.25 {
		t.Errorf("after slow 0.25 the speed is %v", db.Speed())
	}
	obey(strings.NewReader("fast\nquit\nslow 0.5\n"), db)
	if db.Speed() != 1 {
		t.Errorf("after fast and quit the speed is %v", db.Speed())
	}
}
