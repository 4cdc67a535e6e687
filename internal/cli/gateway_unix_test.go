//go:build unix

package cli

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestGatewayReloads: SIGHUP reads the file again, and a bad one changes nothing.
func TestGatewayReloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "penstock.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const head = "listen: 127.0.0.1:0\nadmin: none\n"
	write(head + "routes: [{to: http://127.0.0.1:9}]\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	logs, log := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"gateway", "--config", path}, strings.NewReader(""), io.Discard, log, nil, func(int) {})
		_ = log.Close()
	}()
	lines := bufio.NewScanner(logs)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("it said %q, want %q", lines.Text(), want)
		}
	}
	hangup := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	expect("serving")
	write(head + "observe: true\nroutes: [{to: http://127.0.0.1:19}]\n")
	hangup()
	expect("configuration reloaded")
	write(head + "routes: []\n")
	hangup()
	expect("configuration not reloaded")
	write("listen: 127.0.0.1:1\nadmin: none\nroutes: [{to: http://127.0.0.1:9}]\n")
	hangup()
	expect("cannot change")
	cancel()
	for lines.Scan() {
		t.Log(lines.Text())
	}
	if got := <-code; got != 0 {
		t.Errorf("code %d", got)
	}
}
