package queue

// An indexHeap is a 4-ary min-heap of small integer ids that also finds, moves
// and removes an id anywhere in it: its positions are stored. Setting and
// removing take logarithmic time; the least entry is entries[0].
type indexHeap struct {
	entries []entry
	pos     []int32 // by id: index into entries, or none
}

// An entry orders its id by key, and equal keys by tie.
type entry struct {
	key int64
	tie uint64
	id  int32
}

func (e entry) before(o entry) bool {
	return e.key < o.key || e.key == o.key && e.tie < o.tie
}

// grow makes room for the ids below n.
func (h *indexHeap) grow(n int) {
	for len(h.pos) < n {
		h.pos = append(h.pos, none)
	}
}

// set inserts the id, or moves it to its new key and tie.
func (h *indexHeap) set(id int32, key int64, tie uint64) {
	e := entry{key, tie, id}
	i := int(h.pos[id])
	if i == none {
		i = len(h.entries)
		h.entries = append(h.entries, e)
	}
	h.settle(i, e)
}

// remove takes the id out, if it is in.
func (h *indexHeap) remove(id int32) {
	i := int(h.pos[id])
	if i == none {
		return
	}
	h.pos[id] = none
	last := len(h.entries) - 1
	e := h.entries[last]
	h.entries = h.entries[:last]
	if i < last {
		h.settle(i, e)
	}
}

// settle puts e at hole i, or above, or below.
func (h *indexHeap) settle(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(h.entries[parent]) {
			break
		}
		h.put(i, h.entries[parent])
		i = parent
	}
	for {
		least := -1
		for c := 4*i + 1; c <= 4*i+4 && c < len(h.entries); c++ {
			if least < 0 || h.entries[c].before(h.entries[least]) {
				least = c
			}
		}
		if least < 0 || !h.entries[least].before(e) {
			break
		}
		h.put(i, h.entries[least])
		i = least
	}
	h.put(i, e)
}

func (h *indexHeap) put(i int, e entry) {
	h.entries[i] = e
	h.pos[e.id] = int32(i)
}
