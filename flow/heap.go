package flow

// An order compares elements of a heap, and tells each where it is.
type order[T any] interface {
	less(a, b T) bool
	place(t T, i int32)
}

// A heap is a binary heap whose elements know their positions, so that any can
// be removed: O(log n) for all operations. The zero heap is empty.
type heap[T any, O order[T]] struct{ s []T }

func (h *heap[T, O]) len() int { return len(h.s) }

func (h *heap[T, O]) top() T { return h.s[0] }

func (h *heap[T, O]) push(t T) {
	h.s = append(h.s, t)
	h.up(len(h.s) - 1)
}

func (h *heap[T, O]) remove(i int32) {
	var o O
	last := len(h.s) - 1
	o.place(h.s[i], -1)
	moved := h.s[last]
	var zero T
	h.s[last] = zero
	h.s = h.s[:last]
	if int(i) == last {
		return
	}
	h.s[i] = moved
	if !h.up(int(i)) {
		h.down(int(i))
	}
	if cap(h.s) > 64 && len(h.s) < cap(h.s)/4 {
		h.s = append(make([]T, 0, cap(h.s)/2), h.s...)
	}
}

// up reports whether the element has moved.
func (h *heap[T, O]) up(i int) bool {
	var o O
	start, t := i, h.s[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !o.less(t, h.s[parent]) {
			break
		}
		h.s[i] = h.s[parent]
		o.place(h.s[i], int32(i))
		i = parent
	}
	h.s[i] = t
	o.place(t, int32(i))
	return i != start
}

func (h *heap[T, O]) down(i int) {
	var o O
	t := h.s[i]
	for {
		child := 2*i + 1
		if child >= len(h.s) {
			break
		}
		if child+1 < len(h.s) && o.less(h.s[child+1], h.s[child]) {
			child++
		}
		if !o.less(h.s[child], t) {
			break
		}
		h.s[i] = h.s[child]
		o.place(h.s[i], int32(i))
		i = child
	}
	h.s[i] = t
	o.place(t, int32(i))
}
