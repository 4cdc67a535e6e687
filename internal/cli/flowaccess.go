package cli

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/penstock-go/penstock/flow/flowserver"
)

// flowAccess says who may reach a flow server, and how: by flags or in its file.
type flowAccess struct {
	listen             string
	offer, work, admin string // files with tokens
	cert, key          string // files for TLS
	insecure           bool   // something else guards the address
}

func (a *flowAccess) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&a.listen, "listen", "", "address (default "+defaultFlowAddress+")")
	fs.StringVar(&a.offer, "offer-tokens", "", "file with the tokens of those who offer, one a line")
	fs.StringVar(&a.work, "work-tokens", "", "file with the tokens of workers")
	fs.StringVar(&a.admin, "admin-tokens", "", "file with the tokens of those who may do everything")
	fs.StringVar(&a.cert, "tls-cert", "", "file with the certificate, for TLS")
	fs.StringVar(&a.key, "tls-key", "", "file with its key")
	fs.BoolVar(&a.insecure, "insecure", false, "let other machines reach it without tokens or without TLS")
}

// over is what a file says where the flags say nothing.
func (a flowAccess) over(file flowAccess) flowAccess {
	return flowAccess{
		listen: cmp.Or(a.listen, file.listen), insecure: a.insecure || file.insecure,
		offer: cmp.Or(a.offer, file.offer), work: cmp.Or(a.work, file.work), admin: cmp.Or(a.admin, file.admin),
		cert: cmp.Or(a.cert, file.cert), key: cmp.Or(a.key, file.key),
	}
}

// check reads the files and refuses what would let strangers in.
func (a *flowAccess) check() (t flowserver.Tokens, secure *tls.Config, err error) {
	a.listen = cmp.Or(a.listen, defaultFlowAddress)
	if !validFlowAddress(a.listen) {
		return t, nil, fmt.Errorf("--listen %s: no address, allowed: %s", a.listen, aFlowAddress)
	}
	if why := a.openTo(); why != "" {
		return t, nil, fmt.Errorf("--listen %s, allowed: a loopback address, such as %s; or both tokens and TLS; or --insecure", why, defaultFlowAddress)
	}
	var errs []error
	for _, role := range []struct {
		file string
		to   *[]string
	}{{a.offer, &t.Offer}, {a.work, &t.Work}, {a.admin, &t.Admin}} {
		if role.file == "" {
			continue
		}
		tokens, err := tokensOf(role.file)
		if err != nil {
			errs = append(errs, err)
		}
		*role.to = tokens
	}
	if a.offer+a.work != "" && a.admin == "" {
		errs = append(errs, errors.New("--admin-tokens is needed where other tokens are given: else nobody could administer the flows"))
	}
	switch {
	case (a.cert == "") != (a.key == ""):
		errs = append(errs, errors.New("--tls-cert and --tls-key belong together"))
	case a.cert != "":
		pair, err := tls.LoadX509KeyPair(a.cert, a.key)
		if err != nil {
			errs = append(errs, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", a.cert, a.key, err))
		}
		secure = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return t, secure, errors.Join(errs...)
}

// openTo says what keeps an address from being served: other machines can reach
// it, and nothing guards it.
func (a *flowAccess) openTo() string {
	host, _, _ := net.SplitHostPort(a.listen)
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case loopback || a.insecure:
		return ""
	case a.offer+a.work+a.admin == "":
		return strconv.Quote(a.listen) + ": other machines can reach it, and without tokens they could do everything"
	case a.cert == "":
		return strconv.Quote(a.listen) + ": other machines can reach it, and without TLS tokens could be read on the way"
	}
	return ""
}

func validFlowAddress(address string) bool {
	_, port, err := net.SplitHostPort(address)
	n, bad := strconv.Atoi(port)
	return err == nil && bad == nil && n >= 0 && n <= 65535
}
