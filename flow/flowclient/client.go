// Package flowclient speaks to a flow server: [Client] calls it, [Worker] works
// for a stage.
package flowclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/flowapi"
)

// answerMax bounds what is read of an answer, in bytes: a thousand payloads of
// some size.
const answerMax = 256 << 20

// A Client calls a flow server. The zero HTTP is [http.DefaultClient].
type Client struct {
	URL   string // of the server, as http://127.0.0.1:8082
	Flow  string // the flow's name
	Token string // empty where the server asks for none
	HTTP  *http.Client
}

// An Error is a server's no that is neither a refusal nor a stale lease.
type Error struct {
	Status int
	Detail string
}

// Error says what the server said.
func (e *Error) Error() string { return fmt.Sprintf("flow server: %s (%d)", e.Detail, e.Status) }

// problem is the body of an error.
type problem struct {
	Detail       string  `json:"detail"`
	Title        string  `json:"title"`
	Reason       string  `json:"reason"`
	RetryAfterMS float64 `json:"retry_after_ms"`
	Pressure     float64 `json:"pressure"`
}

// Call sends in to a path below the flow and decodes the answer into out, if it
// is not nil. The error is a [*penstock.RejectedError] for a refusal,
// [flow.ErrStale] for a stale lease, else an [*Error] for what the server said.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	res, err := c.do(ctx, method, "/v1/flows/"+url.PathEscape(c.Flow)+path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return failure(res.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// do sends a request, with a body unless it is nil.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, content)
	if err != nil {
		return nil, err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	return h.Do(req)
}

// Backup writes a copy of the server's store to w, and returns its length. After
// an error what was written is worth nothing.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	res, err := c.do(ctx, http.MethodGet, "/v1/backup", nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // what the status says counts
		return 0, failure(res.StatusCode, b)
	}
	return io.Copy(w, res.Body)
}

func failure(status int, body []byte) error {
	var p problem
	if json.Unmarshal(body, &p) != nil {
		p.Detail = strings.TrimSpace(string(body[:min(len(body), 200)]))
	}
	if r, ok := penstock.ParseReason(p.Reason); ok {
		after := time.Duration(p.RetryAfterMS * float64(time.Millisecond))
		return &penstock.RejectedError{Reason: r, RetryAfter: max(after, 0), Pressure: p.Pressure}
	}
	if status == http.StatusConflict {
		return flow.ErrStale
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	return &Error{Status: status, Detail: p.Detail}
}

// Offer offers items. While the flow or the disk is full it waits as it is told to,
// until ctx ends: what is refused is offered again, and ids make that safe. The
// results are in order; those with an Error were not taken.
func (c *Client) Offer(ctx context.Context, items ...flowapi.Item) ([]flowapi.Result, error) {
	out := make([]flowapi.Result, len(items))
	left := make([]int, len(items))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		req := flowapi.OfferRequest{}
		for _, i := range left {
			req.Items = append(req.Items, items[i])
		}
		var res flowapi.Results
		wait := time.Duration(0)
		err := c.Call(ctx, http.MethodPost, "/offer", req, &res)
		if after, ok := again(err); ok {
			wait = after
		} else if err != nil {
			return out, err
		}
		var refused []int
		for n, r := range res.Results {
			if r.Reason != "" {
				refused = append(refused, left[n])
				if after := max(time.Duration(r.RetryAfterMS)*time.Millisecond, minWait); wait == 0 || after < wait {
					wait = after // until there is room for the first of them
				}
			} else {
				out[left[n]] = r
			}
		}
		if err == nil {
			left = refused
		}
		if wait > 0 {
			if err := pause(ctx, wait); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// again says when to offer again what was refused as a whole, if it was.
func again(err error) (time.Duration, bool) {
	if refusal, ok := errors.AsType[*penstock.RejectedError](err); ok {
		return max(refusal.RetryAfter, minWait), true
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusInsufficientStorage {
		return time.Second, true
	}
	return 0, false
}

const minWait = 10 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Pull takes up to n jobs of a stage, and waits up to wait for the first.
func (c *Client) Pull(ctx context.Context, stage string, n int, wait time.Duration) ([]flowapi.Job, error) {
	var res flowapi.PullResponse
	err := c.Call(ctx, http.MethodPost, "/stages/"+url.PathEscape(stage)+"/pull", flowapi.PullRequest{Max: n, Wait: flowapi.Duration(wait)}, &res)
	return res.Jobs, err
}

// Ack acknowledges a job; with content, that is the item's from now on.
func (c *Client) Ack(ctx context.Context, lease string, content flowapi.Content) (outcome string, err error) {
	rs, err := c.AckAll(ctx, flowapi.Done{Lease: lease, Content: content})
	if err == nil && len(rs) == 1 {
		outcome = rs[0].Outcome
	}
	return outcome, err
}

// AckAll acknowledges up to a thousand jobs at once. The results are in order.
func (c *Client) AckAll(ctx context.Context, done ...flowapi.Done) ([]flowapi.Result, error) {
	var res flowapi.Results
	err := c.Call(ctx, http.MethodPost, "/ack", flowapi.AckRequest{Done: done}, &res)
	return res.Results, err
}

// Nack sends a job back; a delay below zero means the stage's backoff.
func (c *Client) Nack(ctx context.Context, lease string, delay time.Duration, reason string) error {
	req := flowapi.LeaseRequest{Lease: lease, Reason: reason}
	if delay >= 0 {
		req.Delay = new(flowapi.Duration(delay))
	}
	return c.Call(ctx, http.MethodPost, "/nack", req, nil)
}

// Spill sends a job to the spillway.
func (c *Client) Spill(ctx context.Context, lease, reason string) error {
	return c.Call(ctx, http.MethodPost, "/spill", flowapi.LeaseRequest{Lease: lease, Reason: reason}, nil)
}

// Extend keeps a job for d from now; zero means the stage's own time.
func (c *Client) Extend(ctx context.Context, lease string, d time.Duration) error {
	return c.Call(ctx, http.MethodPost, "/extend", flowapi.LeaseRequest{Lease: lease, LeaseFor: flowapi.Duration(d)}, nil)
}

// Describe returns the flow as it is.
func (c *Client) Describe(ctx context.Context) (flowapi.Description, error) {
	var d flowapi.Description
	err := c.Call(ctx, http.MethodGet, "", nil, &d)
	return d, err
}

// Define makes the flow, or changes it.
func (c *Client) Define(ctx context.Context, d flowapi.Definition) error {
	return c.Call(ctx, http.MethodPut, "", d, nil)
}

// Spillway lists up to n items of the spillway, from the one after id.
func (c *Client) Spillway(ctx context.Context, after string, n int) ([]flowapi.Spilled, error) {
	var res flowapi.SpillwayResponse
	q := url.Values{"after": {after}, "max": {strconv.Itoa(n)}}
	err := c.Call(ctx, http.MethodGet, "/spillway?"+q.Encode(), nil, &res)
	return res.Items, err
}

// Replay sends items of the spillway back to their stages.
func (c *Client) Replay(ctx context.Context, ids ...string) ([]flowapi.Result, error) {
	var res flowapi.Results
	err := c.Call(ctx, http.MethodPost, "/spillway/replay", flowapi.IDsRequest{IDs: ids}, &res)
	return res.Results, err
}

// Discard ends items of the spillway.
func (c *Client) Discard(ctx context.Context, ids ...string) ([]flowapi.Result, error) {
	var res flowapi.Results
	err := c.Call(ctx, http.MethodPost, "/spillway/discard", flowapi.IDsRequest{IDs: ids}, &res)
	return res.Results, err
}
