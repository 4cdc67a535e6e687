// Command thumbs is a real job for a flow: pictures of real size are decoded,
// resized, optimised by ImageMagick and written, in four stages with a limit each.
// While it runs, one stage is made ten times slower, so that the blockage can be
// seen to travel to the entrance, and the server is killed in the middle. At the
// end it counts: every picture must have arrived, once.
//
//	go build -o bin/penstock ./cmd/penstock
//	go run ./examples/thumbs -penstock bin/penstock
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

type config struct {
	pictures int           // how many
	scale    int           // percent of the real size
	penstock string        // the program
	dir      string        // for everything; made if it is not there
	wip      int           // of each stage
	slowFor  time.Duration // after the entrance is full, until the stage is as fast as before
	out      io.Writer
}

func main() {
	cfg := config{out: os.Stdout}
	flag.IntVar(&cfg.pictures, "n", 2000, "how many pictures")
	flag.IntVar(&cfg.scale, "scale", 100, "their size, in percent of 1600x1200 and the like")
	flag.StringVar(&cfg.penstock, "penstock", "penstock", "the penstock program")
	flag.StringVar(&cfg.dir, "dir", "", "folder for everything (default: a temporary one, removed at the end)")
	flag.IntVar(&cfg.wip, "wip", 8, "limit of each stage")
	flag.DurationVar(&cfg.slowFor, "slow", 10*time.Second, "how long one stage stays slow once the entrance is full")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := temporary(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "thumbs:", err)
		os.Exit(1)
	}
}

// temporary runs in a folder that is removed, unless one is given.
func temporary(ctx context.Context, cfg config) error {
	if cfg.dir != "" {
		return run(ctx, cfg)
	}
	dir, err := os.MkdirTemp("", "thumbs-")
	if err != nil {
		return err
	}
	cfg.dir = dir
	return errors.Join(run(ctx, cfg), os.RemoveAll(dir))
}

// magick finds ImageMagick.
func magick(ctx context.Context) (string, error) {
	for _, name := range []string{"magick", "convert", "/usr/bin/convert"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if out, err := exec.CommandContext(ctx, path, "-version").Output(); err == nil && strings.Contains(string(out), "Version: ImageMagick") {
			return path, nil
		}
	}
	return "", errors.New("ImageMagick is not here; on Debian: apt-get install imagemagick")
}

// run does all of it, and prints what happens.
func run(ctx context.Context, cfg config) error {
	im, err := magick(ctx)
	if err != nil {
		return err
	}
	for _, d := range []string{"in", "raw", "out"} {
		if err := os.MkdirAll(filepath.Join(cfg.dir, d), 0o755); err != nil {
			return err
		}
	}
	start := time.Now()
	size, err := makePictures(ctx, cfg)
	if err != nil {
		return err
	}
	cfg.say("%d pictures made, %.1f MB, in %.0f s", cfg.pictures, float64(size)/1e6, time.Since(start).Seconds())
	return pass(ctx, cfg, im)
}

func (c config) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

func (c config) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}
