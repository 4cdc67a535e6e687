package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The bounds on asking for a refusal.
const (
	askEvery   = 100 * time.Millisecond
	askTimeout = time.Second
	askBytes   = 4 << 10 // of an answer
)

// askForRefusal sends the gateway single requests from the middle of an
// overloaded phase on, until one is refused: its id is something to explain.
func (d *Demo) askForRefusal(ctx context.Context, p Phase) {
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: askTimeout}
	begun := mono.Now()
	for at := begun.Add(p.For / 2); at < begun.Add(p.For); at = mono.Now().Add(askEvery) {
		if !waitUntil(ctx, at) {
			return
		}
		if id := refusalID(ctx, client, d.lanes[protected].url()+"/"); id != "" {
			d.refused.Store(&id)
			return
		}
	}
}

// refusalID is the id of the refusal that a request gets, empty if it is
// admitted.
func refusalID(ctx context.Context, client *http.Client, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return ""
	}
	res, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	var problem struct {
		ID string `json:"id"`
	}
	if res.StatusCode != http.StatusServiceUnavailable || json.NewDecoder(io.LimitReader(res.Body, askBytes)).Decode(&problem) != nil {
		return ""
	}
	return problem.ID
}
