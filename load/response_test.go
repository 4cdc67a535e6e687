package load_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/penstock-go/penstock/load"
)

func TestReadAnswer(t *testing.T) {
	const problem = `{"title":"full","reason":"sojourn","retry_after_ms":1500}`
	for name, c := range map[string]struct {
		text string
		head bool
		want load.Answer
	}{
		"length":              {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, load.Answer{Status: 200, Keep: true, Bytes: 5}},
		"bare line feeds":     {"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", false, load.Answer{Status: 200, Keep: true, Bytes: 5}},
		"no reason phrase":    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, load.Answer{Status: 200, Keep: true}},
		"same length twice":   {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", false, load.Answer{Status: 200, Keep: true, Bytes: 2}},
		"chunked":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", false, load.Answer{Status: 200, Keep: true, Bytes: 13}},
		"coded, not chunked":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", false, load.Answer{Status: 200, Bytes: 3}},
		"to the end":          {"HTTP/1.1 200 OK\r\n\r\nabc", false, load.Answer{Status: 200, Bytes: 3}},
		"close":               {"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", false, load.Answer{Status: 200}},
		"HTTP/1.0":            {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, load.Answer{Status: 200}},
		"HTTP/1.0 keep-alive": {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false, load.Answer{Status: 200, Keep: true}},
		"head":                {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, load.Answer{Status: 200, Keep: true}},
		"no content":          {"HTTP/1.1 204 No Content\r\n\r\n", false, load.Answer{Status: 204, Keep: true}},
		"not modified":        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, load.Answer{Status: 304, Keep: true}},
		"interim":             {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false, load.Answer{Status: 200, Keep: true, Bytes: 1}},
		"more than asked for": {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n", false, load.Answer{Status: 200, Bytes: 1}},
		"large":               {"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("x", 300_000), false, load.Answer{Status: 200, Keep: true, Bytes: 300_000}},
		"retry-after":         {"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", false, load.Answer{Status: 503, Keep: true, RetryAfter: 7 * time.Second}},
		"retry-after, a date": {"HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n", false, load.Answer{Status: 503, Keep: true}},
		"problem": {
			"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Type: application/problem+json\r\nTransfer-Encoding: chunked\r\n\r\n39\r\n" + problem + "\r\n0\r\n\r\n", false,
			load.Answer{Status: 503, Keep: true, Bytes: int64(len(problem)), Reason: "sojourn", RetryAfter: 1500 * ms},
		},
		"problem of another status": {
			"HTTP/1.1 500 Oh\r\nContent-Type: application/problem+json\r\nContent-Length: 57\r\n\r\n" + problem, false,
			load.Answer{Status: 500, Keep: true, Bytes: 57},
		},
		"problem too long": {
			"HTTP/1.1 429 No\r\nContent-Type: application/json\r\nContent-Length: 10057\r\n\r\n" + strings.Repeat(" ", 10_000) + problem, false,
			load.Answer{Status: 429, Keep: true, Bytes: 10_057},
		},
		"reason that is no word": {
			"HTTP/1.1 429 No\r\nContent-Type: application/json\r\n\r\n" + `{"reason":"You, Sir, are too fast"}`, false,
			load.Answer{Status: 429, Bytes: 35},
		},
	} {
		for how, reader := range map[string]io.Reader{
			"at once": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text)),
		} {
			want := c.want
			if name == "more than asked for" && how == "byte by byte" {
				want.Keep = true // not there yet: the next request finds it
			}
			if got, err := load.ReadAnswer(reader, c.head); err != nil || got != want {
				t.Errorf("%s, %s: got %+v, %v, want %+v", name, how, got, err, want)
			}
		}
	}
}

// FuzzReadAnswer compares with net/http: what both accept, both understand
// alike. net/http accepts more, such as folded lines.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.0 503 x\r\nConnection: keep-alive\r\nRetry-After: 3\r\n\r\nabc",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
		"HTTP/1.1 304 x\r\nContent-Length: 7\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 429 x\r\nContent-Type: application/problem+json\r\n\r\n{\"reason\":\"rate\",\"retry_after_ms\":1}",
	} {
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, head bool) {
		got, err := load.ReadAnswer(bytes.NewReader(text), head)
		if err != nil {
			if !errors.Is(err, load.ErrProtocol) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("unexpected kind of error: %v", err)
			}
			return
		}
		if got.Bytes > int64(len(text)) || got.RetryAfter < 0 || got.RetryAfter > time.Hour {
			t.Fatalf("%+v of %d bytes", got, len(text))
		}
		status, size, ok := reference(text, head)
		if ok && (status != got.Status || size != got.Bytes) {
			t.Fatalf("net/http reads %d with %d bytes, we read %+v", status, size, got)
		}
	})
}

// reference reads the answer with net/http. ok is false where it reads none, or
// where its reading says nothing about ours.
func reference(text []byte, head bool) (status int, size int64, ok bool) {
	method := http.MethodGet
	if head {
		method = http.MethodHead
	}
	br := bufio.NewReader(bytes.NewReader(text))
	for {
		r, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			return 0, 0, false
		}
		size, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return 0, 0, false
		}
		if r.StatusCode >= 200 {
			return r.StatusCode, size, true
		}
	}
}

func BenchmarkReadAnswer(b *testing.B) {
	text := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" +
		strings.Repeat("x", 1024)
	r := strings.NewReader(text)
	read := load.AnswerReader(r)
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(text)
		if err := read(); err != nil {
			b.Fatal(err)
		}
	}
}
