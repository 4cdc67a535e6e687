package pressure

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"time"
)

// The fields of xds.data.orca.v3.OrcaLoadReport that we write and read.
const (
	orcaRPS   = 6 // rps_fractional, double
	orcaEPS   = 7 // eps, double
	orcaNamed = 8 // named_metrics, map<string, double>
	orcaLevel = 9 // application_utilization, double
)

// The wire types of protocol buffers ("Encoding", Message Structure).
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// AppendLoadBinary appends l as an xds.data.orca.v3.OrcaLoadReport in protocol
// buffers' wire format: the value of the gRPC trailer
// endpoint-load-metrics-bin. It says what [AppendLoad] says; what is 0 is left
// out, but for the level. It allocates only where dst lacks room; 96 bytes are
// enough.
func AppendLoadBinary(dst []byte, l Load) []byte {
	s := l.Clamp()
	if l.RPS > 0 {
		dst = appendDouble(dst, orcaRPS, perSecond(l.RPS))
	}
	if l.EPS > 0 {
		dst = appendDouble(dst, orcaEPS, perSecond(l.EPS))
	}
	dst = appendNamed(dst, metricPrice, float64(s.Price))
	dst = appendNamed(dst, metricDelay, float64(s.Delay)/float64(time.Millisecond))
	return appendDouble(dst, orcaLevel, s.Level)
}

// perSecond holds a rate within its bounds.
func perSecond(x float64) float64 { return float64(toThousandths(x, MaxPerSecond)) / 1000 }

func appendDouble(dst []byte, field byte, x float64) []byte {
	dst = append(dst, field<<3|wire64)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
}

// appendNamed appends an entry of named_metrics: a message of a key and a value.
func appendNamed(dst []byte, name string, x float64) []byte {
	if x == 0 {
		return dst
	}
	dst = append(dst, orcaNamed<<3|wireBytes, byte(2+len(name)+9), 1<<3|wireBytes, byte(len(name)))
	dst = append(dst, name...)
	dst = append(dst, 2<<3|wire64)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
}

// ParseLoadBinary reads an OrcaLoadReport in protocol buffers' wire format, as
// [ParseLoad] reads the others: unknown fields are skipped, values clamped. Of
// a field that is there twice the last counts, as protocol buffers demand.
func ParseLoadBinary(report []byte) (Load, bool) {
	var m metrics
	if len(report) > MaxLoadBytes {
		return Load{}, false
	}
	fields := 0
	ok := eachField(report, func(field uint64, bits uint64, body []byte) bool {
		fields++
		switch {
		case fields > MaxLoadMetrics:
			return false
		case field == orcaNamed && body != nil:
			return readNamed(&m, body)
		case field == orcaRPS && body == nil:
			return m.rps.set(bits)
		case field == orcaEPS && body == nil:
			return m.eps.set(bits)
		case field == orcaLevel && body == nil:
			return m.level.set(bits)
		}
		return true
	})
	if !ok {
		return Load{}, false
	}
	return m.load()
}

func readNamed(m *metrics, entry []byte) bool {
	var known *metric
	var bits uint64
	ok := eachField(entry, func(field, b uint64, body []byte) bool {
		switch {
		case field == 2 && body == nil:
			bits = b
		case field != 1 || body == nil:
		case string(body) == metricPrice:
			known = &m.price
		case string(body) == metricDelay:
			known = &m.delay
		}
		return true
	})
	if ok && known != nil {
		return known.set(bits)
	}
	return ok
}

// set takes a double; it reports false for what is no finite number.
func (m *metric) set(bits uint64) bool {
	x := math.Float64frombits(bits)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return false
	}
	*m = metric{x, true}
	return true
}

// eachField visits the fields of a message: bits of those of 64 bits, body of
// those with a length (never nil), neither of others. It reports false where
// the message is malformed, or visit does.
func eachField(message []byte, visit func(field, bits uint64, body []byte) bool) bool {
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 || key>>3 == 0 {
			return false
		}
		message = message[n:]
		var bits uint64
		var body []byte
		field := key >> 3
		switch key & 7 {
		case wireVarint:
			if _, n = binary.Uvarint(message); n <= 0 {
				return false
			}
			message, field = message[n:], 0
		case wire64:
			if len(message) < 8 {
				return false
			}
			bits, message = binary.LittleEndian.Uint64(message), message[8:]
		case wireBytes:
			size, n := binary.Uvarint(message)
			if n <= 0 || size > uint64(len(message)-n) {
				return false
			}
			end := n + int(size)
			body, message = message[n:end:end], message[end:]
		case wire32:
			if len(message) < 4 {
				return false
			}
			message, field = message[4:], 0
		default: // groups are no longer written by anybody
			return false
		}
		if !visit(field, bits, body) {
			return false
		}
	}
	return true
}

// parseLoadBase64 reads the BIN form of the field endpoint-load-metrics.
func parseLoadBase64(report string) (Load, bool) {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(report, "="))
	if err != nil {
		return Load{}, false
	}
	return ParseLoadBinary(raw)
}
