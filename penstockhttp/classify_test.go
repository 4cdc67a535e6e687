package penstockhttp_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/penstockhttp"
)

// classifiedAt is when the rows below arrive: negative, as inside a synctest bubble.
const classifiedAt = mono.Time(-1e15)

// A saying is what a request says of its work, and what is believed of it.
type saying struct {
	name     string
	fields   []string
	trusted  penstock.Work
	stranger penstock.Work
}

var plus = penstock.Work{Criticality: penstock.SheddablePlus}

var sayings = []saying{
	{"nothing said", nil, penstock.Work{}, plus},
	{
		"work",
		[]string{"Penstock-Work: c=critical_plus, k=3, a=2"},
		penstock.Work{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(3), Attempt: 2},
		penstock.Work{Criticality: penstock.SheddablePlus, Attempt: 2},
	},
	{
		"work on two lines",
		[]string{"Penstock-Work: c=critical", "Penstock-Work: a=2, k=5"},
		penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(5), Attempt: 2},
		penstock.Work{Criticality: penstock.SheddablePlus, Attempt: 2},
	},
	{
		"clamped",
		[]string{"Penstock-Work: k=400, a=-3"},
		penstock.Work{Cohort: penstock.CohortAt(127), Attempt: 1},
		penstock.Work{Criticality: penstock.SheddablePlus, Attempt: 1},
	},
	{
		"baggage",
		[]string{"Baggage: userId=alice", "Baggage: penstock.c=sheddable, penstock.k=9"},
		penstock.Work{Criticality: penstock.Sheddable, Cohort: penstock.CohortAt(9)},
		plus,
	},
	{
		"work before baggage",
		[]string{"Penstock-Work: c=critical, a=1", "Baggage: penstock.c=sheddable,penstock.k=9"},
		penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(9), Attempt: 1},
		penstock.Work{Criticality: penstock.SheddablePlus, Attempt: 1},
	},
	{
		"baggage fills what work leaves open",
		[]string{"Penstock-Work: a=3", "Baggage: penstock.c=sheddable"},
		penstock.Work{Criticality: penstock.Sheddable, Attempt: 3},
		penstock.Work{Criticality: penstock.SheddablePlus, Attempt: 3},
	},
	{
		"deadline",
		[]string{"Penstock-Deadline: 250", "X-Envoy-Expected-Rq-Timeout-Ms: 900"},
		penstock.Work{Deadline: classifiedAt.Add(250 * time.Millisecond), HasDeadline: true},
		penstock.Work{Criticality: penstock.SheddablePlus, Deadline: classifiedAt.Add(250 * time.Millisecond), HasDeadline: true},
	},
	{
		"envoy's deadline",
		[]string{"X-Envoy-Expected-Rq-Timeout-Ms: 900"},
		penstock.Work{Deadline: classifiedAt.Add(900 * time.Millisecond), HasDeadline: true},
		penstock.Work{Criticality: penstock.SheddablePlus, Deadline: classifiedAt.Add(900 * time.Millisecond), HasDeadline: true},
	},
	{
		"malformed deadline, envoy's instead",
		[]string{"Penstock-Deadline: soon", "X-Envoy-Expected-Rq-Timeout-Ms: 900"},
		penstock.Work{Deadline: classifiedAt.Add(900 * time.Millisecond), HasDeadline: true},
		penstock.Work{Criticality: penstock.SheddablePlus, Deadline: classifiedAt.Add(900 * time.Millisecond), HasDeadline: true},
	},
	{
		"passed",
		[]string{"Penstock-Deadline: -7"},
		penstock.Work{Deadline: classifiedAt, HasDeadline: true},
		penstock.Work{Criticality: penstock.SheddablePlus, Deadline: classifiedAt, HasDeadline: true},
	},
	{
		"for ever",
		[]string{"Penstock-Deadline: 999999999999999"},
		penstock.Work{Deadline: classifiedAt.Add(24 * time.Hour), HasDeadline: true},
		penstock.Work{Criticality: penstock.SheddablePlus, Deadline: classifiedAt.Add(24 * time.Hour), HasDeadline: true},
	},
}

func TestClassify(t *testing.T) {
	rows := slices.Clone(sayings)
	for _, field := range malformed {
		rows = append(rows, saying{field, []string{field}, penstock.Work{}, plus})
	}
	for _, row := range rows {
		h := request(t, loopback, "GET", "/", row.fields...).Header
		if got := penstockhttp.Classify(h, true, classifiedAt); got != row.trusted {
			t.Errorf("%.80s, trusted: got %+v; want %+v", row.name, got, row.trusted)
		}
		if got := penstockhttp.Classify(h, false, classifiedAt); got != row.stranger {
			t.Errorf("%.80s, stranger: got %+v; want %+v", row.name, got, row.stranger)
		}
	}
}

