// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// How long a connection may be silent before its next packet counts as a new one. Suricata's defaults (flow-timeouts in
// suricata.yaml) for TCP; a dropped connection is forgotten as early as a closed one.
const (
	idleEstablished = time.Hour
	idleOpening     = time.Minute
	idleClosed      = time.Minute
	idleDatagram    = 5 * time.Minute
)

// maxShards is how many locks the connection table has, so that workers seldom wait for one another.
const maxShards = 64

// connKey names a connection, the same for both directions: the end with the lesser address and port comes first.
type connKey struct {
	addr  [2][16]byte
	port  [2]uint16
	inner uint32 // VIDs of the inner tags
	vlan  uint16
	proto uint8
	ipv6  bool
}

// conn is what is remembered of a connection. Index 0 and 1 of its arrays are the ends in the order of the key.
type conn struct {
	id     uint64
	last   int64 // time of the last packet, in nanoseconds since 1970
	client uint8 // index of the end that opened the connection
	state  connState
	met    bool // a TCP connection that was established once
	seen   [2]bool
	fin    [2]bool
	origin [2]uint8 // PCP of the carrier tag of each end's frames

	dropped, bypassed bool

	tails [2]*tail
}

// connState is the state of a TCP connection; other protocols stay in stateNew.
type connState uint8

const (
	stateNew         connState = iota
	stateSYN                   // the client's SYN was seen
	stateEstablished           // a segment without SYN was seen, behind a handshake or in midstream
	stateClosed                // RST, or FIN of both sides
)

// idle is how long the connection may be silent.
func (c *conn) idle(proto uint8) time.Duration {
	switch {
	case proto != protoTCP:
		return idleDatagram
	case c.dropped || c.state == stateClosed:
		return idleClosed
	case c.state == stateEstablished:
		return idleEstablished
	}
	return idleOpening
}

// connTable is the connections that went by, in shards of their own locks.
type connTable struct {
	seed   maphash.Seed
	base   uint64
	nextID atomic.Uint64
	evict  atomic.Uint64
	shards []connShard
}

type connShard struct {
	mu    sync.Mutex
	conns *lru[connKey, conn]
	_     [64]byte // keeps the locks of two shards out of one cache line
}

func newConnTable(limit int) *connTable {
	shards := maxShards
	for shards > 1 && limit/shards < 16 {
		shards /= 2
	}
	t := &connTable{seed: maphash.MakeSeed(), base: rand.Uint64(), shards: make([]connShard, shards)}
	for i := range t.shards {
		t.shards[i].conns = newLRU[connKey, conn](limit / shards)
	}
	return t
}

// keyOf makes a packet's key; from is the index of the packet's sender in it.
func keyOf(p *packet) (key connKey, from uint8) {
	m := &p.meta
	src, dst := m.Src.Addr().As16(), m.Dst.Addr().As16()
	sport, dport := m.Src.Port(), m.Dst.Port()
	order := bytes.Compare(src[:], dst[:])
	if order > 0 || order == 0 && sport > dport {
		from = 1
	}
	key = connKey{inner: p.inner, vlan: m.VLAN, proto: m.Proto, ipv6: p.ipv6}
	key.addr[from], key.addr[1-from] = src, dst
	key.port[from], key.port[1-from] = sport, dport
	return key, from
}

// shard is where a key lives.
func (t *connTable) shard(key *connKey) *connShard {
	return &t.shards[maphash.Comparable(t.seed, *key)%uint64(len(t.shards))]
}

// track takes a packet into its connection and tells what was known of it. carry is memory for the bytes of the TCP
// stream before the packet, of which it returns what is known; none are kept when it has no capacity.
func (t *connTable) track(p *packet, frame []byte, now time.Time, carry []byte) (carried []byte, dropped, bypassed bool) {
	key, from := keyOf(p)
	s := t.shard(&key)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conns.get(key)
	if c == nil {
		var evicted bool
		if c, evicted = s.conns.add(key); evicted {
			t.evict.Add(1)
		}
		t.open(c, p, from)
	} else if t.stale(c, p, now) {
		t.open(c, p, from)
	}
	c.last = now.UnixNano()
	c.seen[from] = true
	c.origin[from] = p.meta.Origin
	established := c.seen[0] && c.seen[1]
	if p.meta.Proto == protoTCP {
		c.segment(p.meta.TCPFlags, from)
		established = c.met
		carried = c.join(p, frame[p.payload:p.end], from, carry)
	}
	p.meta.FlowID = c.id
	p.meta.ToServer = from == c.client
	p.meta.Established = established
	p.meta.PeerOrigin = peerOrigin(p.meta.Origin)
	if c.seen[1-from] {
		p.meta.PeerOrigin = c.origin[1-from]
	}
	return carried, c.dropped, c.bypassed
}

// stale tells whether a packet belongs to a new connection between the same ends.
func (t *connTable) stale(c *conn, p *packet, now time.Time) bool {
	if now.UnixNano()-c.last > int64(c.idle(p.meta.Proto)) {
		return true
	}
	return p.meta.Proto == protoTCP && c.state == stateClosed && !c.dropped && p.meta.TCPFlags&(tcpSYN|tcpACK) == tcpSYN
}

// open begins a connection in c. Its client is who sent the SYN or, in midstream, the first packet; a SYN with ACK comes
// from the server.
func (t *connTable) open(c *conn, p *packet, from uint8) {
	tails := c.tails
	*c = conn{id: mix(t.base+t.nextID.Add(1)) >> 11, client: from, tails: tails}
	if c.id == 0 {
		c.id = 1
	}
	for _, tail := range tails {
		if tail != nil {
			tail.n = 0
		}
	}
	if p.meta.Proto == protoTCP && p.meta.TCPFlags&(tcpSYN|tcpACK) == tcpSYN|tcpACK {
		c.client = 1 - from
	}
}

// segment moves a TCP connection on.
func (c *conn) segment(flags uint8, from uint8) {
	switch {
	case flags&tcpRST != 0:
		c.state = stateClosed
		return
	case c.state == stateClosed:
		return
	case flags&tcpSYN != 0:
		c.state = max(c.state, stateSYN)
	default:
		c.state, c.met = stateEstablished, true
	}
	if flags&tcpFIN != 0 {
		c.fin[from] = true
	}
	if c.fin[0] && c.fin[1] {
		c.state = stateClosed
	}
}

// mark notes that a packet's connection is dropped or bypassed from now on.
func (t *connTable) mark(p *packet, dropped, bypassed bool) {
	key, _ := keyOf(p)
	s := t.shard(&key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.conns.peek(key); c != nil && c.id == p.meta.FlowID {
		c.dropped = c.dropped || dropped
		c.bypassed = c.bypassed || bypassed
	}
}

// size is the number of connections.
func (t *connTable) size() uint64 {
	var n int
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += s.conns.size()
		s.mu.Unlock()
	}
	return uint64(n)
}

// mix is the finalizer of SplitMix64: it makes neighbouring numbers look unrelated.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// peerOrigin is the origin that answers to a frame most likely have.
func peerOrigin(origin uint8) uint8 {
	switch origin {
	case originUplink:
		return originTrunk
	case originTrunk, originLocal:
		return originUplink
	}
	return origin
}

// Origins in the PCP of the carrier tag.
const (
	originUplink = 1
	originTrunk  = 2
	originLocal  = 3
)
