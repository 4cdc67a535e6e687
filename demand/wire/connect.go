package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"
)

// Protocol is the WebSocket subprotocol, and the media type of an HTTP/2 body is
// application/Protocol.
const Protocol = "penstock-demand-1"

const mediaType = "application/" + Protocol

// Accept makes a connection of a request: of a WebSocket handshake, or of an
// HTTP/2 request, whose body is one direction and whose response's body the
// other. Otherwise it answers the request with 426 and returns an error. The
// handler must not return before it is done with the connection.
//
// A WebSocket from another origin than the request's host is refused.
func Accept(w http.ResponseWriter, r *http.Request) (io.ReadWriteCloser, error) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{Protocol}})
		if err != nil {
			return nil, fmt.Errorf("wire: %w", err)
		}
		return overWebSocket(r.Context(), c), nil
	}
	if r.ProtoMajor != 2 || r.Method != http.MethodPost || r.Header.Get("Content-Type") != mediaType {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "a WebSocket, or an HTTP/2 POST of "+mediaType+", is needed", http.StatusUpgradeRequired)
		return nil, errors.New("wire: neither a WebSocket nor an HTTP/2 POST of " + mediaType)
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(http.StatusOK)
	c := &served{in: r.Body, out: w, flush: http.NewResponseController(w).Flush}
	return c, c.flush()
}

// Dial connects to a server that calls [Accept]: a WebSocket for ws and wss, an
// HTTP/2 request for http and https. A nil client is one that speaks HTTP/2 in
// the clear as well. The connection ends with ctx.
func Dial(ctx context.Context, url string, client *http.Client) (io.ReadWriteCloser, error) {
	if strings.HasPrefix(url, "ws") {
		c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{Protocol}})
		if err != nil {
			return nil, fmt.Errorf("wire: %w", err)
		}
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		return overWebSocket(ctx, c), nil
	}
	if client == nil {
		client = http2Client
	}
	in, out := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, in)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != mediaType {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("wire: the server answers %s", resp.Status)
	}
	return &dialed{in: resp.Body, out: out}, nil
}

// http2Client speaks HTTP/2 with and without TLS.
var http2Client = func() *http.Client {
	var p http.Protocols
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: &p}}
}()

// overWebSocket is the bytes of the binary messages. Each frame is written as a
// message of its own.
func overWebSocket(ctx context.Context, c *websocket.Conn) io.ReadWriteCloser {
	c.SetReadLimit(MaxFrame + header)
	return websocket.NetConn(context.WithoutCancel(ctx), c, websocket.MessageBinary)
}

// served is the server's end of an HTTP/2 request.
type served struct {
	in    io.ReadCloser
	out   io.Writer
	flush func() error
}

func (c *served) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c *served) Write(p []byte) (int, error) {
	n, err := c.out.Write(p)
	if err == nil {
		err = c.flush()
	}
	return n, err
}

// Close ends reading; the handler's return ends writing.
func (c *served) Close() error { return c.in.Close() }

// dialed is the client's end.
type dialed struct {
	in  io.ReadCloser
	out *io.PipeWriter
}

func (c *dialed) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *dialed) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *dialed) Close() error                { return errors.Join(c.out.Close(), c.in.Close()) }

// CloseIdle closes the connections to HTTP/2 servers that [Dial] keeps for the
// next call without a client.
func CloseIdle() { http2Client.CloseIdleConnections() }
