package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow/flowclient"
)

const flowLong = `Work in stages that pull, each with a limit on what is in progress, and nothing
lost: when the last stage is full, the entrance says so.

  penstock flow serve --flow orders --stage check:10 --stage pack:4 --stage ship:2
  seq 100 | penstock flow offer orders
  penstock flow work orders check --exec 'cat'
  penstock flow status orders`

const (
	defaultFlowAddress = "127.0.0.1:8082"
	flowTokenEnv       = "PENSTOCK_FLOW_TOKEN"
	flowServerEnv      = "PENSTOCK_FLOW"
)

// flowCommand is penstock flow.
func flowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flow",
		Short: "Move work through stages that pull, durably",
		Long:  flowLong,
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(flowServeCommand(), flowOfferCommand(), flowPullCommand(), flowAckCommand(), flowNackCommand(),
		flowWorkCommand(), flowStatusCommand(), flowSpillwayCommand(), flowVerifyCommand(), flowBackupCommand())
	for _, c := range cmd.Commands() {
		failed(c)
	}
	return cmd
}

// flowClient are the flags of all that call a server.
type flowClient struct {
	server, tokenFile, ca string
	json                  bool
}

func (f *flowClient) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.server, "server", "", "address of the flow server (default $"+flowServerEnv+", else http://"+defaultFlowAddress+")")
	fs.StringVar(&f.tokenFile, "token-file", "", "file with the token (default: $"+flowTokenEnv+")")
	fs.StringVar(&f.ca, "ca", "", "file with the certificates to trust beside the system's")
}

func (f *flowClient) client(name string) (*flowclient.Client, error) {
	c := &flowclient.Client{URL: f.server, Flow: name, Token: os.Getenv(flowTokenEnv)}
	if c.URL == "" {
		c.URL = os.Getenv(flowServerEnv)
	}
	if c.URL == "" {
		c.URL = "http://" + defaultFlowAddress
	}
	if !strings.Contains(c.URL, "://") {
		c.URL = "http://" + c.URL
	}
	if f.tokenFile != "" {
		tokens, err := tokensOf(f.tokenFile)
		if err != nil {
			return nil, usage(err)
		}
		c.Token = tokens[0]
	}
	// A worker's pulls each hold a connection.
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, IdleConnTimeout: time.Minute}
	if f.ca != "" {
		roots, err := trusting(f.ca)
		if err != nil {
			return nil, usage(err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	c.HTTP = &http.Client{Transport: transport}
	return c, nil
}

// trusting is the system's certificates and those of a file.
func trusting(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("--ca %s: no certificate in it", file)
	}
	return roots, nil
}

// tokensOf reads a file with a token in each line.
func tokensOf(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	tokens := strings.Fields(string(b))
	if len(tokens) == 0 {
		return nil, fmt.Errorf("%s: no token in it; each line is one", file)
	}
	return tokens, nil
}
