package boltstore

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
)

// drawItem draws any item that a record can hold.
func drawItem(t *rapid.T) (it flow.Item, l loc) {
	text := rapid.StringN(0, 40, 128)
	it = flow.Item{
		No: rapid.Uint64().Draw(t, "no"), Hop: rapid.Uint32().Draw(t, "hop"), Flow: text.Draw(t, "flow"), ID: text.Draw(t, "id"),
		Due: flow.Wall(rapid.Int64().Draw(t, "due")), State: flow.State(rapid.IntRange(0, flow.States-1).Draw(t, "state")),
	}
	l = loc{log: rapid.Uint64().Draw(t, "log"), hop: it.Hop, ended: it.State == flow.Ended}
	if l.ended {
		return it, l
	}
	positive := rapid.Int32Range(0, 1<<31-1)
	it.Stage, it.Key, it.Reason = text.Draw(t, "stage"), text.Draw(t, "key"), text.Draw(t, "reason")
	it.Created, it.Deadline = flow.Wall(rapid.Int64().Draw(t, "created")), flow.Wall(rapid.Int64().Draw(t, "deadline"))
	it.Cost, it.Charge, it.Size = positive.Draw(t, "cost"), positive.Draw(t, "charge"), positive.Draw(t, "size")
	it.Rank, it.Attempts = penstock.Rank(rapid.IntRange(0, int(penstock.MaxRank)).Draw(t, "rank")), rapid.Uint16().Draw(t, "attempts")
	l.chunk, l.off, l.size = rapid.Uint64().Draw(t, "chunk"), rapid.Uint32().Draw(t, "off"), uint32(it.Size)
	return it, l
}

// TestRecords writes records in one entry, and reads them back.
func TestRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var items []flow.Item
		var locs []loc
		var e batch
		e.reset()
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			it, l := drawItem(t)
			l.log = 7
			items, locs = append(items, it), append(locs, l)
			e.add(appendRecord(nil, &it, l))
		}
		n := 0
		err := records(7, seal(e.b), func(rec []byte) error {
			no, l, due, err := decodeLoc(rec, 7)
			it, err2 := decodeItem(rec, 7, names{})
			if err := errors.Join(err, err2); err != nil {
				return err
			}
			if it != items[n] || l != locs[n] || no != it.No || due != it.Due {
				t.Fatalf("%+v at %+v became %+v at %+v", items[n], locs[n], it, l)
			}
			n++
			return nil
		})
		if err != nil || n != len(items) {
			t.Fatalf("%d of %d records: %v", n, len(items), err)
		}
	})
}

// FuzzRecord reads any bytes as a record, an entry and a chunk. What can be read is
// what it says: written anew it reads the same. All else is damage, and is said so.
func FuzzRecord(f *testing.F) {
	it := flow.Item{No: 5, Hop: 3, Flow: "f", ID: "x", Stage: "a", Key: "k", Created: 1e18, Cost: 1, Charge: 1, Size: 4}
	f.Add(appendRecord(nil, &it, loc{chunk: 2, off: 20, size: 4}))
	it.State = flow.Ended
	f.Add(appendRecord(nil, &it, loc{ended: true}))
	f.Add(appendFrame(appendFrame(nil, 5, []byte("four")), 6, nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		damage := func(what string, err error) {
			if err != nil && !errors.Is(err, errCorrupt) {
				t.Errorf("%s: %v", what, err)
			}
		}
		it, err := decodeItem(b, 7, names{})
		damage("item", err)
		no, l, _, locErr := decodeLoc(b, 7)
		damage("location", locErr)
		if err == nil {
			if locErr != nil || no != it.No || l.hop != it.Hop {
				t.Fatalf("%+v is found as %d at %+v: %v", it, no, l, locErr)
			}
			again := appendRecord(nil, &it, l)
			if it2, err := decodeItem(again, 7, names{}); err != nil || it2 != it {
				t.Errorf("%+v, written again, is %+v: %v", it, it2, err)
			}
		}
		entry := seal(append(make([]byte, sealSize), b...))
		damage("entry", records(7, entry, func([]byte) error { return nil }))
		damage("frames", frames(b, func(no uint64, off uint32, payload []byte) error {
			p, err := frame(b, loc{off: off, size: uint32(len(payload))}, no)
			damage("frame", err)
			if err == nil && !bytes.Equal(p, payload) {
				t.Errorf("a frame has %q and %q", p, payload)
			}
			return nil
		}))
	})
}
