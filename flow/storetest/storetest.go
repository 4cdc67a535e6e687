// Package storetest is the conformance suite of [flow.Store]: what every store
// must do, whatever it keeps items in.
package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/flow"
)

// A Place is where a store keeps its data. Each call returns a new store that is
// not open, of the same data: what one has committed the next must find.
type Place func() flow.Store

// Content is what a store holds.
type Content struct {
	Items    []flow.Item // in order of number, ended ones included
	Payloads map[uint64][]byte
	Defs     []flow.Definition
}

// Read takes down what an opened store holds.
func Read(t TB, s flow.Store) (epoch uint64, c Content) {
	t.Helper()
	ctx := context.Background()
	epoch, defs, items, err := s.Open(ctx)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	c = Content{Payloads: map[uint64][]byte{}, Defs: defs}
	for it, err := range items {
		if err != nil {
			t.Fatalf("reading items: %v", err)
		}
		c.Items = append(c.Items, it)
	}
	slices.SortFunc(c.Items, func(a, b flow.Item) int { return cmp.Compare(a.No, b.No) })
	for _, it := range c.Items {
		if it.State == flow.Ended {
			continue
		}
		p, err := s.Payload(ctx, it.No)
		if err != nil {
			t.Fatalf("payload of %d: %v", it.No, err)
		}
		c.Payloads[it.No] = p
	}
	return epoch, c
}

// TB is what the suite needs of a test: a [testing.TB] or a [rapid.T].
type TB interface {
	rapid.TB
}

// Diff says how two contents differ, or is empty.
func Diff(got, want Content) string {
	for i := range max(len(got.Items), len(want.Items)) {
		switch {
		case i >= len(got.Items):
			return fmt.Sprintf("lacks %+v", want.Items[i])
		case i >= len(want.Items):
			return fmt.Sprintf("has %+v", got.Items[i])
		case got.Items[i] != want.Items[i]:
			return fmt.Sprintf("has %+v, want %+v", got.Items[i], want.Items[i])
		}
		no := got.Items[i].No
		if !bytes.Equal(got.Payloads[no], want.Payloads[no]) {
			return fmt.Sprintf("item %d has a payload of %d bytes, want %d", no, len(got.Payloads[no]), len(want.Payloads[no]))
		}
	}
	if len(got.Defs) != len(want.Defs) {
		return fmt.Sprintf("has %d definitions, want %d", len(got.Defs), len(want.Defs))
	}
	for i := range got.Defs {
		if fmt.Sprint(got.Defs[i]) != fmt.Sprint(want.Defs[i]) {
			return fmt.Sprintf("has %+v, want %+v", got.Defs[i], want.Defs[i])
		}
	}
	return ""
}

// Apply does to the content what a commit of the change does to a store.
func (c *Content) Apply(ch flow.Change) {
	switch ch.Op {
	case flow.OpNone:
		return
	case flow.OpDefine:
		i := slices.IndexFunc(c.Defs, func(d flow.Definition) bool { return d.Name == ch.Definition.Name })
		if i >= 0 {
			c.Defs = slices.Delete(c.Defs, i, i+1)
		}
		c.Defs = append(c.Defs, *ch.Definition)
		slices.SortFunc(c.Defs, func(a, b flow.Definition) int { return cmp.Compare(a.Name, b.Name) })
		return
	case flow.OpMerge:
		c.put(*ch.Absorbed, nil, false)
	default:
	}
	c.put(ch.Item, ch.Payload, ch.HasPayload || ch.Op == flow.OpPut)
}

func (c *Content) put(it flow.Item, payload []byte, replace bool) {
	i, known := slices.BinarySearchFunc(c.Items, it.No, func(it flow.Item, no uint64) int { return cmp.Compare(it.No, no) })
	switch {
	case known && c.Items[i].Hop >= it.Hop:
		return
	case known:
		c.Items[i] = it
	default:
		c.Items = slices.Insert(c.Items, i, it)
	}
	if it.State == flow.Ended {
		// Of an ended item the store remembers that it was there, no more.
		c.Items[i] = flow.Item{No: it.No, Flow: it.Flow, ID: it.ID, Hop: it.Hop, State: flow.Ended, Due: it.Due}
		delete(c.Payloads, it.No)
	} else if replace {
		c.Payloads[it.No] = bytes.Clone(payload)
	}
}

