// SPDX-License-Identifier: Apache-2.0

package lease

import "time"

// Row is the lease of a group as the database has it.
type Row struct {
	Holder string // the host that may forward; "" nobody yet
	Epoch  int    // raised by every change of the holder, and by every renewal
	Ready  int    // raised by the host that is to take the lease over, when it is ready
	Wanted string // the host that operators want to have it; "" is the first of the group
}

// Times of a group.
type Times struct {
	Lease time.Duration // life of a flow of the table lease, whole seconds
	Renew time.Duration // between two renewals
	Lapse time.Duration // how long an epoch stands before another one may take the lease
}

// Guard is what the switch may need, after the time-out of a flow, until no frame takes it any more. Open vSwitch looks for
// flows that have timed out after each pass of its revalidators, at least every max-revalidator, 500 ms
// (ovs-vswitchd.conf.db(5)); the datapath follows with the next pass. TestFlowsEnd measures it.
const Guard = 750 * time.Millisecond

// TimesOf are the times of a group with a lease of so many seconds. Clocks may differ in speed by one in a hundred.
func TimesOf(lease time.Duration) Times {
	return Times{Lease: lease, Renew: lease / 3, Lapse: lease + lease/50 + Guard}
}

// Kind is what a step does.
type Kind uint8

// The kinds of steps.
const (
	Rest     Kind = iota // nothing, until After has gone by or something is seen
	Arm                  // add a flow of the table lease with a new Token, for Epoch or Epoch+1
	Renew                // write: the own lease goes on
	Claim                // write: a lease that has lapsed is taken
	Ask                  // write: ready to take the lease over
	HandOver             // write: the other one has the lease
	Open                 // add the flow of the table term: Token counts
	Close                // remove the group's flows of both tables, and wait until no frame takes them
)

// Step is what a member does next. One is under way at a time, and Done or Failed ends it.
type Step struct {
	Kind  Kind
	Epoch int           // of Arm and Open; of a write the one that it waits for
	Token uint32        // of Arm and Open, never 0
	Ready int           // that Ask waits for
	After time.Duration // of Rest; 0 is for ever
}

// Writes tells whether the step is a transaction.
func (s Step) Writes() bool { return s.Kind >= Renew && s.Kind <= HandOver }

// Apply makes the row what the step writes. It is not ok when the row is not what the write waits for: nothing is written.
func (s Step) Apply(r Row, self, peer string) (after Row, ok bool) {
	if r.Epoch != s.Epoch {
		return r, false
	}
	switch s.Kind {
	case Renew:
		ok = r.Holder == self
		r.Epoch++
	case Claim:
		ok = r.Holder != self
		r.Holder = self
		r.Epoch++
	case Ask:
		ok = r.Ready == s.Ready && r.Holder != self
		r.Ready++
	case HandOver:
		ok = r.Holder == self
		r.Holder = peer
		r.Epoch++
	}
	return r, ok
}

// Member is one gateway's part in a group. Times are those of its own monotonic clock, from any beginning.
type Member struct {
	self, peer string
	first      bool
	times      Times

	known bool
	row   Row
	moved time.Duration // the epoch was seen to change

	alive   bool          // the other one was seen to be ready
	aliveAt time.Duration // the last time

	armed   int           // Arm was done for this epoch and the next; 0 none
	armedAt time.Duration // it was begun
	proved  bool          // since then a write has been acknowledged that waited for the epoch before
	open    int           // Open was done for this epoch; 0 none
	openAt  time.Duration // Arm was begun for it
	shut    bool          // Close was done since the last Open
	begun   time.Duration // of the step under way
	token   uint32        // of the last Arm
}

// NewMember makes the part of host self in a group of self and peer. first tells that self is the first of the group. Tokens
// count from one that no earlier part of this host has come near.
func NewMember(self, peer string, first bool, t Times, token uint32) Member {
	return Member{self: self, peer: peer, first: first, times: t, token: token}
}

// Look takes in the row as it was seen. A server that lags may show an old one: the writes find out.
func (m *Member) Look(r Row, now time.Duration) {
	if !m.known || r.Epoch != m.row.Epoch || r.Holder != m.row.Holder {
		m.moved = now
	}
	if m.known && r.Ready > m.row.Ready {
		m.alive, m.aliveAt = true, now
	}
	m.known, m.row = true, r
}

// Lost notes that the row is not there, or is another group's.
func (m *Member) Lost() { m.known = false }

