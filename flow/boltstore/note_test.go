package boltstore

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/flow"
)

// written encodes one item's state in a note at off of a half.
func written(b []byte, off int, epoch, seq uint64, t token, it *flow.Item, payload []byte) []byte {
	rec := appendRecord(nil, it, loc{})
	b = append(b[:off], make([]byte, noteHead)...)
	b = append(b, partPayload)
	b = append(appendSize(b, len(rec)), rec...)
	b = append(appendSize(b, len(payload)), payload...)
	return endNote(b, off, epoch, seq, t)
}

// TestNotes writes drawn notes over older ones, damages one at times, and compares
// what is found with what was written.
func TestNotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 64 * block
		half := make([]byte, size)
		tok := token{1}
		var offs []int
		round := func(seq uint64) (want []uint64) {
			offs = offs[:0]
			for off := 0; ; seq++ {
				payload := make([]byte, rapid.IntRange(0, 3*block).Draw(t, "size"))
				if off+aligned(len(payload)+1000) > size || rapid.IntRange(0, 9).Draw(t, "enough") == 0 {
					return want
				}
				it := flow.Item{No: seq, Hop: 1, Flow: "f", ID: "x"}
				b := written(half, off, 1, seq, tok, &it, payload)
				offs = append(offs, off)
				want = append(want, seq)
				off = len(b)
			}
		}
		round(1)
		st := state{made: true, epoch: 1, token: tok, folded: 99}
		want := round(100)
		bad := -1
		if len(want) > 0 && rapid.Bool().Draw(t, "damaged") {
			bad = rapid.IntRange(0, len(want)-1).Draw(t, "which")
			half[offs[bad]+rapid.IntRange(0, noteHead).Draw(t, "byte")] ^= 0x10
		}
		h, err := lacking(0, half, notes(half, tok), st)
		if bad >= 0 && bad < len(want)-1 {
			// With the first one gone the later ones follow on none, at their place.
			if err == nil {
				t.Fatalf("commit %d of %v is lost, and nobody noticed", want[bad], want)
			}
			return
		}
		if bad >= 0 {
			want = want[:bad] // the last may be torn
		}
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		if h != nil {
			err = h.each(tok, func(p part) error {
				no, _, _, err := decodeLoc(p.rec, 0)
				got = append(got, no)
				return err
			})
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
	})
}

// FuzzNote reads any bytes as a half of a journal. What is found has right
// checksums, in order and apart; what cannot be read is damage, and is said so.
func FuzzNote(f *testing.F) {
	tok := token{7}
	it := flow.Item{No: 5, Hop: 3, Flow: "f", ID: "x", Stage: "a", Size: 4}
	one := written(make([]byte, 4*block), 0, 1, 1, tok, &it, []byte("four"))
	two := written(append(one, make([]byte, 3*block)...), len(one), 1, 2, tok, &it, bytes.Repeat([]byte{'y'}, block))
	f.Add(one, true)
	f.Add(two, false)
	f.Add([]byte{partItem, 200}, true)
	f.Add([]byte{partDefinition, 2, '{', '}'}, true)
	f.Fuzz(func(t *testing.T, b []byte, asBody bool) {
		if asBody { // most bytes have no right checksum: give them one
			half := make([]byte, 0, aligned(noteHead+len(b))+block)
			b = endNote(append(append(half, make([]byte, noteHead)...), b...), 0, 1, 1, tok)
		}
		end := 0
		for _, n := range notes(b, tok) {
			if n.off < end || n.off%block != 0 || n.end > len(b) || n.end <= n.off {
				t.Fatalf("a note from %d to %d, after %d, of %d", n.off, n.end, end, len(b))
			}
			end = n.end
			if again, ok := readNote(b, n.off, tok); !ok || !bytes.Equal(again.body, n.body) {
				t.Fatalf("the note at %d is not there again", n.off)
			}
			err := n.parts(func(p part) error {
				if !bytes.Equal(b[p.at:p.at+len(p.rec)], p.rec) || !bytes.Equal(b[p.payAt:p.payAt+len(p.payload)], p.payload) {
					t.Errorf("a part is not where it says: %d, %d", p.at, p.payAt)
				}
				return nil
			})
			if err != nil && !errors.Is(err, errCorrupt) {
				t.Error(err)
			}
		}
		halves, err := lacking(0, b, notes(b, tok), state{made: true, epoch: 1, token: tok})
		if err == nil && halves != nil && halves.end > len(b) {
			t.Errorf("a half ends at %d of %d", halves.end, len(b))
		}
	})
}
