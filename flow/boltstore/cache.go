package boltstore

import "slices"

// cacheBytes is how much is cached by default.
const cacheBytes = 64 << 20

// A cache keeps the chunks that were written last, whole: what a commit has built
// is kept as it is. Its chunks are never changed.
type cache struct {
	max    int64
	bytes  int64
	chunks map[uint64][]byte
	order  []uint64 // keys as they came; some are gone
}

// add keeps a chunk, and lets go of the oldest ones.
func (c *cache) add(key uint64, b []byte) {
	if int64(cap(b)) > c.max {
		return
	}
	if c.chunks == nil {
		c.chunks = map[uint64][]byte{}
	}
	c.chunks[key] = b
	c.order = append(c.order, key)
	c.bytes += int64(cap(b))
	for c.bytes > c.max {
		c.drop(c.order[0])
		c.order = c.order[1:]
	}
	if len(c.order) > 2*len(c.chunks)+16 {
		c.order = slices.DeleteFunc(c.order, func(key uint64) bool { return c.chunks[key] == nil })
	}
}

func (c *cache) drop(key uint64) {
	if b, ok := c.chunks[key]; ok {
		c.bytes -= int64(cap(b))
		delete(c.chunks, key)
	}
}
