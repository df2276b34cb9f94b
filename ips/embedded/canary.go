// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"ofcontroller/ips/rules"
)

// canary is what the built-in rules look for: random text, so that no guest can
// guess it.
type canary struct{ canary, twin string }

// newCanary makes both texts and the rules for them. The rules are judged before
// those of the operator and for probes alone (engine.Options.BuiltIn), so that
// none of these can make them fail, and they affect no frame of the network.
func newCanary() (canary, *rules.Set, error) {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return canary{}, nil, fmt.Errorf("make canary: %w", err)
	}
	c := canary{hex.EncodeToString(secret[:16]), hex.EncodeToString(secret[16:])}
	set, err := rules.Parse("built-in", fmt.Appendf(nil, `
drop udp 192.0.2.1 any -> 192.0.2.2 9999 (msg:"OFCONTROLLER canary"; content:"%s"; noalert; sid:1;)
pass udp 192.0.2.1 any -> 192.0.2.2 9999 (msg:"OFCONTROLLER canary's twin"; content:"%s"; noalert; sid:2;)
`, c.canary, c.twin))
	if err != nil {
		return canary{}, nil, fmt.Errorf("make canary: %w", err)
	}
	return c, set, nil
}

// Canary is the text that a built-in rule drops in a probe that is a UDP packet
// from 192.0.2.1 to 192.0.2.2 port 9999.
func (a *Attachment) Canary() []byte { return []byte(a.canary.canary) }

// Twin is a text that passes there.
func (a *Attachment) Twin() []byte { return []byte(a.canary.twin) }
