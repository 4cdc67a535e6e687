package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// sizes are those of cameras and screens, upright and across.
var sizes = []image.Point{{X: 1600, Y: 1200}, {X: 1200, Y: 1600}, {X: 1920, Y: 1080}, {X: 1024, Y: 768}, {X: 2048, Y: 1536}}

// name is what a picture is called, and its item's id.
func name(i int) string { return fmt.Sprintf("picture-%05d", i) }

// file is a picture's file: a PNG or a JPEG in turn.
func file(i int) string {
	if i%2 == 0 {
		return name(i) + ".png"
	}
	return name(i) + ".jpg"
}

func (c config) sizeOf(i int) image.Point {
	s := sizes[i%len(sizes)]
	return image.Pt(max(s.X*c.scale/100, 1), max(s.Y*c.scale/100, 1))
}

// makePictures draws them all, on all processors, and returns their bytes.
func makePictures(ctx context.Context, cfg config) (int64, error) {
	var next, size atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for ctx.Err() == nil && failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= cfg.pictures {
					return
				}
				n, err := makePicture(cfg, i)
				if err != nil {
					failed.Store(&err)
				}
				size.Add(n)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return size.Load(), ctx.Err()
}

// makePicture leaves one alone that an earlier run has made.
func makePicture(cfg config, i int) (int64, error) {
	if info, err := os.Stat(cfg.path("in", file(i))); err == nil {
		return info.Size(), nil
	}
	var b bytes.Buffer
	var err error
	if p := landscape(cfg.sizeOf(i), uint64(i)); i%2 == 0 {
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, p)
	} else {
		err = jpeg.Encode(&b, p, &jpeg.Options{Quality: 90})
	}
	if err != nil {
		return 0, err
	}
	return int64(b.Len()), replace(cfg.path("in", file(i)), b.Bytes())
}

// landscape makes one of gradients and discs, with grain as a camera has it.
func landscape(size image.Point, seed uint64) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := image.NewRGBA(image.Rectangle{Max: size})
	sky, ground := shade(rng), shade(rng)
	for y := range size.Y {
		row := p.Pix[y*p.Stride:]
		for x := range size.X {
			grain := int(rng.Uint32() & 7)
			for c := range 3 {
				v := (sky[c]*(size.Y-y)+ground[c]*y)/size.Y + grain
				row[4*x+c] = uint8(min(v, 255))
			}
			row[4*x+3] = 255
		}
	}
	for range 6 {
		disc(p, rng)
	}
	return p
}

func shade(rng *rand.Rand) [3]int {
	return [3]int{rng.IntN(240), rng.IntN(240), rng.IntN(240)}
}

func disc(p *image.RGBA, rng *rand.Rand) {
	size := p.Bounds().Max
	x0, y0, r := rng.IntN(size.X), rng.IntN(size.Y), 1+rng.IntN(max(size.Y/6, 1))
	s := shade(rng)
	paint := color.RGBA{uint8(s[0]), uint8(s[1]), uint8(s[2]), 255}
	for y := max(y0-r, 0); y < min(y0+r, size.Y); y++ {
		for x := max(x0-r, 0); x < min(x0+r, size.X); x++ {
			if (x-x0)*(x-x0)+(y-y0)*(y-y0) < r*r {
				p.SetRGBA(x, y, paint)
			}
		}
	}
}
