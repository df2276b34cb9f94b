// SPDX-License-Identifier: Apache-2.0

package flows

// Priorities and time-out of TableFull.
const (
	PriorityFull = 100
	prioWayIn    = 50
	FullTimeout  = 1 // seconds until a port at its limit is asked again
)

// limits keeps a storm of new sources from the actions that learn, once their
// port is at its limit. Such an action counts what it has learned, a flow at a
// time, before it finds that there is no room: with 1,024 addresses that is half
// the cost of a new source. And it makes the switch match on the source, so that
// each one is a datapath flow of its own. So the switch notes in TableFull that
// the port is full, for a second: until then no source of it is looked at.
//
// Frames come here by TableFull, on the way in for TableIngress and on the way
// back for TableLearn. What is noted has in_port too, which tells the two apart:
// it is the ingress port on the way in only.
func (b *builder) limits() {
	for _, t := range b.presentTrunks() {
		if b.inSeveral(t) {
			b.add(Flow{
				Table: TableFull, Priority: prioWayIn, Cookie: NewCookie(CatLimit, t.OFPort),
				Match: Match{InPort: t.OFPort}, Goto: TableIngress,
			})
		}
	}
	b.add(Flow{Table: TableFull, Cookie: NewCookie(CatLimit, 0), Goto: TableLearn})
	b.add(Flow{
		Table: TableLimit, Priority: 100, Cookie: NewCookie(CatLimit, 0),
		Match: Match{Regs: regs(regLearned().equals(0))},
		Actions: []Action{Learn{
			Table: TableFull, Priority: PriorityFull, HardTimeout: FullTimeout, Cookie: NewCookie(CatFull, 0),
			Specs: []Spec{{Src: inPortAll(), Dst: inPortAll()}, {Src: regIngress(), Dst: regIngress()}},
		}},
	})
}

// limited gives the actions that learn within the limit of a port.
func (b *builder) limited(l Learn) []Action {
	l.Limit, l.Result = b.MACLimitPerPort, regLearned()
	return []Action{l, Resubmit{Table: TableLimit}}
}
