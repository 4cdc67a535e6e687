package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/flow/boltstore"
)

// check counts: in the folder, where each picture must be once, whole and of the
// right size; and in the server's file, where each item must have ended.
func (p *passage) check(ctx context.Context) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	want := map[string]image.Point{}
	for i := range p.pictures {
		want[name(i)+".jpg"] = fit(p.sizeOf(i))
	}
	files, err := os.ReadDir(p.path("out"))
	if err != nil {
		return err
	}
	for _, f := range files {
		size, ok := want[f.Name()]
		if !ok {
			bad("%s: nobody asked for it", f.Name())
			continue
		}
		delete(want, f.Name())
		if got, err := sizeOf(p.path("out", f.Name())); err != nil || got != size {
			bad("%s: %v, where %v is right: %v", f.Name(), got, size, err)
		}
	}
	for name := range want {
		bad("%s: missing", name)
	}
	if left, err := filepath.Glob(p.path("raw", "*")); err != nil || len(left) > 0 {
		bad("%d files are left in the scratch folder: %v", len(left), err)
	}
	r, err := p.verify(ctx)
	if err != nil {
		return err
	}
	ended := r.Items["ended"]
	for state, n := range r.Items {
		if state != "ended" && n > 0 {
			bad("%d items are %s in the server's file", n, state)
		}
	}
	if ended != p.pictures || len(r.Problems) > 0 {
		bad("%d items have ended in the server's file, of %d; problems: %v", ended, p.pictures, r.Problems)
	}
	p.say("\n%8d pictures went in", p.pictures)
	p.say("%8d thumbnails are there, each once, whole, of the right size", len(files)-len(errs))
	p.say("%8d items have ended in the server's file, none is left, and penstock flow verify finds no fault", ended)
	p.say("%8d times an item came again to write, for the kill, and its picture was there already", p.again.Load())
	p.say("%8d calls failed while the server was dead", p.troubles.Load())
	p.say("%8d files were in the scratch folder at most", p.scratch.Load())
	if len(errs) > 0 {
		p.say("\nWRONG: %d things", len(errs))
		return errors.Join(errs[:min(len(errs), 20)]...)
	}
	p.say("\nall %d arrived, once", p.pictures)
	return nil
}

func sizeOf(path string) (image.Point, error) {
	f, err := os.Open(path)
	if err != nil {
		return image.Point{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	p, err := jpeg.Decode(f)
	if err != nil {
		return image.Point{}, err
	}
	return p.Bounds().Size(), nil
}

// verify runs penstock flow verify on the server's file.
func (p *passage) verify(ctx context.Context) (r boltstore.Report, err error) {
	cmd := p.command(ctx, "verify", "--json", p.path("flow.db"))
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("penstock flow verify: %w: %s", err, cmd.Stderr)
	}
	return r, json.Unmarshal(out, &r)
}
