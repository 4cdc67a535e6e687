package flowserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/flow/flowserver"
)

// certificate makes a certificate for a name, which signs itself.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// TestTLS makes real handshakes: one with whom the certificate is for, others
// that must fail, and plain HTTP, which gets nothing.
func TestTLS(t *testing.T) {
	cert, roots := certificate(t, "127.0.0.1")
	_, others := certificate(t, "127.0.0.1")
	b := start(t, 5, setup{
		secure:  &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		trusted: &tls.Config{RootCAs: roots},
		tokens:  flowserver.Tokens{Admin: []string{"a"}},
	})
	b.token = "a"
	a := b.do("POST", "/items", "x")
	if a.StatusCode != http.StatusAccepted || a.TLS == nil || !a.TLS.HandshakeComplete {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	try := func(config *tls.Config) error {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: watchdog}
		res, err := client.Do(b.request("GET", "/healthz", nil))
		if err == nil {
			_ = res.Body.Close() // it should not have come
		}
		return err
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](try(&tls.Config{RootCAs: others})); !ok {
		t.Error("a certificate of nobody's is trusted")
	}
	if _, ok := errors.AsType[x509.HostnameError](try(&tls.Config{RootCAs: roots, ServerName: "elsewhere"})); !ok {
		t.Error("the certificate of another host is trusted")
	}
	if err := try(&tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}); err == nil { //nolint:gosec // that it fails is what is tested
		t.Error("TLS 1.1 is spoken")
	}
	b.scheme = "http"
	if a := b.send(b.request("GET", "/healthz", nil)); a.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: %d %s", a.StatusCode, a.text)
	}
}

// TestRoles tries every kind of token on every path.
func TestRoles(t *testing.T) {
	b := start(t, 5, setup{tokens: flowserver.Tokens{
		Offer: []string{"offer-1", "offer-2"}, Work: []string{"work"}, Admin: []string{"admin"},
	}})
	roles := map[string]string{
		"": "", "nonsense": "", "offer-1": "o", "offer-2": "o", "work": "w", "admin": "a",
		"offer-": "", "offer-11": "", "Admin": "",
	}
	for _, row := range []struct{ request, allowed string }{
		{"GET /v1/flows", "owa"},
		{"GET /v1/flows/f", "owa"},
		{"PUT /v1/flows/f", "a"},
		{"POST /v1/flows/f/offer", "oa"},
		{"POST /v1/flows/f/items", "oa"},
		{"POST /v1/flows/f/stages/a/pull", "wa"},
		{"POST /v1/flows/f/ack", "wa"},
		{"POST /v1/flows/f/nack", "wa"},
		{"POST /v1/flows/f/extend", "wa"},
		{"POST /v1/flows/f/spill", "wa"},
		{"GET /v1/flows/f/spillway", "a"},
		{"POST /v1/flows/f/spillway/replay", "a"},
		{"POST /v1/flows/f/spillway/discard", "a"},
		{"GET /v1/backup", "a"},
	} {
		method, path, _ := strings.Cut(row.request, " ")
		for token, role := range roles {
			b.token = token
			a := b.send(b.request(method, path, strings.NewReader("{}")))
			denied := a.StatusCode == http.StatusUnauthorized
			if allowed := role != "" && strings.Contains(row.allowed, role); denied == allowed {
				t.Errorf("%s with %q: %d", row.request, token, a.StatusCode)
			}
			if denied && a.Header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s with %q: no challenge", row.request, token)
			}
		}
	}
	b.token = ""
	if a := b.send(b.request("GET", "/healthz", nil)); a.StatusCode != http.StatusOK {
		t.Errorf("healthz needs a token: %d", a.StatusCode)
	}
}

// TestARoleWithoutTokens is the admins' alone where there are tokens, and
// everybody's where there are none.
func TestARoleWithoutTokens(t *testing.T) {
	b := start(t, 5, setup{tokens: flowserver.Tokens{Admin: []string{"admin"}}})
	if a := b.do("POST", "/items", "x"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without: %d", a.StatusCode)
	}
	r := b.request("POST", "/v1/flows/f/items", strings.NewReader("x"))
	r.Header.Set("Authorization", "Basic admin")
	if a := b.send(r); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("Basic: %d", a.StatusCode)
	}
	r = b.request("POST", "/v1/flows/f/items", strings.NewReader("x"))
	r.Header.Set("Authorization", "Bearer ")
	if a := b.send(r); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("an empty token: %d", a.StatusCode)
	}
	b.token = "admin"
	if a := b.do("POST", "/items", "x"); a.StatusCode != http.StatusAccepted {
		t.Errorf("with: %d", a.StatusCode)
	}
	if a := start(t, 5, setup{}).do("POST", "/items", "x"); a.StatusCode != http.StatusAccepted {
		t.Errorf("no tokens at all: %d", a.StatusCode)
	}
}

// TestOtherSitesPages cannot make a browser offer or take work.
func TestOtherSitesPages(t *testing.T) {
	b := start(t, 5, setup{})
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"} {
		r := b.request("POST", "/v1/flows/f/items", strings.NewReader("x"))
		r.Header.Set(header, value)
		if a := b.send(r); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s: %d %s", header, value, a.StatusCode, a.text)
		}
	}
	r := b.request("POST", "/v1/flows/f/items", strings.NewReader("x"))
	r.Header.Set("Origin", "http://"+b.addr)
	if a := b.send(r); a.StatusCode != http.StatusAccepted {
		t.Errorf("its own page: %d %s", a.StatusCode, a.text)
	}
}
