package wire_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/demand/wire"
)

// pageClient is the receiver of docs/demand-wire.md, with what it leaves to its
// reader: where to connect, and what to do with an item. The first item takes its
// time, so that the sender gets to the end of its credit.
func pageClient(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/demand-wire.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```ts\n")
	code, _, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatal("the page has no TypeScript")
	}
	const around = `const url = process.argv[2];
const text = new TextDecoder();
let first = true;
const handle = (item) => {
  if (first) {
    first = false;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  }
  console.log(text.decode(item));
};
`
	return around + code
}

// node runs a script, or skips the test where there is no Node with WebSocket.
func node(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs Node 20.10 or later: apt-get install nodejs")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	// Node 22 has WebSocket, Node 20 has it behind a flag.
	for _, flags := range [][]string{nil, {"--experimental-websocket"}} {
		probe := append(slices.Clone(flags), "-e", "new WebSocket('ws://127.0.0.1:1').onerror = () => {}")
		if exec.CommandContext(ctx, path, probe...).Run() == nil {
			return exec.CommandContext(ctx, path, append(flags, args...)...)
		}
	}
	t.Skip("needs a Node with WebSocket, 20.10 or later: apt-get install nodejs")
	return nil
}

// TestPageClient runs the TypeScript of the page against this package.
func TestPageClient(t *testing.T) {
	script := filepath.Join(t.TempDir(), "client.mjs")
	if err := os.WriteFile(script, []byte(pageClient(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	const items = 1000
	sent := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := wire.Accept(w, r)
		if err == nil {
			err = wire.Send(r.Context(), conn, words(items), demand.Text{})
		}
		sent <- err
	}))
	defer server.Close()
	cmd := node(t, script, strings.Replace(server.URL, "http", "ws", 1))
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	if err := <-sent; err != nil {
		t.Errorf("Send: %v", err)
	}
	if got := strings.Fields(out.String()); !slices.Equal(got, wanted(items)) {
		t.Errorf("%d items arrived, want 0 to %d in order: %.100q", len(got), items-1, out.String())
	}
}
