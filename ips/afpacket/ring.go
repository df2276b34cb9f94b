// SPDX-License-Identifier: Apache-2.0

package afpacket

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	tagLen  = 4  // one 802.1Q tag
	macsLen = 12 // destination and source address, which stand before a tag

	// slotHeader is the most that stands before a frame in its slot: the
	// tpacket2_hdr and the sockaddr_ll, room for a link header of 16 bytes and
	// the reserve, with the kernel's alignment (tpacket_rcv in
	// net/packet/af_packet.c).
	slotHeader = 112
	// blockLen is the length of a block of slots in bytes unless a single slot
	// is longer. The kernel allocates per block; slots do not span blocks.
	blockLen = 128 << 10
	maxSlots = 1 << 20
	// minSlot takes the frames of an ordinary network; maxFrame is beyond the
	// longest that any link has.
	minSlot  = 2048
	maxFrame = 1 << 18
	// batchLen is the most frames handed out at once: enough to share the cost
	// of a system call, few enough to give slots back early.
	batchLen = 64
	// ranLen is how many slots are handed out without a wait before others have
	// their turn, some milliseconds.
	ranLen = 1024
)

// ring is the mapped receive ring, slots of equal length in use order.
type ring struct {
	mem    []byte
	slot   int // length of a slot, a power of two
	count  int
	next   int      // the slot that the kernel fills next for us
	frames [][]byte // the batch that is out
	ran    int      // slots handed out since ReadBatch last waited or gave way
}

// make sets the ring up in the kernel and maps it. It names the step that
// failed.
func (r *ring) make(fd int, o Options) (string, error) {
	if o.Slots > maxSlots || o.MaxFrame > maxFrame {
		return "size ring", fmt.Errorf("%d slots for frames of %d bytes: %w", o.Slots, o.MaxFrame, unix.EINVAL)
	}
	r.slot = minSlot
	for r.slot < o.MaxFrame+slotHeader {
		r.slot *= 2
	}
	block := max(blockLen, r.slot, os.Getpagesize())
	perBlock := block / r.slot
	blocks := (o.Slots + perBlock - 1) / perBlock
	if o.MaxBytes > 0 {
		blocks = max(1, min(blocks, o.MaxBytes/block))
	}
	r.count = blocks * perBlock
	req := unix.TpacketReq{
		Block_size: uint32(block), Block_nr: uint32(blocks),
		Frame_size: uint32(r.slot), Frame_nr: uint32(r.count),
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return "set PACKET_RX_RING", err
	}
	mem, err := unix.Mmap(fd, 0, block*blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return "map ring", err
	}
	r.mem = mem
	r.frames = make([][]byte, 0, min(batchLen, r.count))
	return "", nil
}

func (r *ring) unmap() error {
	if r.mem == nil {
		return nil
	}
	mem := r.mem
	r.mem, r.frames = nil, nil
	return unix.Munmap(mem)
}

// header is the slot's tpacket2_hdr. Its status belongs to both sides and is
// only used atomically; the rest is ours while the status says so.
func (r *ring) header(i int) *unix.Tpacket2Hdr {
	return (*unix.Tpacket2Hdr)(unsafe.Pointer(&r.mem[i*r.slot]))
}

func (r *ring) ready() bool {
	return atomic.LoadUint32(&r.header(r.next).Status)&unix.TP_STATUS_USER != 0
}

// take collects up to a batch of frames from the slots at hand. used is the
// number of slots that release gives back, which may be more than frames.
func (r *ring) take(s *Socket) (used int) {
	r.frames = r.frames[:0]
	for used < cap(r.frames) && used < r.count {
		i := (r.next + used) % r.count
		h := r.header(i)
		status := atomic.LoadUint32(&h.Status)
		if status&unix.TP_STATUS_USER == 0 {
			break
		}
		used++
		if f := s.frame(r.mem[i*r.slot:(i+1)*r.slot:(i+1)*r.slot], h, status); f != nil {
			r.frames = append(r.frames, f)
		}
	}
	return used
}

