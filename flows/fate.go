// SPDX-License-Identifier: Apache-2.0

package flows

// Fate is what becomes of the frames that a flow counts.
type Fate uint8

// The fates. A frame is counted once under FrameIn, and once more for each
// thing that happens to it later.
const (
	NotCounted    Fate = iota
	FrameIn            // came in, by origin and port
	Inspected          // handed to an attachment, by origin
	Returned           // came back from an attachment, by origin; of no origin: the IPS made it
	PolicyBypass       // forwarded uninspected by the policy
	PolicyDrop         // dropped by the policy
	OffloadBypass      // of a connection that an engine need not see any more, forwarded uninspected
	OffloadBlock       // of a connection that an engine drops, dropped by the switch
	FailureBypass      // no attachment was up, forwarded uninspected
	FailureDrop        // no attachment was up, dropped
	Refused            // dropped, by reason
	Unlearned          // the source's port is not known, or could not be learned
)

// Count is what a flow counts. It can be a key.
type Count struct {
	Fate   Fate
	Origin Origin     // of FrameIn, Inspected and Returned
	Port   uint32     // of FrameIn: OpenFlow port
	Reason DropReason // of Refused
}

// Counts says what the flow's counters tell. Flows that a frame passes on its
// way without anything being decided are NotCounted.
func (f Flow) Counts() Count {
	switch f.Cookie.Category() {
	case CatClassify:
		if f.Goto == TableAdmit || f.Goto == TableSender {
			return Count{Fate: FrameIn, Origin: f.marks(), Port: f.Cookie.Object()}
		}
	case CatPolicy:
		switch f.Goto {
		case TableForward:
			return Count{Fate: PolicyBypass}
		case 0:
			return Count{Fate: PolicyDrop}
		}
	case CatDispatch:
		if o := Origin(f.Cookie.Object()); o != OriginNone {
			return Count{Fate: Inspected, Origin: o}
		}
	case CatFailure:
		if f.Goto == TableForward {
			return Count{Fate: FailureBypass}
		}
		return Count{Fate: FailureDrop}
	case CatReturn:
		return Count{Fate: Returned, Origin: f.marks()}
	case CatDrop:
		return Count{Fate: Refused, Reason: DropReason(f.Cookie.Object())}
	case CatUnlearned:
		return Count{Fate: Unlearned}
	case CatBypass, CatBlock:
		return f.Cookie.Counts()
	}
	return Count{}
}

// Counts says what the counters of an offload's flow tell; it is NotCounted for
// the cookies of other flows, which tell too little.
func (c Cookie) Counts() Count {
	switch {
	case !c.Offloaded():
		return Count{}
	case c.Category() == CatBypass:
		return Count{Fate: OffloadBypass}
	}
	return Count{Fate: OffloadBlock}
}

// Counting tells whether flows with the cookie may count frames, without those
// of offloads: of all others Counts is NotCounted.
func (c Cookie) Counting() bool {
	if !c.Ours() {
		return false
	}
	switch c.Category() {
	case CatClassify, CatPolicy, CatDispatch, CatFailure, CatReturn, CatDrop, CatUnlearned:
		return true
	}
	return false
}

// marks is the origin that the flow writes to the register.
func (f Flow) marks() Origin {
	for _, a := range f.Actions {
		if l, ok := a.(Load); ok && l.Dst == regOrigin() {
			return Origin(l.Value)
		}
	}
	return OriginNone
}
