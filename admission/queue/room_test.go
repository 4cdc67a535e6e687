package queue_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

func ExampleRoom() {
	room := queue.New(queue.Config{Length: 4})
	room.Push(queue.Item{ID: 1, Band: 3, Flow: 'a', Cost: 1, Expires: mono.Never})
	room.Push(queue.Item{ID: 2, Band: 3, Flow: 'a', Cost: 1, Expires: mono.Never})
	room.Push(queue.Item{ID: 3, Band: 3, Flow: 'b', Cost: 1, Expires: 50})
	room.Push(queue.Item{ID: 4, Band: 5, Flow: 'a', Cost: 1, Expires: mono.Never})
	_, ok := room.Push(queue.Item{ID: 5, Band: 5})
	fmt.Println("a fifth:", ok)
	for {
		it, h, ok := room.Peek()
		if !ok {
			break
		}
		room.Take(h)
		fmt.Println(it.ID)
	}
	// Output:
	// a fifth: false
	// 4
	// 1
	// 3
	// 2
}

// One row per order: the order in which the same six units are served. Flow 1
// pushes first; flow 2's one unit costs three rounds.
func TestOrder(t *testing.T) {
	push := []queue.Item{
		{ID: 1, Flow: 1, Cost: 1},
		{ID: 2, Flow: 1, Cost: 1},
		{ID: 3, Flow: 2, Cost: 3},
		{ID: 4, Flow: 2, Cost: 1},
		{ID: 5, Flow: 1, Cost: 1},
		{ID: 6, Flow: 1, Cost: 1},
	}
	for _, row := range []struct {
		order queue.Order
		lifo  bool
		want  []int32
	}{
		{queue.FIFO, false, []int32{1, 2, 3, 4, 5, 6}},
		{queue.FIFO, true, []int32{1, 2, 3, 4, 5, 6}},
		{queue.LIFO, false, []int32{6, 5, 4, 3, 2, 1}},
		{queue.Fair, false, []int32{1, 3, 2, 5, 4, 6}},
		{queue.Fair, true, []int32{1, 3, 2, 5, 4, 6}},
		{queue.Auto, false, []int32{1, 3, 2, 5, 4, 6}},
		{queue.Auto, true, []int32{6, 4, 5, 3, 2, 1}},
	} {
		room := queue.New(queue.Config{Length: len(push), Order: row.order})
		for _, it := range push {
			it.Expires = mono.Never
			room.Push(it)
		}
		room.SetLIFO(row.lifo) // after the pushes: it holds for those that wait
		if got := drain(room); !slices.Equal(got, row.want) {
			t.Errorf("order %d, lifo %v: served %v, want %v", row.order, row.lifo, got, row.want)
		}
	}
}

func drain(room *queue.Room) (ids []int32) {
	for {
		_, h, ok := room.Peek()
		if !ok {
			return ids
		}
		ids = append(ids, room.Take(h).ID)
	}
}

// Values outside an Item's ranges are moved inside, not obeyed.
func TestItemIsClamped(t *testing.T) {
	room := queue.New(queue.Config{Length: 2})
	room.Push(queue.Item{Band: -5, Cost: -7})
	room.Push(queue.Item{Band: 99, Cost: 1 << 40})
	for _, want := range []queue.Item{
		{Band: penstock.Bands - 1, Cost: penstock.MaxCost},
		{Band: 0, Cost: 1},
	} {
		_, h, _ := room.Peek()
		if got := room.Take(h); got != want {
			t.Errorf("took %+v, want %+v", got, want)
		}
	}
}

func TestPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"negative length": func() { queue.New(queue.Config{Length: -1}) },
		"length":          func() { queue.New(queue.Config{Length: queue.MaxLength + 1}) },
		"order":           func() { queue.New(queue.Config{Order: 4}) },
		"no such handle":  func() { queue.New(queue.Config{Length: 1}).Take(0) },
		"none":            func() { queue.New(queue.Config{Length: 1}).Remove(-1) },
		"handle that left": func() {
			room := queue.New(queue.Config{Length: 1})
			h, _ := room.Push(queue.Item{})
			room.Remove(h)
			room.Remove(h)
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// Property: whatever is done to it, a room answers as the plain reference does.
func TestRoomIsTheReference(t *testing.T) { rapid.Check(t, roomIsTheReference) }
func FuzzRoomIsTheReference(f *testing.F) { f.Fuzz(rapid.MakeFuzz(roomIsTheReference)) }

func roomIsTheReference(t *rapid.T) {
	cfg := queue.Config{
		Length: rapid.IntRange(0, 24).Draw(t, "length"),
		Order:  rapid.SampledFrom([]queue.Order{queue.Auto, queue.FIFO, queue.LIFO, queue.Fair}).Draw(t, "order"),
		Seed:   rapid.Uint64().Draw(t, "seed"),
	}
	m := &model{
		room:  queue.New(cfg),
		ref:   newReference(cfg),
		cfg:   cfg,
		bands: rapid.IntRange(1, penstock.Bands).Draw(t, "bands"),
		// No more flows than a set of places holds: then none can share.
		flows: rapid.Uint64Range(1, 8).Draw(t, "flows"),
		cost:  rapid.SampledFrom([]int{1, 3, penstock.MaxCost}).Draw(t, "max cost"),
		now:   mono.Time(rapid.Int64Range(-1000, 1000).Draw(t, "start")),
		left:  map[int32]bool{},
	}
	t.Repeat(map[string]func(*rapid.T){
		"":        m.check,
		"push":    m.push,
		"push 2":  m.push,
		"serve":   m.serve,
		"serve 2": m.serve,
		"remove":  m.remove,
		"take":    m.take,
		"expire":  m.expire,
		"evict":   m.evict,
		"lifo": func(t *rapid.T) {
			on := rapid.Bool().Draw(t, "on")
			m.room.SetLIFO(on)
			m.ref.lifo = on
		},
	})
}

// model drives a room and the reference side by side.
type model struct {
	room  *queue.Room
	ref   *reference
	cfg   queue.Config
	bands int
	flows uint64
	cost  int
	now   mono.Time
	ids   int32
	left  map[int32]bool // by ID: units that have left
}

func (m *model) push(t *rapid.T) {
	m.now += mono.Time(rapid.Int64Range(0, 5).Draw(t, "later"))
	m.ids++
	it := queue.Item{
		ID:      m.ids,
		Band:    rapid.IntRange(0, m.bands-1).Draw(t, "band"),
		Flow:    rapid.Uint64Range(1, m.flows).Draw(t, "flow") * 0x51ed270b7f,
		Cost:    rapid.IntRange(1, m.cost).Draw(t, "cost"),
		Arrived: m.now,
		Expires: mono.Never,
	}
	if rapid.Bool().Draw(t, "bounded") {
		it.Expires = m.now + mono.Time(rapid.Int64Range(0, 20).Draw(t, "bound"))
	}
	h, ok := m.room.Push(it)
	if want := m.ref.push(it); ok != want {
		t.Fatalf("Push = %v, want %v", ok, want)
	}
	if !ok {
		return
	}
	for _, u := range m.ref.units {
		if u.handle == h {
			t.Fatalf("handle %d given twice", h)
		}
	}
	m.ref.named(h)
}

func (m *model) settle(t *rapid.T, h queue.Handle, served bool) {
	leave := m.room.Remove
	if served {
		leave = m.room.Take
	}
	got, want := leave(h), m.ref.leave(h, served)
	if got != want {
		t.Fatalf("left %+v, want %+v", got, want)
	}
	if m.left[got.ID] {
		t.Fatalf("unit %d left twice", got.ID)
	}
	m.left[got.ID] = true
}

func (m *model) serve(t *rapid.T) {
	if _, h, ok := m.room.Peek(); ok {
		m.settle(t, h, true)
	}
}

// take serves a unit out of turn, remove takes one out unserved.
func (m *model) take(t *rapid.T)   { m.any(t, true) }
func (m *model) remove(t *rapid.T) { m.any(t, false) }

func (m *model) any(t *rapid.T, served bool) {
	if n := len(m.ref.units); n > 0 {
		m.settle(t, m.ref.units[rapid.IntRange(0, n-1).Draw(t, "unit")].handle, served)
	}
}

func (m *model) expire(t *rapid.T) {
	for {
		_, h, ok := m.room.Expired(m.now)
		if !ok {
			return
		}
		m.settle(t, h, false)
		m.check(t)
	}
}

func (m *model) evict(t *rapid.T) {
	band := rapid.IntRange(-1, penstock.Bands).Draw(t, "for band")
	if it, h, ok := m.room.Weakest(band); ok {
		if it.Band >= band {
			t.Fatalf("Weakest(%d) is of band %d", band, it.Band)
		}
		m.settle(t, h, false)
	}
}

// check compares every answer that changes nothing, twice.
func (m *model) check(t *rapid.T) {
	if m.room.Len() != len(m.ref.units) || m.room.Len() > m.cfg.Length {
		t.Fatalf("Len = %d, want %d, at most %d", m.room.Len(), len(m.ref.units), m.cfg.Length)
	}
	if int(m.ids) < len(m.left)+m.room.Len() {
		t.Fatalf("%d pushed, %d left, %d wait", m.ids, len(m.left), m.room.Len())
	}
	for band := -1; band <= penstock.Bands; band++ {
		units, cost := m.room.LenFrom(band)
		wantUnits, wantCost := m.ref.lenFrom(band)
		if units != wantUnits || cost != wantCost {
			t.Fatalf("LenFrom(%d) = %d, %d; want %d, %d", band, units, cost, wantUnits, wantCost)
		}
		if band <= 0 && cost != m.room.Cost() {
			t.Fatalf("Cost = %d, want %d", m.room.Cost(), cost)
		}
		it, h, ok := m.room.Weakest(band)
		want, wantOK := m.ref.weakest(band)
		same(t, "Weakest", it, h, ok, want, wantOK)
	}
	for range 2 {
		it, h, ok := m.room.Peek()
		want, wantOK := m.ref.peek()
		same(t, "Peek", it, h, ok, want, wantOK)
	}
	for _, now := range []mono.Time{mono.Distant, m.now, m.now + 10, mono.Never} {
		it, h, ok := m.room.Expired(now)
		want, wantOK := m.ref.expired(now)
		same(t, "Expired", it, h, ok, want, wantOK)
	}
	at, ok := m.room.Next()
	if want, wantOK := m.ref.next(); at != want || ok != wantOK {
		t.Fatalf("Next = %d, %v; want %d, %v", at, ok, want, wantOK)
	}
	at, ok = m.room.Oldest()
	if ok != (len(m.ref.units) > 0) || ok && at != m.ref.units[0].Arrived {
		t.Fatalf("Oldest = %d, %v", at, ok)
	}
}

func same(t *rapid.T, op string, it queue.Item, h queue.Handle, ok bool, want refUnit, wantOK bool) {
	if ok != wantOK || ok && (it != want.Item || h != want.handle) {
		t.Fatalf("%s = %+v, %d, %v; want %+v, %d, %v", op, it, h, ok, want.Item, want.handle, wantOK)
	}
}

// A room that has grown to its working size allocates nothing.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	room := queue.New(queue.Config{Length: 100})
	var id int32
	cycle := func() {
		for room.Len() < 100 {
			id++
			room.Push(queue.Item{ID: id, Band: int(id % 8), Flow: uint64(id % 31), Cost: 1, Expires: mono.Time(id)})
		}
		for range 30 {
			_, h, _ := room.Peek()
			room.Take(h)
		}
		_, h, _ := room.Weakest(8)
		room.Remove(h)
		_, h, _ = room.Expired(mono.Time(id))
		room.Remove(h)
	}
	for range 100 {
		cycle()
	}
	if n := testing.AllocsPerRun(100, cycle); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRoom(b *testing.B) {
	for _, order := range []struct {
		name string
		queue.Order
	}{{"fifo", queue.FIFO}, {"auto", queue.Auto}} {
		for _, flows := range []uint64{1, 64, 100_000} {
			for _, depth := range []int{1, 1000} {
				b.Run(fmt.Sprintf("order=%s/flows=%d/waiting=%d", order.name, flows, depth), func(b *testing.B) {
					room := queue.New(queue.Config{Length: depth + 1, Order: order.Order})
					now, id := mono.Time(0), int32(0)
					push := func() {
						now += mono.Time(time.Microsecond)
						id++
						room.Push(queue.Item{ID: id, Band: 3, Flow: uint64(id) % flows, Cost: 1, Arrived: now, Expires: now.Add(time.Second)})
					}
					for range depth {
						push()
					}
					b.ReportAllocs()
					for b.Loop() {
						push()
						_, h, _ := room.Peek()
						room.Take(h)
					}
				})
			}
		}
	}
}
