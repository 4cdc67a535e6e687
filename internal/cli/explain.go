package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/gateway"
)

const explainLong = `Ask a gateway why it refused a request: the state of the controller behind the
decision, in words.

ID is the id in the body of the refusal. The whole body does as well, and - reads
it from the standard input:

  curl -s http://127.0.0.1:8080/ | penstock explain -

A gateway remembers its last 65,536 decisions; one decision stands for all that
it refused for one reason within a few milliseconds.`

// The bounds on asking a gateway.
const (
	defaultAdmin   = "http://127.0.0.1:8081"
	adminTokenEnv  = "PENSTOCK_ADMIN_TOKEN"
	maxAdminToken  = 4 << 10
	explainTimeout = 5 * time.Second
	maxExplanation = 64 << 10 // bytes of an answer
	maxProblem     = 64 << 10 // bytes of a refusal's body
)

type explainFlags struct {
	admin, tokenFile string
	json             bool
}

// explainCommand is penstock explain.
func explainCommand() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:     "explain ID",
		Short:   "Ask a gateway why it refused a request",
		Long:    explainLong,
		Example: "  penstock explain 1kqz8h2v0c3xw",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, args[0])
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.admin, "admin", defaultAdmin, "address of the gateway's admin interface")
	fs.StringVar(&f.tokenFile, "token-file", "", "file with the admin token (default: $"+adminTokenEnv+")")
	fs.BoolVar(&f.json, "json", false, "print the explanation as JSON")
	return cmd
}

func (f *explainFlags) run(cmd *cobra.Command, arg string) error {
	id, err := refusalID(cmd.InOrStdin(), arg)
	if err != nil {
		return usage(err)
	}
	address, err := f.address(id)
	if err != nil {
		return usage(err)
	}
	token, err := f.token()
	if err != nil {
		return usage(err)
	}
	answer, err := ask(cmd.Context(), address, token)
	if err != nil {
		return err
	}
	if f.json {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(answer)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), answer.State)
	return err
}

// refusalID finds the id in what the user gave: the id, a refusal's body, or -
// for the body on the standard input.
func refusalID(stdin io.Reader, arg string) (penstock.RefusalID, error) {
	if arg == stdinName {
		data, err := io.ReadAll(io.LimitReader(stdin, maxProblem))
		if err != nil {
			return 0, fmt.Errorf("explain: read the standard input: %w", err)
		}
		arg = string(data)
	}
	arg = strings.TrimSpace(arg)
	if strings.HasPrefix(arg, "{") {
		var problem struct {
			ID *string `json:"id"`
		}
		if err := json.Unmarshal([]byte(arg), &problem); err != nil {
			return 0, fmt.Errorf("explain: this is not the body of a refusal: %w", err)
		}
		if problem.ID == nil {
			return 0, errors.New("explain: this body has no id: it was not a refusal, or nothing is remembered of it")
		}
		arg = *problem.ID
	}
	id, err := penstock.ParseRefusalID(arg)
	if err != nil {
		return 0, fmt.Errorf("explain: %w", err)
	}
	return id, nil
}

// address is what to ask for.
func (f *explainFlags) address(id penstock.RefusalID) (string, error) {
	u, err := url.Parse(f.admin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", fmt.Errorf("explain: --admin: %q is not an address such as %s", f.admin, defaultAdmin)
	}
	return u.JoinPath("v1", "explain", id.String()).String(), nil
}

// token is the admin token, empty where there is none.
func (f *explainFlags) token() (string, error) {
	if f.tokenFile == "" {
		return os.Getenv(adminTokenEnv), nil
	}
	file, err := os.Open(f.tokenFile)
	if err != nil {
		return "", fmt.Errorf("explain: --token-file: %s: %w", f.tokenFile, reasonOf(err))
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxAdminToken+1))
	if err != nil {
		return "", fmt.Errorf("explain: --token-file: %s: %w", f.tokenFile, reasonOf(err))
	}
	token := strings.TrimSpace(string(data))
	if token == "" || len(data) > maxAdminToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("explain: --token-file: %s does not hold one token of at most %d bytes", f.tokenFile, maxAdminToken)
	}
	return token, nil
}

// reasonOf leaves the name of the file out, which the message has already.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// ask gets an explanation from an admin interface.
func ask(ctx context.Context, address, token string) (gateway.Explanation, error) {
	var none gateway.Explanation
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return none, fmt.Errorf("explain: %w", err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport, Timeout: explainTimeout,
		// The token is for this address alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return none, fmt.Errorf("explain: no gateway answers at %s: %w; --admin names another address", req.URL.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxExplanation))
	if err != nil {
		return none, fmt.Errorf("explain: the answer of %s broke off: %w", req.URL.Host, err)
	}
	return explanation(req.URL.Host, token != "", res.StatusCode, body)
}

// explanation reads an answer.
func explanation(host string, hadToken bool, status int, body []byte) (gateway.Explanation, error) {
	var e gateway.Explanation
	switch status {
	case http.StatusOK:
		if json.Unmarshal(body, &e) == nil && e.ID != "" && e.State != "" {
			return e, nil
		}
	case http.StatusUnauthorized:
		if hadToken {
			return e, fmt.Errorf("explain: %s does not accept this admin token", host)
		}
		return e, fmt.Errorf("explain: %s demands its admin token: give it with --token-file or $%s", host, adminTokenEnv)
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound:
		if text := strings.TrimSpace(string(body)); text != "" && len(text) < 200 && !strings.ContainsAny(text, "\n<") {
			return e, fmt.Errorf("explain: %s: %s", host, text)
		}
	}
	return gateway.Explanation{}, fmt.Errorf("explain: what answers at %s (status %d) is not the admin interface of a gateway", host, status)
}
