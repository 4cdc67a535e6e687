package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg" // to decode
	"image/png"
	"io/fs"
	"os"

	"github.com/penstock-go/penstock/flow/flowapi"
)

// thumb is the side of the square that a thumbnail fits in.
const thumb = 320

// The stages. What is large goes from decode to resize in a file of the scratch
// folder, which the limits keep small; thumbnails go as the item's payload.
//
// Each may run twice for a picture, when the server is killed after the work and
// before it is told: so each leaves the same behind whether it runs once or twice.

// decode reads a picture and leaves its pixels in the scratch folder.
func (c config) decode(_ context.Context, j flowapi.Job) (flowapi.Content, error) {
	var in string
	if err := json.Unmarshal(j.JSON, &in); err != nil {
		return flowapi.Content{}, err
	}
	f, err := os.Open(c.path("in", in))
	if err != nil {
		return flowapi.Content{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	p, _, err := image.Decode(f)
	if err != nil {
		return flowapi.Content{}, err
	}
	size := p.Bounds().Size()
	rgba := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(rgba, rgba.Bounds(), p, p.Bounds().Min, draw.Src)
	raw := binary.LittleEndian.AppendUint32(nil, uint32(size.X))
	raw = binary.LittleEndian.AppendUint32(raw, uint32(size.Y))
	return flowapi.Content{JSON: j.JSON}, replace(c.path("raw", j.ID), append(raw, rgba.Pix...))
}

// resize makes a thumbnail of the pixels.
func (c config) resize(_ context.Context, j flowapi.Job) (flowapi.Content, error) {
	raw, err := os.ReadFile(c.path("raw", j.ID))
	if err != nil {
		return flowapi.Content{}, err
	}
	if len(raw) < 8 {
		return flowapi.Content{}, errors.New("no pixels")
	}
	w, h := int(binary.LittleEndian.Uint32(raw)), int(binary.LittleEndian.Uint32(raw[4:]))
	if len(raw) != 8+4*w*h {
		return flowapi.Content{}, fmt.Errorf("%d bytes are no %dx%d pixels", len(raw), w, h)
	}
	p := &image.RGBA{Pix: raw[8:], Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
	var b bytes.Buffer
	if err := png.Encode(&b, shrink(p)); err != nil {
		return flowapi.Content{}, err
	}
	return flowapi.Content{Payload: b.Bytes()}, nil
}

// fit is the largest size of the same shape that fits into the square.
func fit(s image.Point) image.Point {
	if long := max(s.X, s.Y); long > thumb {
		return image.Pt(max(s.X*thumb/long, 1), max(s.Y*thumb/long, 1))
	}
	return s
}

// shrink averages the pixels that each of the thumbnail's stands for.
func shrink(p *image.RGBA) *image.RGBA {
	from := p.Bounds().Size()
	to := fit(from)
	out := image.NewRGBA(image.Rectangle{Max: to})
	for y := range to.Y {
		y0, y1 := y*from.Y/to.Y, max((y+1)*from.Y/to.Y, y*from.Y/to.Y+1)
		for x := range to.X {
			x0, x1 := x*from.X/to.X, max((x+1)*from.X/to.X, x*from.X/to.X+1)
			var sum [4]int
			for v := y0; v < y1; v++ {
				row := p.Pix[v*p.Stride+4*x0 : v*p.Stride+4*x1]
				for i := 0; i < len(row); i += 4 {
					for c := range 4 {
						sum[c] += int(row[i+c])
					}
				}
			}
			for c := range 4 {
				out.Pix[y*out.Stride+4*x+c] = uint8(sum[c] / ((y1 - y0) * (x1 - x0)))
			}
		}
	}
	return out
}

// optimise is the command of the third stage, run by penstock flow work: the item's
// payload is its standard input, what it prints goes on. While the file slow is
// there it does its work ten times.
func (c config) optimise(im string) string {
	return fmt.Sprintf(`
		part=$(mktemp) && trap 'rm -f "$part"' EXIT && cat >"$part" || exit 1
		n=9; while [ -e '%[1]s' ] && [ "$n" -gt 0 ]; do
			'%[2]s' -limit thread 1 png:"$part" -strip -sharpen 0x1 -quality 80 jpeg:- >/dev/null || exit 1; n=$((n - 1))
		done
		'%[2]s' -limit thread 1 png:"$part" -strip -sharpen 0x1 -quality 80 jpeg:-`, c.path("slow"), im)
}

// write keeps a finished thumbnail. One that is there already was written before a
// crash; then the item has come again, and the picture has not.
func (c config) write(_ context.Context, j flowapi.Job) (again bool, err error) {
	part := c.path("out", j.ID+".part")
	if err := replace(part, j.Payload); err != nil {
		return false, err
	}
	err = os.Link(part, c.path("out", j.ID+".jpg"))
	if errors.Is(err, fs.ErrExist) {
		again, err = true, nil
	}
	if gone := os.Remove(c.path("raw", j.ID)); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return again, errors.Join(err, os.Remove(part))
}

// replace writes a file so that it is there as a whole or not at all.
func replace(path string, b []byte) error {
	if err := os.WriteFile(path+".new", b, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
