// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ofcontroller/testenv"
)

// block is one of a shell, or a configuration. In a comment above it stands why it
// is not run here, or what is to be run before it. Blocks of a list are indented.
var block = regexp.MustCompile("(?ms)^(?: *<!-- (not run|before): ([^\n]+) -->\n)?( *)```(sh|yaml)\n(.*?)^ *```$")

// generated parts show commands by themselves, as examples of what can be asked.
var generated = regexp.MustCompile(`(?s)<!-- begin generated.*?<!-- end generated`)

// What ends at SIGINT gets one, and a trace may tell of a frame that is stopped.
var (
	runs    = regexp.MustCompile(`(?m)^ofcontroller run`)
	follows = regexp.MustCompile(`(?m)^(ofcontroller (?:alerts|events) -f)`)
	traces  = regexp.MustCompile(`(?m)^((?:ovs-appctl -t )?ofcontroller trace (?:.*\\\n)*.*)$`)
)

// told is what a text has the reader run or write.
type told struct{ kind, body string }

func blocks(t *testing.T, file string) (list []told) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range block.FindAllStringSubmatch(generated.ReplaceAllString(string(text), ""), -1) {
		mark, what, indent, kind, body := m[1], m[2], m[3], m[4], m[5]
		if mark == "before" {
			list = append(list, told{"sh", what + "\n"})
		}
		if mark != "not run" {
			list = append(list, told{kind, strings.ReplaceAll("\n"+body, "\n"+indent, "\n")[1:]})
		}
	}
	return list
}

// script makes a script of a text: its blocks for a shell one after the other, a
// configuration to the place where it belongs, and after `run` a wait until the
// gateway has converged, as a reader waits.
func script(t *testing.T, file string) string {
	t.Helper()
	var s strings.Builder
	for _, b := range blocks(t, file) {
		switch {
		case b.kind == "sh":
			body := follows.ReplaceAllString(b.body, "interrupted $1")
			s.WriteString(traces.ReplaceAllString(body, "$1 || [ $$? = 1 ]"))
			if runs.MatchString(body) {
				s.WriteString("converged\n")
			}
		case strings.Contains(b.body, "uplinks:"): // the whole of one
			s.WriteString("cat > /etc/ofcontroller/config.yaml <<'END'\n" + b.body + "END\n")
		}
	}
	return s.String()
}

// room is a view of the machine that a script has for itself: the private switch
// where a system's own is, directories to write to that nobody else sees, and the
// program as its package installs it.
type room struct {
	env *testenv.Env
}

const roomText = `set -eu
unset OVS_RUNDIR OVS_DBDIR OVS_SYSCONFDIR OVS_LOGDIR
mount --make-rprivate /
cd /
mkdir -p /run/openvswitch
mount --bind "$1" /run/openvswitch
mount -t tmpfs tmpfs /tmp
for d in etc var usr; do
  mkdir -p /tmp/.$d/upper /tmp/.$d/work
  mount -t overlay -o lowerdir=/$d,upperdir=/tmp/.$d/upper,workdir=/tmp/.$d/work overlay /$d
done
mkdir -p /run/netns /run/ofcontroller
mount -t tmpfs tmpfs /run/netns
mount -t tmpfs tmpfs /run/ofcontroller
cp -r /run/openvswitch/installed/. /
export PATH=/usr/bin:$PATH GORACE=atexit_sleep_ms=0
converged() {
  local -; set +x
  n=0; until ofcontroller status | grep -q '^converged *yes'; do n=$((n+1)); test $n -lt 300; sleep 0.1; done
}
interrupted() { # ... when it has begun to print
  local -; set +x
  rm -f /tmp/printed
  "$@" > /tmp/printed &
  n=0; until test -s /tmp/printed; do n=$((n+1)); test $n -lt 300; sleep 0.1; done
  kill -INT $!
  wait $!
}
`

