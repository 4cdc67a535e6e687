package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestGatewayUsage(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.yaml", "routes: [{to: http://127.0.0.1:9}]\n")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing":          {nil, "--to URL or --config FILE is needed"},
		"both":             {[]string{"--config", good, "--to", "http://127.0.0.1:9"}, "--config excludes --to"},
		"both addresses":   {[]string{"--config", good, "--listen", "127.0.0.1:0"}, "--config excludes --to and --listen"},
		"bad backend":      {[]string{"--to", "ftp://x"}, "--to"},
		"no such file":     {[]string{"--config", filepath.Join(dir, "none.yaml")}, "no such file"},
		"bad file":         {[]string{"--config", file("bad.yaml", "routes: []\nfrob: 1\n")}, "bad.yaml:2:1: frob"},
		"open admin":       {[]string{"--to", "http://127.0.0.1:9", "--admin", "0.0.0.0:0"}, "--admin"},
		"no token":         {[]string{"--config", file("token.yaml", "admin_token_file: "+filepath.Join(dir, "none")+"\nroutes: [{to: http://127.0.0.1:9}]\n")}, "admin_token_file"},
		"no record":        {[]string{"--to", "http://127.0.0.1:9", "--record", filepath.Join(dir, "none", "x")}, "--record"},
		"stray argument":   {[]string{"http://127.0.0.1:9"}, "unknown command"},
		"two-word token":   {[]string{"--config", file("token2.yaml", "admin_token_file: "+file("two", "a b")+"\nroutes: [{to: http://127.0.0.1:9}]\n")}, "does not hold one token"},
		"standard input":   {[]string{"--config", "-"}, "stdin"},
		"bad admin beside": {[]string{"--config", good, "--admin", "nowhere"}, "--admin"},
	} {
		code, stdout, stderr := runMain(t, "rubbish: [", append([]string{"gateway"}, c.args...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: code %d, stdout %q, stderr %q, want %q", name, code, stdout, stderr, c.want)
		}
	}
}

// TestGatewayServes: it serves, records, and drains when its context ends.
func TestGatewayServes(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))
	defer backend.Close()
	recording := filepath.Join(t.TempDir(), "rec.ndjson")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	logs, log := io.Pipe()
	var out bytes.Buffer
	code := make(chan int, 1)
	go func() {
		args := []string{"gateway", "--listen", "127.0.0.1:0", "--admin", "none", "--to", backend.URL, "--record", recording, "--observe"}
		code <- run(ctx, args, strings.NewReader(""), &out, log, nil, func(int) {})
		_ = log.Close()
	}()
	lines := bufio.NewScanner(logs)
	if !lines.Scan() {
		t.Fatal("it said nothing")
	}
	address := regexp.MustCompile(`listen=(\S+)`).FindStringSubmatch(lines.Text())
	if address == nil || !strings.Contains(lines.Text(), "observe=true") {
		t.Fatalf("it said %q", lines.Text())
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + address[1] + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || string(body) != "hello" {
		t.Errorf("got %q, %v", body, err)
	}
	cancel()
	for lines.Scan() {
		t.Log(lines.Text()) // until the program ends
	}
	if got := <-code; got != 0 || out.Len() > 0 {
		t.Errorf("code %d, stdout %q", got, out.String())
	}
	recorded, err := os.ReadFile(recording)
	if err != nil || strings.Count(string(recorded), "\n") != 2 || !strings.Contains(string(recorded), `"outcome":"ok"`) {
		t.Errorf("recorded %q, %v", recorded, err)
	}
}
