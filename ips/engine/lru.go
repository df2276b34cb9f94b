// SPDX-License-Identifier: Apache-2.0

package engine

// lru is a bounded map that forgets what was not used for longest. Its memory grows with use, up to the bound, and is
// then used over again. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	index map[K]int32
	nodes []lruNode[K, V] // nodes[0] is the ring's anchor: next is the newest, prev the oldest
	limit int
}

type lruNode[K comparable, V any] struct {
	key        K
	prev, next int32
	value      V
}

func newLRU[K comparable, V any](limit int) *lru[K, V] {
	return &lru[K, V]{index: make(map[K]int32), nodes: make([]lruNode[K, V], 1), limit: max(limit, 1)}
}

// get finds a value and makes it the newest; nil if there is none. The pointer is good until the next call of add.
func (c *lru[K, V]) get(key K) *V {
	i, ok := c.index[key]
	if !ok {
		return nil
	}
	if c.nodes[0].next != i {
		c.unlink(i)
		c.link(i)
	}
	return &c.nodes[i].value
}

// peek finds a value and leaves its age alone.
func (c *lru[K, V]) peek(key K) *V {
	if i, ok := c.index[key]; ok {
		return &c.nodes[i].value
	}
	return nil
}

// add makes room for a key that is not there yet. The value is the zero value, or what the evicted key had, for its
// memory to be used again.
func (c *lru[K, V]) add(key K) (value *V, evicted bool) {
	var i int32
	if len(c.nodes) <= c.limit {
		c.nodes = append(c.nodes, lruNode[K, V]{})
		i = int32(len(c.nodes) - 1)
	} else {
		i = c.nodes[0].prev
		delete(c.index, c.nodes[i].key)
		c.unlink(i)
		evicted = true
	}
	c.nodes[i].key = key
	c.index[key] = i
	c.link(i)
	return &c.nodes[i].value, evicted
}

// size is the number of keys.
func (c *lru[K, V]) size() int { return len(c.index) }

func (c *lru[K, V]) unlink(i int32) {
	n := &c.nodes[i]
	c.nodes[n.prev].next = n.next
	c.nodes[n.next].prev = n.prev
}

func (c *lru[K, V]) link(i int32) {
	n := &c.nodes[i]
	n.prev, n.next = 0, c.nodes[0].next
	c.nodes[n.next].prev = i
	c.nodes[0].next = i
}
