package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

// stubAdmin answers as an admin interface would.
func stubAdmin(t *testing.T, token string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/explain/{id}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("id") {
		case "1a2b":
			_, _ = io.WriteString(w, `{"id":"1a2b","state":"queue_full, 3ms ago: 8 in flight of 8.0."}`)
		case "gone":
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "no refusal of that id is remembered\n")
		case "page":
			_, _ = io.WriteString(w, "<html>hello</html>")
		case "away":
			http.Redirect(w, r, "/v1/explain/1a2b", http.StatusFound)
		default:
			http.Error(w, "<html>sorry</html>", http.StatusNotFound)
		}
	})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "the admin token is needed", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestExplain(t *testing.T) {
	t.Setenv(adminTokenEnv, "")
	admin := stubAdmin(t, "")
	const state = "queue_full, 3ms ago: 8 in flight of 8.0.\n"
	const problem = ` {"type":"urn:penstock:refused:queue_full","status":503,"reason":"queue_full","id":"1a2b"}` + "\n"
	for name, c := range map[string]struct {
		stdin  string
		args   []string
		code   int
		stdout string
		stderr string // part of it
	}{
		"id":             {"", []string{"1a2b"}, 0, state, ""},
		"body":           {"", []string{problem}, 0, state, ""},
		"stdin":          {problem, []string{"-"}, 0, state, ""},
		"id on stdin":    {"1a2b\n", []string{"-"}, 0, state, ""},
		"json":           {"", []string{"1a2b", "--json"}, 0, "{\n  \"id\": \"1a2b\",\n  \"state\": \"queue_full, 3ms ago: 8 in flight of 8.0.\"\n}\n", ""},
		"forgotten":      {"", []string{"gone"}, 1, "", ": no refusal of that id is remembered\n"},
		"another server": {"", []string{"other"}, 1, "", "(status 404) is not the admin interface of a gateway"},
		"a page":         {"", []string{"page"}, 1, "", "(status 200) is not the admin interface of a gateway"},
		"redirected":     {"", []string{"away"}, 1, "", "(status 302) is not the admin interface of a gateway"},
		"malformed":      {"", []string{"1A2B"}, 2, "", `"1A2B" is no refusal id`},
		"path":           {"", []string{"../state"}, 2, "", "is no refusal id"},
		"no JSON":        {"", []string{"{1a2b}"}, 2, "", "this is not the body of a refusal"},
		"no id":          {"", []string{`{"status": 404}`}, 2, "", "this body has no id"},
		"nothing":        {"", []string{"-"}, 2, "", `"" is no refusal id`},
		"no token file":  {"", []string{"1a2b", "--token-file", "/does/not/exist"}, 2, "", "--token-file: /does/not/exist: no such file"},
	} {
		code, stdout, stderr := runMain(t, c.stdin, append([]string{"explain", "--admin", admin}, c.args...)...)
		if code != c.code || stdout != c.stdout || !strings.Contains(stderr, c.stderr) || (stderr == "") != (code == 0) {
			t.Errorf("%s: code %d, %q, %q", name, code, stdout, stderr)
		}
	}
}

func TestExplainAddress(t *testing.T) {
	for _, admin := range []string{"127.0.0.1:8081", "localhost", "ftp://127.0.0.1", "http://", "http://u:p@127.0.0.1", "http://h/?q", ":"} {
		if code, _, stderr := runMain(t, "", "explain", "1", "--admin", admin); code != exitUsage || !strings.Contains(stderr, "is not an address such as http://127.0.0.1:8081") {
			t.Errorf("%s: code %d, %q", admin, code, stderr)
		}
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if code, _, stderr := runMain(t, "", "explain", "1", "--admin", closed.URL); code != exitFailed || !strings.Contains(stderr, "no gateway answers at 127.0.0.1:") {
		t.Errorf("unreachable: code %d, %q", code, stderr)
	}
}

func TestExplainToken(t *testing.T) {
	admin := stubAdmin(t, "secret")
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for name, c := range map[string]struct {
		env, file string
		code      int
		stderr    string
	}{
		"none":             {"", "", 1, "demands its admin token: give it with --token-file or $PENSTOCK_ADMIN_TOKEN"},
		"environment":      {"secret", "", 0, ""},
		"wrong":            {"secrets", "", 1, "does not accept this admin token"},
		"file":             {"", file("secret\n"), 0, ""},
		"file comes first": {"wrong", file("secret"), 0, ""},
		"empty file":       {"secret", file("\n"), 2, "does not hold one token"},
		"two tokens":       {"", file("a\nb\n"), 2, "does not hold one token"},
		"large file":       {"", file(strings.Repeat("x", maxAdminToken+1)), 2, "does not hold one token"},
	} {
		t.Setenv(adminTokenEnv, c.env)
		args := []string{"explain", "1a2b", "--admin", admin}
		if c.file != "" {
			args = append(args, "--token-file", c.file)
		}
		if code, _, stderr := runMain(t, "", args...); code != c.code || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: code %d, %q", name, code, stderr)
		}
	}
}

// TestExplainForgotten asks a real admin interface.
func TestExplainForgotten(t *testing.T) {
	t.Setenv(adminTokenEnv, "")
	cfg, err := gateway.ForBackends("", "", []string{"http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen, cfg.Admin = "127.0.0.1:0", "127.0.0.1:0"
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- g.Serve(t.Context()) }()
	code, stdout, stderr := runMain(t, "", "explain", "1a2b", "--admin", "http://"+g.AdminAddr().String())
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "no refusal of that id is remembered") {
		t.Errorf("code %d, %q, %q", code, stdout, stderr)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
