package gateway_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/gateway"
)

func matcher(t interface {
	Fatal(args ...any)
}, names ...string,
) *gateway.Gateway {
	cfg := config("http://127.0.0.1:9")
	cfg.Routes = nil
	for _, name := range names {
		slash := strings.IndexByte(name, '/')
		cfg.Routes = append(cfg.Routes, gateway.Route{Host: name[:slash], Path: name[slash:], To: addresses("http://127.0.0.1:9")})
	}
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestMatch(t *testing.T) {
	g := matcher(t, "/", "/api", "/api/v2/", "shop.example/", "shop.example/cart", "only.example/a/")
	defer shut(g)
	tests := []struct{ host, path, want string }{
		{"x", "/", "/"},
		{"x", "/api", "/api"},
		{"x", "/api/", "/api"},
		{"x", "/apiary", "/"},
		{"x", "/api/v2", "/api"},
		{"x", "/api/v2/x", "/api/v2/"},
		{"shop.example", "/api/v2/x", "shop.example/"},
		{"SHOP.example:8080", "/cart/1", "shop.example/cart"},
		{"shop.example.", "/", "shop.example/"},
		{"only.example", "/b", "/"},
		{"only.example", "/a/b", "only.example/a/"},
		{"[::1]:80", "/", "/"},
		{"x", "/b/../api/x", "/api"},
		{"x", "/api/../b", "/"},
		{"x", "//api//v2//x", "/api/v2/"},
		{"x", "/api/v2/./", "/api/v2/"},
		{"x", "/..", "/"},
	}
	for _, tt := range tests {
		if got, _ := g.Match(tt.host, tt.path); got != tt.want {
			t.Errorf("%s%s: %q, want %q", tt.host, tt.path, got, tt.want)
		}
	}
	only := matcher(t, "/api/")
	defer shut(only)
	if got, ok := only.Match("x", "/b"); ok {
		t.Errorf("/b matches %q", got)
	}
}

// match finds what a look at every route finds.
func matches(t *rapid.T) {
	part := rapid.SampledFrom([]string{"", "a", "b", "ab"})
	pathOf := rapid.Custom(func(t *rapid.T) string {
		path := "/" + strings.Join(rapid.SliceOfN(part, 0, 3).Draw(t, "parts"), "/")
		for strings.Contains(path, "//") {
			path = strings.ReplaceAll(path, "//", "/")
		}
		return path
	})
	host := rapid.SampledFrom([]string{"", "x", "y"})
	names := map[string]bool{}
	for range rapid.IntRange(1, 8).Draw(t, "routes") {
		names[host.Draw(t, "host")+pathOf.Draw(t, "path")] = true
	}
	var list []string
	for name := range names {
		list = append(list, name)
	}
	g := matcher(t, list...)
	defer shut(g)
	atHost, at := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "at host"), pathOf.Draw(t, "at")
	want := ""
	for _, candidate := range []string{atHost, ""} { // exact host first
		for name := range names {
			h, p, _ := strings.Cut(name, "/")
			p = "/" + p
			under := at == p || strings.HasPrefix(at, strings.TrimSuffix(p, "/")+"/")
			if strings.HasSuffix(p, "/") && !strings.HasPrefix(at, p) {
				under = false
			}
			if h == candidate && under && (want == "" || len(name) > len(want)) {
				want = name
			}
		}
		if want != "" {
			break
		}
	}
	if got, _ := g.Match(atHost, at); got != want {
		t.Fatalf("%s%s: %q, want %q of %q", atHost, at, got, want, list)
	}
}

func TestMatchProperty(t *testing.T) { rapid.Check(t, matches) }
func FuzzMatch(f *testing.F)         { f.Fuzz(rapid.MakeFuzz(matches)) }
