package penstock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
)

func idRoundTrip(t *rapid.T) {
	id := penstock.RefusalID(rapid.Uint64().Draw(t, "id"))
	text := id.String()
	if back, err := penstock.ParseRefusalID(text); err != nil || back != id || len(text) > 13 {
		t.Fatalf("%d is %q, and back %d, %v", id, text, back, err)
	}
	// There is one way to write it.
	s := rapid.StringMatching(`[0-9a-zA-Z+_\-]{0,16}`).Draw(t, "text")
	if id, err := penstock.ParseRefusalID(s); err == nil && id.String() != s {
		t.Fatalf("%q is read as %d, which is %q", s, id, id)
	}
}

func TestRefusalIDRoundTrip(t *testing.T) { rapid.Check(t, idRoundTrip) }

func FuzzRefusalIDRoundTrip(f *testing.F) { f.Fuzz(rapid.MakeFuzz(idRoundTrip)) }

func FuzzParseRefusalID(f *testing.F) {
	for _, s := range []string{"", "0", "3w5e11264sgsf", "3w5e11264sgsg", "A", "01", "-1", "+1", " 1", "1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := penstock.ParseRefusalID(s); err == nil && id.String() != s {
			t.Errorf("%q is read as %q", s, id)
		}
	})
}

func TestParseRefusalID(t *testing.T) {
	for _, bad := range []string{"", "3w5e11264sgsg", "A", "01", "-1", "+1", " 1", "1_0", "é"} {
		if id, err := penstock.ParseRefusalID(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, id)
		}
	}
}

func TestRejectedError(t *testing.T) {
	e := &penstock.RejectedError{Reason: penstock.ReasonSojourn, RetryAfter: 1500 * time.Millisecond}
	if got := e.Error(); got != "penstock: rejected: sojourn (retry after 1.5s)" {
		t.Errorf("%q", got)
	}
	e = &penstock.RejectedError{Reason: penstock.ReasonRate}
	if got := e.Error(); got != "penstock: rejected: rate" {
		t.Errorf("%q", got)
	}
	wrapped := fmt.Errorf("orders: %w", e)
	if !errors.Is(wrapped, penstock.ErrRejected) || errors.Is(wrapped, io.EOF) {
		t.Error("a wrapped refusal must be ErrRejected and nothing else")
	}
}

type timeout bool

func (timeout) Error() string   { return "slow" }
func (t timeout) Timeout() bool { return bool(t) }

func TestOutcomeOf(t *testing.T) {
	refusal := &penstock.RejectedError{Reason: penstock.ReasonPriority}
	for _, c := range []struct {
		err  error
		want penstock.Outcome
	}{
		{nil, penstock.OK},
		{io.EOF, penstock.Ignored},
		{context.Canceled, penstock.Ignored},
		{context.DeadlineExceeded, penstock.Dropped},
		{fmt.Errorf("query: %w", context.DeadlineExceeded), penstock.Dropped},
		{os.ErrDeadlineExceeded, penstock.Dropped},
		{&net.OpError{Op: "read", Err: timeout(true)}, penstock.Dropped},
		{&net.OpError{Op: "read", Err: timeout(false)}, penstock.Ignored},
		{&net.DNSError{IsTimeout: true}, penstock.Dropped},
		{timeout(true), penstock.Dropped},
		{timeout(false), penstock.Ignored},
		{refusal, penstock.Dropped},
		{fmt.Errorf("orders: %w", refusal), penstock.Dropped},
		{penstock.ErrRejected, penstock.Dropped},
		{errors.Join(io.EOF, refusal), penstock.Dropped},
	} {
		if got := penstock.OutcomeOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

func ExampleRejectedError() {
	var err error = &penstock.RejectedError{Reason: penstock.ReasonQueueFull, RetryAfter: 2 * time.Second}
	if refusal, ok := errors.AsType[*penstock.RejectedError](err); ok {
		fmt.Println(refusal.Reason, refusal.RetryAfter)
	}
	fmt.Println(errors.Is(err, penstock.ErrRejected))
	// Output:
	// queue_full 2s
	// true
}
