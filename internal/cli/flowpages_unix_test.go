//go:build unix

package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/flowclient"
)

// TestPages runs what the pages about flows show, with the program itself.
func TestPages(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "penstock"), repository+"/cmd/penstock").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Run("first page", func(t *testing.T) { firstPage(t, dir) })
	t.Run("workers", func(t *testing.T) { workersPage(t, dir) })
}

// needs skips a test where a program is not here.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s: on Debian, apt-get install %s", p, p)
		}
	}
}

// A terminal runs what a page shows, in a folder of its own, with the server's
// address in place of the usual one.
type terminal struct {
	t    *testing.T
	addr string
	env  []string
}

// newTerminal finds the program in a folder.
func newTerminal(t *testing.T, dir string) *terminal {
	t.Helper()
	t.Chdir(t.TempDir())
	addr := freeAddress(t)
	return &terminal{t, addr, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "PENSTOCK_FLOW=http://"+addr)}
}

// start runs a block in the background; what it starts ends with the test.
func (term *terminal) start(block string) (*exec.Cmd, *output) {
	term.t.Helper()
	block = strings.ReplaceAll(block, "penstock flow serve ", "penstock flow serve --listen "+term.addr+" ")
	block = strings.ReplaceAll(block, defaultFlowAddress, term.addr)
	cmd, out := exec.Command("sh", "-c", block+"\nwait"), newOutput()
	cmd.Env, cmd.Stdout, cmd.Stderr = term.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		term.t.Fatal(err)
	}
	term.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		_ = cmd.Wait()                                      // it was killed, or waited for already
		if term.t.Failed() {
			term.t.Logf("%s\n%s", block, out)
		}
	})
	return cmd, out
}

// do runs a block to its end.
func (term *terminal) do(block string) string {
	term.t.Helper()
	cmd, out := term.start(block)
	if err := cmd.Wait(); err != nil {
		term.t.Fatalf("%s\n%v: %s", block, err, out)
	}
	return out.String()
}

// until asks for the flow until it is as it should be.
func (term *terminal) until(what string, so func(flow.Stats) bool) {
	term.t.Helper()
	untilFlow(term.t, &flowclient.Client{URL: "http://" + term.addr, Flow: "orders"}, what, so)
}

// kill ends a server as kill -9 does, and waits until it is gone: one that is in a
// sync of its disk keeps its port and its file for as long as that takes.
func kill(t *testing.T, server *exec.Cmd) {
	t.Helper()
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait() // says that it was killed
}

func full(st flow.Stats) bool { return st.Level >= 1 && st.Items == 16 && st.Stages[0].Blocked == 10 }

// firstPage runs what docs/flow.md shows: a flow that says "full" in
// three terminals, a worker that empties it, and a kill in the middle.
func firstPage(t *testing.T, dir string) {
	page := readRepository(t, "docs/flow.md")
	blocks := fences(page, "sh")
	if len(blocks) < 5 {
		t.Fatalf("the page has %d blocks of commands", len(blocks))
	}
	term := newTerminal(t, dir)
	server, out := term.start("exec " + blocks[0])
	out.until(t, `serving http`)
	term.start(blocks[1])
	offer, offers := term.start(blocks[2])
	offers.until(t, `entrance (open|full)`)
	term.until("the flow is full", full)
	status := term.do("penstock flow status orders")
	if got, want := masked(status), masked(fences(page, "")[0]); got != want {
		t.Errorf("status says\n%s, and the page\n%s", got, want)
	}
	term.start(strings.Replace(blocks[3], "0.1", "0.01", 1))
	term.until("half of them are shipped", func(st flow.Stats) bool { return st.Counts.Finished >= 50 })
	kill(t, server)
	_, out = term.start(blocks[0])
	out.until(t, `serving http`)
	term.until("all are shipped", func(st flow.Stats) bool { return st.Items == 0 && st.Counts.Finished > 0 })
	if err := offer.Wait(); err != nil || !strings.Contains(offers.String(), "offered 100: ") {
		t.Errorf("offer: %v %s", err, offers)
	}
	term.until("none is left", func(st flow.Stats) bool { return st.Items == 0 })
	needs(t, "curl") // for the last block alone
	if got := term.do(blocks[4]); !strings.Contains(got, `{"id":"o-1","outcome":"accepted"}`) {
		t.Errorf("curl: %s", got)
	}
}

