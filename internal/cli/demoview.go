package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/penstock-go/penstock/internal/demo"
)

// How often the view changes.
const (
	drawEvery = 250 * time.Millisecond
	lineEvery = time.Second
)

// A demoView shows a demo: on a terminal a picture that is drawn over and over,
// elsewhere a line a second.
type demoView struct {
	out    io.Writer // addresses, hints, lines; discarded where JSON is asked for
	screen *screen   // nil where there is no terminal
	colour bool
}

func newDemoView(out io.Writer, jsonOnly bool) *demoView {
	v := &demoView{out: out}
	if jsonOnly {
		v.out = io.Discard
	} else if isTerminal(out) {
		v.screen = &screen{file: out.(*os.File)}
		v.colour = os.Getenv("NO_COLOR") == ""
	}
	return v
}

func (v *demoView) say(text string) { _, _ = io.WriteString(v.out, text) }

// follow shows the demo until the returned function is called, which waits for
// the last frame and clears the picture away.
func (v *demoView) follow(d *demo.Demo) (stop func()) {
	every := lineEvery
	if v.screen != nil {
		every = drawEvery
	}
	return repeat(every, func() { v.frame(d.Frame()) }, v.clear)
}

func (v *demoView) frame(f demo.Frame) {
	if v.screen == nil {
		v.say(demo.Line(f) + "\n")
		return
	}
	width, height := v.screen.size()
	v.screen.draw(picture(f, width, height, v.colour))
}

// picture is the frame as a terminal of that size has room for it.
func picture(f demo.Frame, width, height int, colour bool) []string {
	if width >= demo.MinWidth {
		if lines := demo.Render(f, width, colour); len(lines) < height {
			return lines
		}
	}
	return []string{demo.Short(f, width-1)}
}

func (v *demoView) clear() {
	if v.screen != nil {
		v.screen.draw(nil)
	}
}

// rest shows a demo whose load has ended, until ctx ends.
func (v *demoView) rest(ctx context.Context, d *demo.Demo) {
	if v.screen == nil {
		<-ctx.Done()
		return
	}
	stop := repeat(drawEvery, func() {
		width, _ := v.screen.size()
		v.screen.draw([]string{demo.Rest(d.Frame(), width-1)})
	}, v.clear)
	<-ctx.Done()
	stop()
}

// repeat calls f every so often from one goroutine, and last once stop is
// called, which returns when all is done.
func repeat(every time.Duration, f, last func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				f()
			case <-done:
				last()
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// A screen is a terminal on which the last lines are drawn again and again.
type screen struct {
	file  *os.File
	lines int // drawn last
}

// The size of a terminal that does not tell its own.
const (
	usualWidth  = 80
	usualHeight = 24
)

func (s *screen) size() (width, height int) {
	w, h, err := term.GetSize(int(s.file.Fd()))
	if err != nil || w <= 0 || h <= 0 {
		return usualWidth, usualHeight
	}
	return w, h
}

// draw replaces the lines drawn last.
func (s *screen) draw(lines []string) {
	_, _ = io.WriteString(s.file, redraw(s.lines, lines)) // whoever closed it does not look
	s.lines = len(lines)
}

// redraw is what makes a terminal replace its last lines: up, each line with the
// rest of its row erased, and everything below erased (ECMA-48: CUU, EL, ED).
func redraw(last int, lines []string) string {
	var b strings.Builder
	if last > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", last)
	}
	b.WriteString("\r")
	for _, line := range lines {
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	return b.String()
}