// malformed are request fields that must have no effect at all.
var malformed = []string{
	"Penstock-Work: ", "Penstock-Work: c", "Penstock-Work: c=", "Penstock-Work: c=\"critical\"", "Penstock-Work: c=critical,",
	"Penstock-Work: c=critical k=1", "Penstock-Work: c=critical, k=1.5", "Penstock-Work: c=critical, a=two", "Penstock-Work: C=critical",
	"Penstock-Work: c=critical, a=1;", "Penstock-Work: c=critical, a=99999999999999999999", "Penstock-Work: {\"c\": \"critical\"}",
	"Penstock-Work: c=critical, x=" + strings.Repeat("1", 2000), "Penstock-Work: " + strings.Repeat("a, ", 100) + "c=critical",
	"Penstock-Work: c=critical, x=\x80", "Penstock-Work: c=NaN", "Penstock-Work: c=galactic",
	"Penstock-Deadline: ", "Penstock-Deadline: soon", "Penstock-Deadline: 1.5", "Penstock-Deadline: 1s", "Penstock-Deadline: 1, 2",
	"Penstock-Deadline: 9999999999999999", "Penstock-Deadline: 0x10", "Penstock-Deadline: NaN", "Penstock-Deadline: ?1", "Penstock-Deadline: (5)",
	"X-Envoy-Expected-Rq-Timeout-Ms: ", "X-Envoy-Expected-Rq-Timeout-Ms: -1", "X-Envoy-Expected-Rq-Timeout-Ms: 1.5",
	"X-Envoy-Expected-Rq-Timeout-Ms: 99999999999999999999", "X-Envoy-Expected-Rq-Timeout-Ms: 1e3",
	"Baggage: penstock.c", "Baggage: penstock.c=", "Baggage: penstock.c=Critical", "Baggage: ,,,", "Baggage: penstock.k=x",
	"Baggage: " + strings.Repeat("a=b,", 64) + "penstock.c=critical", "Baggage: a=" + strings.Repeat("b", 9000) + ",penstock.c=critical",
}

// A field that may occur once, sent twice, is malformed; a list on too many
// lines is too long.
func TestClassifyRepeated(t *testing.T) {
	for name, h := range map[string]http.Header{
		"two deadlines":  {"Penstock-Deadline": {"100", "200"}},
		"two timeouts":   {"X-Envoy-Expected-Rq-Timeout-Ms": {"100", "100"}},
		"no lines":       {"Penstock-Work": {}, "Baggage": {}, "Penstock-Deadline": {}},
		"too many lines": {"Penstock-Work": strings.Split(strings.Repeat("c=critical,", 200)+"c=critical", ",")},
	} {
		if got := penstockhttp.Classify(h, true, 0); got != (penstock.Work{}) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// Whatever strangers say, they get no more than a stranger's rank.
func FuzzClassify(f *testing.F) {
	f.Add("c=critical_plus, k=0, a=1", "250", "penstock.c=critical", "900", false)
	f.Add("c=critical, k=-1, a=-1", "-1", "penstock.k=0", "x", true)
	f.Fuzz(func(t *testing.T, work, deadline, baggage, envoy string, trusted bool) {
		const now = mono.Time(5)
		h := http.Header{
			penstockhttp.FieldWork: {work}, penstockhttp.FieldDeadline: {deadline},
			penstockhttp.FieldBaggage: {baggage}, penstockhttp.FieldEnvoy: {envoy},
		}
		w := penstockhttp.Classify(h, trusted, now)
		if w.Rank() > penstock.MaxRank || w.Attempt < 0 || w.Attempt > 100 || w.Cost != 0 || w.Flow != 0 ||
			w.HasDeadline && (w.Deadline < now || w.Deadline > now.Add(24*time.Hour)) {
			t.Fatalf("got %+v", w)
		}
		if !trusted && (w.Criticality != penstock.SheddablePlus || w.Cohort.Specified()) {
			t.Fatalf("a stranger got %+v", w)
		}
	})
}

func TestTrust(t *testing.T) {
	office := penstockhttp.Trust{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("fe80::/10")}
	for _, row := range []struct {
		trust penstockhttp.Trust
		addr  string
		want  bool
	}{
		{penstockhttp.Loopback(), "127.0.0.1:1", true},
		{penstockhttp.Loopback(), "127.9.9.9:1", true},
		{penstockhttp.Loopback(), "[::1]:1", true},
		{penstockhttp.Loopback(), "[::ffff:127.0.0.1]:1", true},
		{penstockhttp.Loopback(), "128.0.0.1:1", false},
		{penstockhttp.Loopback(), "[::2]:1", false},
		{penstockhttp.Loopback(), "127.0.0.1", false}, // not what net/http writes: a forwarding field, perhaps
		{penstockhttp.Loopback(), "localhost:1", false},
		{penstockhttp.Loopback(), "@", false}, // a Unix socket
		{penstockhttp.Loopback(), "", false},
		{office, "198.51.100.200:1", true},
		{office, "127.0.0.1:1", false},
		{office, "[fe80::1%eth0]:1", true},
		{nil, "127.0.0.1:1", false},
	} {
		if got := row.trust.Includes(row.addr); got != row.want {
			t.Errorf("%v includes %q: %v", row.trust, row.addr, got)
		}
	}
}