// masked leaves out of a status what differs from one run to the next: times,
// rates and the hint that follows from them.
func masked(status string) string {
	status = regexp.MustCompile(`(?m)(\d+/\d+) +\S+ +\S+ +(-|\d+ workers?)`).ReplaceAllString(status, "$1")
	return strings.Join(strings.Fields(status), " ")
}

// TestFilesOnThePageOfFlow: penstock check reads what the page shows.
func TestFilesOnThePageOfFlow(t *testing.T) {
	blocks := fences(readRepository(t, "docs/flow.md"), "yaml")
	if len(blocks) != 3 {
		t.Fatalf("the page shows %d files", len(blocks))
	}
	for _, block := range blocks {
		if code, stdout, _ := runMain(t, block, "check", "-"); code != 0 {
			t.Errorf("the page shows a file that is wrong:\n%s", stdout)
		}
	}
	shown, err := parseFlowFile("flow.yaml", []byte(blocks[1]))
	if err != nil {
		t.Fatal(err)
	}
	least, err := parseFlowFile("flow.yaml", []byte("flows: [{name: orders, stages: [{name: check, wip: 10}, {name: ship, wip: 2}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(shown.flows), fmt.Sprint(least.flows); got != want {
		t.Errorf("what the page says are the defaults:\n%s\nare:\n%s", got, want)
	}
}

// workersPage runs what docs/flow-workers.md shows, on a line of two stages:
// curl by hand, then the worker in Python before that in shell, with a restart of
// the server in the middle.
func workersPage(t *testing.T, dir string) {
	page := readRepository(t, "docs/flow-workers.md")
	needs(t, "curl")
	term := newTerminal(t, dir)
	const serve = "exec penstock flow serve --flow orders --stage check:5 --stage pack:5 "
	server, out := term.start(serve)
	out.until(t, `serving http`)
	if got := term.do(fences(page, "sh")[0]); !strings.Contains(got, `"outcome":"accepted"`) || !strings.Contains(got, `"outcome":"moved"`) || !strings.Contains(got, `"key":"ann"`) {
		t.Fatalf("curl: %s", got)
	}
	if got := term.do("penstock flow pull orders pack"); !strings.Contains(got, `"checked":true`) {
		t.Errorf("what curl acknowledged: %s", got)
	}
	needs(t, "python3", "jq")
	for name, block := range map[string]string{"worker.py": fences(page, "python")[0], "worker.sh": fences(page, "bash")[0]} {
		if err := os.WriteFile(name, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	python, _ := term.start("exec python3 worker.py orders check")
	shell, _ := term.start(`exec sh worker.sh orders pack 'jq -ce "if .check then .packed = true else error(\"unchecked\") end" | tee -a packed'`)
	var items strings.Builder
	const n = 8
	for i := range n {
		fmt.Fprintf(&items, "{\"id\":\"i-%d\",\"json\":{\"n\":%d}}\n", i, i)
	}
	if err := os.WriteFile("items", []byte(items.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	offer, _ := term.start("exec penstock flow offer orders --ndjson items")
	term.until("some are packed", func(st flow.Stats) bool { return st.Counts.Finished >= n/4 })
	kill(t, server)
	_, out = term.start(serve)
	out.until(t, `serving http`)
	if err := offer.Wait(); err != nil {
		t.Error(err)
	}
	// One is still in the hands of the pull above, whose lease went with the server.
	term.until("all are packed", func(st flow.Stats) bool { return st.Items <= 1 && st.Counts.Spilled == 0 })
	for _, worker := range []*exec.Cmd{python, shell} {
		if err := syscall.Kill(-worker.Process.Pid, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := worker.Wait(); err != nil {
			t.Errorf("a worker that is told to end: %v", err)
		}
	}
	packed, err := os.ReadFile("packed")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if line := fmt.Sprintf(`{"n":%d,"check":"done in Python","packed":true}`, i); !strings.Contains(string(packed), line) {
			t.Errorf("not packed: %s", line)
		}
	}
}