// Clone copies a content.
func (c Content) Clone() Content {
	d := Content{Items: slices.Clone(c.Items), Defs: slices.Clone(c.Defs), Payloads: map[uint64][]byte{}}
	for no, p := range c.Payloads {
		d.Payloads[no] = bytes.Clone(p)
	}
	return d
}

// Run checks a kind of store. place makes a new, empty place for each test.
func Run(t *testing.T, place func(t *testing.T) Place) {
	t.Run("empty", func(t *testing.T) {
		open := place(t)
		for want := range uint64(3) {
			s := open()
			epoch, c := Read(t, s)
			if epoch <= want || len(c.Items) != 0 || len(c.Defs) != 0 {
				t.Errorf("open %d: epoch %d, %+v", want, epoch, c)
			}
			mustClose(t, s)
		}
	})
	t.Run("idempotent", func(t *testing.T) { idempotent(t, place(t)) })
	t.Run("ended", func(t *testing.T) { endedPayload(t, place(t)) })
	t.Run("closed", func(t *testing.T) {
		s := place(t)()
		Read(t, s)
		mustClose(t, s)
		if err := s.Commit(t.Context(), []flow.Change{{Op: flow.OpPut, Item: flow.Item{No: 1, Hop: 1}}}); err == nil {
			t.Error("a closed store commits")
		}
	})
	t.Run("any history", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) { history(rt, place(t)) })
	})
}

func mustClose(t TB, s flow.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// idempotent commits changes twice and out of date.
func idempotent(t *testing.T, open Place) {
	put := flow.Change{Op: flow.OpPut, Item: flow.Item{No: 1, Hop: 1, Flow: "f", ID: "x", Stage: "a", Cost: 1, Size: 3}, Payload: []byte("one"), HasPayload: true}
	move := put
	move.Op, move.Item.Hop, move.Item.Stage, move.Item.Size, move.Payload = flow.OpMove, 2, "b", 5, []byte("later")
	s := open()
	Read(t, s)
	for _, c := range [][]flow.Change{{put}, {put}, {move, move}, {put}, {move, put}} {
		if err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, s)
	s = open()
	_, c := Read(t, s)
	if len(c.Items) != 1 || c.Items[0] != move.Item || string(c.Payloads[1]) != "later" {
		t.Errorf("%+v", c)
	}
	mustClose(t, s)
}

// endedPayload asks for payloads that are not there.
func endedPayload(t *testing.T, open Place) {
	put := flow.Change{Op: flow.OpPut, Item: flow.Item{No: 1, Hop: 1, Flow: "f", ID: "x", Stage: "a"}, HasPayload: true}
	end := put
	end.Op, end.Item.Hop, end.Item.State, end.Item.Due = flow.OpFinish, 2, flow.Ended, 1<<62
	s := open()
	Read(t, s)
	if err := s.Commit(t.Context(), []flow.Change{put}); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Payload(t.Context(), 1); err != nil || len(p) != 0 {
		t.Errorf("%q, %v", p, err)
	}
	if err := s.Commit(t.Context(), []flow.Change{end}); err != nil {
		t.Fatal(err)
	}
	for _, no := range []uint64{1, 2} {
		if _, err := s.Payload(t.Context(), no); !errors.Is(err, flow.ErrUnknownItem) {
			t.Errorf("item %d: %v", no, err)
		}
	}
	mustClose(t, s)
}

// history commits drawn changes, with restarts, and compares with a content kept
// in memory.
func history(t *rapid.T, open Place) {
	want := Content{Payloads: map[uint64][]byte{}}
	s := open()
	epoch, _ := Read(t, s)
	d := Draw{T: t}
	for range rapid.IntRange(1, 12).Draw(t, "commits") {
		changes := d.Changes(&want)
		if err := s.Commit(context.Background(), changes); err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			want.Apply(c)
		}
		if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
			mustClose(t, s)
			s = open()
			e, got := Read(t, s)
			if e <= epoch {
				t.Fatalf("epoch %d after %d", e, epoch)
			} else if diff := Diff(got, want); diff != "" {
				t.Fatal(diff)
			}
			epoch = e
		}
	}
	mustClose(t, s)
	s = open()
	_, got := Read(t, s)
	if diff := Diff(got, want); diff != "" {
		t.Fatal(diff)
	}
	mustClose(t, s)
}
