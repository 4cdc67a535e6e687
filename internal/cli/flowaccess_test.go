package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// An output is one whose first lines a test waits for.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{}, 1)} }

func (l *output) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(b)
}

func (l *output) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// until waits for a match, and returns its groups.
func (l *output) until(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		if m := re.FindStringSubmatch(l.String()); m != nil {
			return m
		}
		select {
		case <-l.more:
		case <-time.After(30 * time.Second):
			t.Fatalf("%q is not said, but %q", pattern, l.String())
		}
	}
}

// serving runs penstock flow serve until stop is called, which returns its exit
// code.
func serving(t *testing.T, args ...string) (url string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, errOut := newOutput(), newOutput()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"flow", "serve"}, args...), strings.NewReader(""), out, errOut, nil, func(int) {})
		_, _ = out.Write([]byte("serving nothing\n" + errOut.String())) // so that until ends
	}()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	t.Cleanup(func() { stop() })
	url = out.until(t, `serving (\S+)`)[1]
	if url == "nothing" {
		t.Fatalf("flow serve: %s", out)
	}
	return url, stop
}

// keyPair writes a certificate for 127.0.0.1, which signs itself, and its key.
func keyPair(t *testing.T, cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFlowByTLS serves as a file says, with TLS and tokens, and calls it with the
// certificate, without, and with a wrong one.
func TestFlowByTLS(t *testing.T) {
	files(t, map[string]string{
		"flow.yaml": "listen: 127.0.0.1:0\ntls: {cert: c.pem, key: k.pem}\ntokens: {offer: o, work: w, admin: a}\n" +
			"flows: [{name: orders, stages: [{name: a, wip: 3}]}]\n",
		"o": "offerer\n", "w": "worker\nsecond\n", "a": "admin\n",
	})
	keyPair(t, "c.pem", "k.pem")
	keyPair(t, "other.pem", "other.key")
	url, stop := serving(t, "--config", "flow.yaml")
	if !strings.HasPrefix(url, "https://") {
		t.Fatal(url)
	}
	t.Setenv(flowServerEnv, url)
	for _, row := range []struct {
		token, args string
		code        int
		want        string
	}{
		{"offerer", "flow offer orders --ca c.pem", 0, "1 accepted"},
		{"offerer", "flow offer orders --ca other.pem", 1, "certificate"},
		{"offerer", "flow offer orders", 1, "certificate"},
		{"offerer", "flow offer orders --ca flow.yaml", 2, "no certificate in it"},
		{"offerer", "flow pull orders a --ca c.pem", 1, "a token of this role is needed"},
		{"second", "flow pull orders a --ca c.pem", 0, `"stage":"a"`},
		{"worker", "flow spillway orders --ca c.pem", 1, "a token of this role is needed"},
		{"admin", "flow spillway orders --ca c.pem", 0, "reason"},
		{"", "flow status orders --ca c.pem", 1, "a token of this role is needed"},
		{"", "flow status orders --ca c.pem --token-file a", 0, "entrance open"},
	} {
		t.Setenv(flowTokenEnv, row.token)
		code, out, errOut := runMain(t, "one\n", strings.Fields(row.args)...)
		if code != row.code || !strings.Contains(out+errOut, row.want) {
			t.Errorf("%s as %q: code %d, %s%s; want %d, %q", row.args, row.token, code, out, errOut, row.code, row.want)
		}
	}
	if code := stop(); code != 0 {
		t.Errorf("flow serve ended with code %d", code)
	}
}

// TestFlowServeRefuses what would let strangers in, and what cannot be read.
func TestFlowServeRefuses(t *testing.T) {
	files(t, map[string]string{
		"flow.yaml":  "flows: [{name: orders, stages: [{name: a, wip: 3}]}]\n",
		"open.yaml":  "listen: :8082\nflows: [{name: orders, stages: [{name: a, wip: 3}]}]\n",
		"other.yaml": "routes: []\n", "a": "admin\n", "empty": " \n",
	})
	keyPair(t, "c.pem", "k.pem")
	keyPair(t, "other.pem", "other.key")
	for args, want := range map[string]string{
		"--listen 0.0.0.0:0":          "without tokens they could do everything",
		"--listen :0":                 "without tokens they could do everything",
		"--listen [::]:0":             "without tokens",
		"--listen penstock.example:0": "without tokens",
		"--listen 0.0.0.0:0 --tls-cert c.pem --tls-key k.pem": "without tokens",
		"--listen 0.0.0.0:0 --admin-tokens a":                 "without TLS tokens could be read on the way",
		"--listen 127.0.0.1":                                  "no address",
		"--config open.yaml":                                  "open.yaml:1:9: listen: ",
		"--config other.yaml":                                 "other.yaml:1:1: ",
		"--config missing.yaml":                               "missing.yaml: no such file",
		"--config flow.yaml --flow x":                         "belong together",
		"--work-tokens a":                                     "--admin-tokens is needed",
		"--admin-tokens empty":                                "no token in it",
		"--admin-tokens missing":                              "missing: no such file",
		"--tls-cert c.pem":                                    "belong together",
		"--tls-cert c.pem --tls-key other.key":                "private key does not match",
		"--tls-cert a --tls-key a":                            "--tls-cert a, --tls-key a:",
		"--flow x --stage a":                                  "want NAME:WIP",
		"--flow x --stage a:1 --stage a:2":                    "is the name of an earlier stage",
		"--admin-tokens empty --tls-cert c.pem --tls-key none --work-tokens a": "no token in it",
	} {
		code, out, errOut := runMain(t, "", append([]string{"flow", "serve", "--data", "x.db"}, strings.Fields(args)...)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("%s: code %d, %s%s; want %q", args, code, out, errOut, want)
		}
		if _, err := os.Stat("x.db"); err == nil {
			t.Fatalf("%s: made a file", args)
		}
	}
	// Several problems come at once.
	_, _, errOut := runMain(t, "", "flow", "serve", "--admin-tokens", "empty", "--tls-cert", "c.pem")
	if !strings.Contains(errOut, "no token in it") || !strings.Contains(errOut, "belong together") {
		t.Errorf("not all problems: %s", errOut)
	}
	// Told so, it listens.
	_, stop := serving(t, "--listen", "0.0.0.0:0", "--insecure", "--data", "x.db")
	if code := stop(); code != 0 {
		t.Errorf("--insecure: code %d", code)
	}
}
