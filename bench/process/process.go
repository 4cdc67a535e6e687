// Package process starts the running program again as another process, for
// benches whose parts must not share a scheduler or a heap.
package process

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// A Process is this program, running once more.
type Process struct {
	Line string // the first line that it printed, without its end
	cmd  *exec.Cmd
}

// Again starts this program with arguments, and waits for its first line.
func Again(args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		p.Stop()
		return nil, errSilent
	}
	p.Line = lines.Text()
	return p, nil
}

// Stop kills it, and waits for its end.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill() // fails where it has ended by itself
	_ = p.cmd.Wait()         // its end is ours
}

// Spent is the processor time that it had, once it has been stopped.
func (p *Process) Spent() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

var errSilent = errors.New("process: it ended without a word")

// Serve is what such a process does that works and is controlled: it opens a listener
// for each on loopback, prints both addresses, and serves until one fails.
func Serve(work func(net.Listener) error, control http.HandlerFunc) error {
	w, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(w.Addr(), c.Addr())
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(c, control) }()
	go func() { failed <- work(w) }()
	return <-failed
}
