package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/penstock-go/penstock/pressure"
)

// TestProtect: requests pass, and the answers tell how full the server is.
func TestProtect(t *testing.T) {
	server := httptest.NewServer(protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	})))
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || string(body) != "hello" {
		t.Errorf("%d, %q, %v", res.StatusCode, body, err)
	}
	if s, ok := pressure.Parse(res.Header.Get("Penstock-Pressure")); !ok || s.Level < 0 || s.Level > 1 {
		t.Errorf("the pressure is %v, %v, in %v", s, ok, res.Header)
	}
}
