package archtest

import (
	"strings"
	"testing"
)

// TestRulesBite shows that each rule catches what it is for, and no more.
func TestRulesBite(t *testing.T) {
	const code, test = false, true
	for _, c := range []struct {
		from   string
		path   string
		inTest bool
		breaks string // part of the message; empty: allowed
	}{
		{"mono", "time", code, ""},
		{"mono", module, code, "imports go down only"},
		{".", module + "/mono", code, ""},
		{".", module + "/rate", code, "imports go down only"},
		{"rate", module + "/mono", code, ""},
		{"rate", module, code, ""},
		{"rate", module + "/sim", code, "imports go down only"},
		{"rate", module + "/sim", test, ""},
		{"rate", module + "/pressure", code, "stay apart"},
		{"rate", module + "/gateway", test, "may reach up to"},
		{"rate", "pgregory.net/rapid", code, "standard library only"},
		{"rate", "pgregory.net/rapid", test, ""},
		{"rate", "math/rand", code, "math/rand/v2"},
		{"rate", "math/rand", test, ""},
		{"rate", "math/rand/v2", code, ""},
		{"rate", "net/netip", code, ""},
		{"rate", "testing", code, "outside its tests"},
		{"rate", module + "/internal/golden", code, "for tests alone"},
		{"rate", module + "/internal/golden", test, ""},
		{"rate", module + "/config", code, "systems and above"},
		{"sim/arrival", module + "/sim", code, "imports go down only"},
		{"sim", module + "/sim/arrival", code, ""},
		{"admission", module + "/admission/queue", code, ""},
		{"admission/queue", module + "/admission", code, "imports go down only"},
		{"admission/queue", module + "/admission/limit", code, "stay apart"},
		{"admission/limit", "os", code, "admission/sense alone"},
		{"admission/limit", "os/exec", code, "admission/sense alone"},
		{"admission/limit", "runtime/metrics", code, "admission/sense alone"},
		{"admission/limit", "runtime", test, ""},
		{"admission/limit", module + "/admission/limit/limittest", test, ""},
		{"admission/limit/limittest", module + "/sim", code, ""},
		{"admission/limit/limittest", "testing", code, ""},
		{"admission/sense", "os", code, ""},
		{"admission/sense", "runtime/debug", code, ""},
		{"admission/sense", "net/http", code, "pure packages do no I/O"},
		{"admission/sense", "log/slog", code, "the hosts log"},
		{"caller/retry", module + "/caller", code, "imports go down only"},
		{"flow", "log", code, "the hosts log"},
		{"flow", module + "/flow/boltstore", code, "imports go down only"},
		{"flow/boltstore", module + "/flow", code, ""},
		{"flow/boltstore", "go.etcd.io/bbolt", code, ""},
		{"flow/boltstore", "testing", code, "outside its tests"},
		{"flow/storetest", "pgregory.net/rapid", code, ""},
		{"penstockhttp", "net/http", code, ""},
		{"penstockhttp", module + "/penstockgrpc", code, "stay apart"},
		{"penstockhttp", module + "/gateway", code, "imports go down only"},
		{"gateway", module + "/config", code, ""},
		{"gateway", module + "/lab", code, "stay apart"},
		{"gateway", module + "/internal/dashboard", code, "imports go down only"},
		{"cmd/penstock", module + "/internal/cli", code, ""},
		{"internal/cli", module + "/cmd/penstock", code, "stay apart"},
		{"config", "github.com/goccy/go-yaml", code, ""},
		{"config", module + "/mono", code, "a leaf knows no other part"},
		{"config", module + "/mono", test, ""},
		{"examples/shop", module + "/penstockhttp", code, ""},
	} {
		where := "code"
		if c.inTest {
			where = "test"
		}
		got := strings.Join(use{c.from, c.path, c.inTest}.breaks(), "\n")
		if (got == "") != (c.breaks == "") || !strings.Contains(got, c.breaks) {
			t.Errorf("%s of %s imports %s: got %q, want %q", where, c.from, c.path, got, c.breaks)
		}
	}
}

func TestLocate(t *testing.T) {
	for pkg, want := range map[string]string{
		".":                         "layer words",
		"admission":                 "layer cores",
		"admission/queue":           "layer kernels",
		"admission/limit/limittest": "layer hosts",
		"admissions":                "",
		"sim":                       "layer hosts",
		"sim/arrival":               "layer kernels",
		"sim/other":                 "",
		"demand":                    "layer cores",
		"demand/wire":               "layer hosts",
		"internal/cli/top":          "layer programs",
		"internal/golden":           "a leaf",
		"utils":                     "",
	} {
		p, ok := locate(pkg)
		got := ""
		if ok {
			got = p.String()
		}
		if got != want {
			t.Errorf("%s is in %q, want %q", pkg, got, want)
		}
	}
}