func (r *ring) release(used int) {
	for range used {
		atomic.StoreUint32(&r.header(r.next).Status, unix.TP_STATUS_KERNEL)
		r.next = (r.next + 1) % r.count
	}
}

// frame gives the frame in a slot as it was on the link, or nil if it is not
// one to hand out.
func (s *Socket) frame(slot []byte, h *unix.Tpacket2Hdr, status uint32) []byte {
	// A kernel that does not know a group's ignore-outgoing flag would hand us
	// our own frames, which must not go round in a circle.
	ll := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&slot[unix.SizeofTpacket2Hdr]))
	if ll.Pkttype == unix.PACKET_OUTGOING {
		return nil
	}
	start, end := int(h.Mac), int(h.Mac)+int(h.Snaplen)
	if h.Snaplen < h.Len || end > len(slot) || start < tagLen || h.Snaplen < macsLen {
		s.truncated.Add(1)
		return nil
	}
	if status&unix.TP_STATUS_CSUMNOTREADY != 0 {
		s.partial.Add(1)
	}
	if status&unix.TP_STATUS_VLAN_VALID != 0 {
		// PACKET_RESERVE has left four bytes: only the addresses move.
		copy(slot[start-tagLen:], slot[start:start+macsLen])
		start -= tagLen
		tpid := uint16(unix.ETH_P_8021Q)
		if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = h.Vlan_tpid
		}
		binary.BigEndian.PutUint16(slot[start+macsLen:], tpid)
		binary.BigEndian.PutUint16(slot[start+macsLen+2:], h.Vlan_tci)
	}
	// The capacity ends with the frame: appending to it cannot run into a
	// neighbour's slot.
	return slot[start:end:end]
}

// ReadBatch waits for frames and hands them to fn, at most a few dozen at once
// and in the order in which they came. The frames lie in the ring: fn may change
// them, and give them to Send, but they are valid only until fn returns. It
// returns nil after one batch, an error for which IsClosed holds after Close,
// and one for which IsLinkGone holds when the link is gone; frames that came
// before that are handed out first. While frames never run out, other goroutines
// have their turn between batches.
func (s *Socket) ReadBatch(fn func(frames [][]byte)) error {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	s.giveWay()
	var failed error
	err := s.conn.Read(func(fd uintptr) bool {
		if s.ring.mem == nil {
			failed = unix.EOPNOTSUPP
			return true
		}
		for s.ring.ready() {
			if s.handOut(fn) {
				return true
			}
		}
		failed = pending(fd)
		return failed != nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return s.fail("read", err)
	}
	return nil
}

// giveWay lets other goroutines have their turn while there are always frames at
// hand and ReadBatch never waits: sendBatch.send tells why nobody else does. To do
// so every time would cost, for the runtime then wakes another thread.
func (s *Socket) giveWay() {
	if s.ring.mem == nil || !s.ring.ready() {
		s.ring.ran = 0
		return
	}
	if s.ring.ran >= ranLen {
		s.ring.ran = 0
		runtime.Gosched()
	}
}

// pending takes the socket's error, of a link that has gone for example, by a raw
// system call like that of sendBatch.send.
func pending(fd uintptr) error {
	var value int32
	size := uint32(unsafe.Sizeof(value))
	if _, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&value)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		return errno
	}
	if value != 0 {
		return unix.Errno(value)
	}
	return nil
}

// handOut gives the slots back whatever fn does, also if it panics, and tells
// whether there was a frame among them.
func (s *Socket) handOut(fn func(frames [][]byte)) bool {
	used := s.ring.take(s)
	s.ring.ran += used
	defer s.ring.release(used)
	if len(s.ring.frames) == 0 {
		return false
	}
	s.received.Add(uint64(len(s.ring.frames)))
	fn(s.ring.frames)
	return true
}

// htons gives v in network byte order, as sockaddr_ll wants its protocol.
func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
