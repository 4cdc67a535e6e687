package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/flow/flowclient"
)

// offerBatch is how many items one request offers.
const offerBatch = 100

// maxOfferLine bounds a line, in bytes.
const maxOfferLine = 16 << 20

func flowOfferCommand() *cobra.Command {
	var f flowClient
	var ndjson bool
	var prefix string
	cmd := &cobra.Command{
		Use:   "offer FLOW [FILE...]",
		Short: "Offer items, one a line, as fast as the flow takes them",
		Long: `Offer the lines of files, or of the standard input, as items. When the flow is
full, this waits as long as it is told to, and goes on where it stopped; also when
the server is restarted meanwhile. With --ids the items have ids, so that the same
command again offers nothing twice; without, they get ids that no other has.

With --ndjson each line is an item of the API, such as
  {"id":"order-7","key":"customer-3","json":{"total":12}}`,
		Example: "  seq 100 | penstock flow offer orders --ids numbers",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client(args[0])
			if err != nil {
				return err
			}
			o := offering{client: c, ndjson: ndjson, prefix: prefix, counts: map[string]int{}, errOut: cmd.ErrOrStderr()}
			if prefix == "" {
				o.own = "offer-" + strings.ToLower(rand.Text()[:12])
			}
			if _, err := c.Describe(cmd.Context()); err != nil { // say what is wrong now, not at the first item
				return err
			}
			if len(args) == 1 {
				err = o.lines(cmd.Context(), "standard input", cmd.InOrStdin())
			}
			for _, name := range args[1:] {
				if err != nil {
					break
				}
				err = o.file(cmd.Context(), name)
			}
			var words []string
			for _, w := range []string{"accepted", "conflated", "duplicate", "failed"} {
				if n := o.counts[w]; n > 0 {
					words = append(words, fmt.Sprintf("%d %s", n, w))
				}
			}
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "offered %d: %s\n", o.n, strings.Join(words, ", "))
			return errors.Join(err, o.first)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&ndjson, "ndjson", false, "each line is an item in JSON")
	cmd.Flags().StringVar(&prefix, "ids", "", "give each line the id PREFIX-NUMBER")
	return cmd
}

type offering struct {
	client *flowclient.Client
	ndjson bool
	prefix string
	own    string // begins the ids of items that have none
	n      int
	counts map[string]int
	first  error // the first item's that failed
	errOut io.Writer
}

func (o *offering) file(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return o.lines(ctx, name, f)
}

func (o *offering) lines(ctx context.Context, name string, r io.Reader) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxOfferLine)
	var batch []flowapi.Item
	for line := 1; in.Scan(); line++ {
		o.n++
		it := flowapi.Item{Content: flowapi.Content{Payload: bytes.Clone(in.Bytes())}}
		if o.ndjson {
			it = flowapi.Item{}
			d := json.NewDecoder(bytes.NewReader(in.Bytes()))
			d.DisallowUnknownFields()
			if err := d.Decode(&it); err != nil {
				return usage(fmt.Errorf("%s:%d: %w", name, line, err))
			}
		}
		if o.prefix != "" {
			it.ID = fmt.Sprintf("%s-%d", o.prefix, o.n)
		} else if it.ID == "" {
			it.ID = fmt.Sprintf("%s-%d", o.own, o.n)
		}
		if batch = append(batch, it); len(batch) == offerBatch {
			if err := o.send(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(batch) == 0 {
		return nil
	}
	return o.send(ctx, batch)
}

// send offers a batch. A server that goes away meanwhile is asked again: all items
// have ids, so what it had taken already is a duplicate.
func (o *offering) send(ctx context.Context, batch []flowapi.Item) error {
	wait, told := 100*time.Millisecond, false
	for {
		rs, err := o.client.Offer(ctx, batch...)
		if err != nil && ctx.Err() == nil && away(err) {
			if !told {
				_, _ = fmt.Fprintf(o.errOut, "%v; trying again\n", err)
				told = true
			}
			if err := sleep(ctx, wait); err != nil {
				return err
			}
			wait = min(2*wait, 5*time.Second)
			continue
		}
		o.count(rs)
		return err
	}
}

// away reports whether an error is one of not reaching the server, or of finding
// it about to end.
func away(err error) bool {
	e, answered := errors.AsType[*flowclient.Error](err)
	return !answered || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusBadGateway
}

func (o *offering) count(rs []flowapi.Result) {
	for _, r := range rs {
		switch {
		case r.Error != "":
			o.counts["failed"]++
			if o.first == nil {
				o.first = errors.New(r.Error)
			}
		case r.Outcome != "":
			o.counts[r.Outcome]++
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