// wanted tells whether this one is to have the lease.
func (m *Member) wanted() bool {
	if m.row.Wanted == m.self || m.row.Wanted == m.peer {
		return m.row.Wanted == m.self
	}
	return m.first
}

// Until is when the lease ends for which the switch was told to forward, as it was renewed last; 0: it was not told to.
func (m *Member) Until() time.Duration {
	if m.open == 0 {
		return 0
	}
	return m.openAt + m.times.Lease
}

// Next tells the next step. One that is not fit does not take a lease. One that is nobody's yet is taken by the host that is to
// have it: before there was a group, that one may have forwarded without.
func (m *Member) Next(now time.Duration, fit bool) Step {
	s := m.next(now, fit)
	switch s.Kind {
	case Rest:
		return s
	case Arm:
		m.armed, m.proved = 0, false
		if m.token++; m.token == 0 {
			m.token++
		}
		s.Token = m.token
	case Open:
		s.Token = m.token
	}
	m.begun = now
	return s
}

func (m *Member) next(now time.Duration, fit bool) Step {
	switch {
	case !m.known:
		return Step{}
	case m.row.Holder == m.self:
		return m.hold(now)
	case m.open != 0:
		return Step{Kind: Close}
	case !fit:
		return Step{}
	case now-m.moved >= m.times.Lapse && (m.row.Epoch > 0 || m.wanted()):
		return m.afterArm(Step{Kind: Claim, Epoch: m.row.Epoch}, now)
	case m.wanted() && m.row.Holder == m.peer && !m.asked():
		return m.afterArm(Step{Kind: Ask, Epoch: m.row.Epoch, Ready: m.row.Ready}, now)
	}
	return Step{After: m.moved + m.times.Lapse - now}
}

// asked tells whether the lease was asked for at this epoch.
func (m *Member) asked() bool { return m.proved && m.armed == m.row.Epoch+1 }

// hold is next for who has the lease.
func (m *Member) hold(now time.Duration) Step {
	e := m.row.Epoch
	switch due := m.openAt + m.times.Renew - now; {
	case m.open != e && m.granted(e):
		return Step{Kind: Open, Epoch: e}
	case !m.wanted() && m.alive && now-m.aliveAt <= m.times.Lease && m.shut:
		return Step{Kind: HandOver, Epoch: e}
	case !m.wanted() && m.alive && now-m.aliveAt <= m.times.Lease:
		return Step{Kind: Close}
	case m.open == e && due > 0:
		return Step{After: due}
	}
	return m.afterArm(Step{Kind: Renew, Epoch: e}, now)
}

// granted tells whether the flow of the table lease for the epoch was there before the epoch was.
func (m *Member) granted(epoch int) bool {
	return m.proved && (epoch == m.armed || epoch == m.armed+1)
}

// afterArm is the write, or what has to be done before it.
func (m *Member) afterArm(write Step, now time.Duration) Step {
	if m.armed != write.Epoch+1 || m.proved || now-m.armedAt > m.times.Lease/2 {
		return Step{Kind: Arm, Epoch: write.Epoch + 1}
	}
	return write
}

// Done notes that a step was carried out; of a write, that it was acknowledged.
func (m *Member) Done(s Step, now time.Duration) {
	switch s.Kind {
	case Arm:
		m.armed, m.armedAt = s.Epoch, m.begun
	case Renew, Claim, Ask, HandOver:
		after, ok := s.Apply(m.row, m.self, m.peer)
		if s.Kind != HandOver {
			m.proved = m.armed == s.Epoch+1
		}
		if ok { // else a later row has been seen already
			if s.Kind != Ask {
				m.moved = now
			}
			m.row = after
		}
	case Open:
		m.open, m.openAt, m.shut = s.Epoch, m.armedAt, false
	case Close:
		m.shutDown()
	case Rest:
	}
	if s.Kind == HandOver {
		m.alive, m.shut = false, false
	}
}

// Failed notes that a step did not end well: it may have been carried out, or may be later.
func (m *Member) Failed(s Step) {
	switch s.Kind {
	case Renew, Claim, Ask, HandOver:
		m.armed, m.proved = 0, false
	case Arm, Open, Close, Rest:
	}
	if s.Kind == HandOver || s.Kind == Close {
		m.alive = false
	}
}

func (m *Member) shutDown() {
	m.open, m.armed, m.proved, m.shut = 0, 0, false, true
}
