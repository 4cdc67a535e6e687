package pressure

import (
	"strconv"
	"strings"
	"time"
)

// The bounds on a quota.
const (
	MaxQuota       = 1_000_000_000  // units of [Quota.Limit] and [Quota.Remaining]
	MaxQuotaWindow = 24 * time.Hour // of [Quota.Window] and [Quota.Reset]
	maxPolicyName  = 64             // bytes of [Quota.Policy]
)

// A Quota is what the fields RateLimit-Policy and RateLimit say of one policy
// (IETF draft-ietf-httpapi-ratelimit-headers). A quota is a promise to one
// caller; it does not say how full the callee is.
type Quota struct {
	Policy    string        // its name: printable ASCII, at most 64 bytes
	Limit     int64         // q: units that a window allows
	Window    time.Duration // w: its length in whole seconds; 0 is not said
	Remaining int64         // r: units that are left
	Reset     time.Duration // t: when more are there, in whole seconds; 0 is not said
}

// AppendQuotaPolicy appends a value of the field RateLimit-Policy, such as
// "default";q=100;w=60.
func AppendQuotaPolicy(dst []byte, q Quota) []byte {
	dst = appendQuoted(dst, q.Policy)
	dst = appendParameter(dst, 'q', min(max(q.Limit, 0), MaxQuota))
	if q.Window > 0 {
		dst = appendParameter(dst, 'w', roundUp(min(q.Window, MaxQuotaWindow), time.Second))
	}
	return dst
}

// AppendQuota appends a value of the field RateLimit, such as
// "default";r=50;t=30.
func AppendQuota(dst []byte, q Quota) []byte {
	dst = appendQuoted(dst, q.Policy)
	dst = appendParameter(dst, 'r', min(max(q.Remaining, 0), MaxQuota))
	if q.Reset > 0 {
		dst = appendParameter(dst, 't', roundUp(min(q.Reset, MaxQuotaWindow), time.Second))
	}
	return dst
}

// appendQuoted appends a name as a String (RFC 9651, section 4.1.6). What no
// String can hold is left out, and so is what goes beyond the bound.
func appendQuoted(dst []byte, name string) []byte {
	dst = append(dst, '"')
	for i := range min(len(name), maxPolicyName) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= ' ' && c <= '~':
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

func appendParameter(dst []byte, key byte, value int64) []byte {
	dst = append(dst, ';', key, '=')
	return strconv.AppendInt(dst, value, 10)
}

// ParseQuota reads a value of the field RateLimit: of several policies the one
// of which least is left, as it binds first. Values are clamped. It reports
// false for a malformed field, and for one without an r.
func ParseQuota(field string) (q Quota, ok bool) {
	if len(field) > MaxFieldBytes {
		return Quota{}, false
	}
	s := scanner{field: field}
	s.spaces()
	for members := 1; ; members++ {
		one, known, well := s.readQuota()
		if !well || members > MaxFieldMembers {
			return Quota{}, false
		}
		if known && (!ok || one.Remaining < q.Remaining) {
			q, ok = one, true
		}
		s.blanks()
		if s.done() {
			return q, ok
		}
		if !s.take(',') {
			return Quota{}, false
		}
		s.blanks()
	}
}

// readQuota reads a member: a String with parameters. known says that it has
// an r.
func (s *scanner) readQuota() (q Quota, known, well bool) {
	from := s.at + 1
	if s.peek() != '"' || !s.skipString() {
		return q, false, false
	}
	q.Policy = unquote(s.field[from : s.at-1])
	for s.take(';') {
		s.spaces()
		key, ok := s.readKey()
		if !ok {
			return q, false, false
		}
		v := item{kind: boolean, thousandths: 1000}
		if s.take('=') {
			if v, ok = s.readBareItem(); !ok {
				return q, false, false
			}
		}
		switch {
		case key == "r" && v.kind == integer:
			q.Remaining, known = v.within(0, MaxQuota*1000)/1000, true
		case key == "t" && v.kind == integer:
			q.Reset = time.Duration(v.within(0, int64(MaxQuotaWindow/time.Millisecond))/1000) * time.Second
		case key == "r" || key == "t":
			return q, false, false
		}
	}
	return q, known, true
}

func unquote(s string) string {
	if len(s) > maxPolicyName {
		s = s[:maxPolicyName]
	}
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