// newRoom brings a room with a bridge, unless its name is empty.
func newRoom(t *testing.T, bridge string) *room {
	t.Helper()
	var options []testenv.Option
	if bridge != "" {
		options = append(options, testenv.WithBridge(bridge))
	}
	r := &room{env: testenv.New(t, options...)}
	ctl := r.env.Controller(t, "bad: true\n") // builds the program
	if _, err := ctl.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	args := ctl.Command(t.Context()).Args
	for from, to := range map[string]string{
		args[len(args)-3]:                    "usr/bin/ofcontroller",
		"../docs/examples/rules/local.rules": "etc/ofcontroller/rules/local.rules",
		"../packaging/config.yaml":           "usr/share/doc/ofcontroller/examples/config.yaml",
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(r.env.Dir(), "installed", to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// do runs a script, which has to end well, and returns what it prints.
func (r *room) do(t *testing.T, script string) string {
	t.Helper()
	file := filepath.Join(r.env.Dir(), "script.sh")
	writeFile(t, file, roomText+"set -m -x\n"+script)
	cmd := r.env.Command(t.Context(), "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", file, r.env.Dir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

// standIns are programs that there is nothing for here to work on. systemctl does
// of a service what the unit of ofcontroller asks for, and nothing for others.
const standIns = `for p in apt apt-get editor vi qemu-system-x86_64; do
  printf '#!/bin/sh\n' > /usr/local/bin/$p
  chmod +x /usr/local/bin/$p
done
cat > /usr/local/bin/systemctl <<'END'
#!/bin/bash
[[ " $* " == *" ofcontroller "* ]] || exit 0
pid=$(cat /run/ofcontroller/service.pid 2>/dev/null)
end() { [ -z "$pid" ] || { kill "$pid"; tail --pid="$pid" -f /dev/null; }; rm -f /run/ofcontroller/service.pid; }
begin() {
  setsid ofcontroller run > /run/ofcontroller/log 2>&1 < /dev/null &
  echo $! > /run/ofcontroller/service.pid
  for n in $(seq 300); do ofcontroller status | grep -q '^connected *yes' && return; sleep 0.1; done 2>/dev/null
  cat /run/ofcontroller/log
  exit 1
}
case "$1" in
enable) [ -n "$pid" ] || begin ;;
restart) end; begin ;;
reload) ofcontroller reload ;;
disable) end ;;
*) exit 1 ;;
esac
END
chmod +x /usr/local/bin/systemctl
export PATH=/usr/local/bin:$PATH
mkdir -p /var/log/ofcontroller /var/lib/suricata/rules
echo 'drop tcp any any -> any 23 (msg:"Telnet"; sid:1;)' > /var/lib/suricata/rules/suricata.rules
for p in eth1 eth2 eth3 vnet0 trunk0 guest1; do
  ip link add $p type veth peer name far-$p
  ip link set $p up
  ip link set far-$p up
done
for p in eth1 vnet0 trunk0 guest1; do ovs-vsctl add-port br0 $p; done
`

// running is a gateway for texts that ask one.
const running = `cat > /etc/ofcontroller/config.yaml <<'END'
bridge: {name: br0}
uplinks: [{port: eth1}]
trunks: [{port: vnet0, vlans: [0, 20]}, {port: trunk0, vlans: [10]}, {port: guest1, vlans: [30], native_vlan: 30}]
inspection:
  attachments: [{name: builtin, kind: embedded, rules: [/etc/ofcontroller/rules/local.rules]}]
END
cp /etc/ofcontroller/config.yaml /etc/ofcontroller/next.yaml
systemctl enable --now ofcontroller
converged
`

// TestToldCommands runs what the texts tell the reader to run, on a bridge as
// they take it to be there. Texts of one line share a gateway.
func TestToldCommands(t *testing.T) {
	t.Parallel()
	const docs = "../docs/"
	rows := []struct {
		name, before string
		files        []string
	}{
		{"looking", running, []string{"tutorial.md", "events.md", "commands.md", "health.md", "registers.md", "reliability.md", "suricata.md", "howto/upgrade.md"}},
		{"README", "", []string{"../README.md"}},
		{"service", "", []string{"service.md"}},
		{"migrate", "", []string{"howto/migrate.md"}},
		{"appliance", running, []string{"howto/appliance.md"}},
		{"KVM", running, []string{"howto/kvm.md"}},
		{"Suricata", running, []string{"howto/suricata.md"}},
		{"VLANs", running, []string{"howto/vlans.md"}},
	}
	all := []string{"quick-start.md"} // has a test of its own
	for _, row := range rows {
		all = append(all, row.files...)
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			text := standIns + row.before
			for _, file := range row.files {
				text += script(t, docs+file)
			}
			newRoom(t, "br0").do(t, text)
		})
	}
	for _, pattern := range []string{"*.md", "howto/*.md"} {
		files, err := filepath.Glob(docs + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no texts: %v", err)
		}
		for _, file := range files {
			shell := func(b told) bool { return b.kind == "sh" }
			if name := strings.TrimPrefix(file, docs); !slices.Contains(all, name) && slices.ContainsFunc(blocks(t, file), shell) {
				t.Errorf("%s has commands that no test runs", name)
			}
		}
	}
}
