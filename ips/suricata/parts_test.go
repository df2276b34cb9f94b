// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.yaml.in/yaml/v3"

	"ofcontroller/ips/embedded"
)

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"suricata0", "suricata1", "a", "suricata-number-0", "suricata-number-1", "with space", "ünï", ""} {
		ports, peers := PortNames(name), PeerNames(name)
		all := append(ports[:], peers[:]...)
		for _, l := range append(all, embedded.PortName(name), embedded.PeerName(name)) {
			if other, taken := seen[l]; taken || len(l) > 15 || strings.ContainsAny(l, " /:") {
				t.Errorf("%q: link %q (also %q)", name, l, other)
			}
			seen[l] = name
		}
	}
	if got := PortNames("suricata0"); got != [2]string{"ofs-suricata0-0", "ofs-suricata0-1"} {
		t.Errorf("%q", got)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Name: "x", Dir: filepath.Join(shortDir(t), "new", "directory")}
	for _, tc := range []struct {
		what   string
		change func(o *Options)
		wrong  string // "": nothing
	}{
		{"defaults", func(*Options) {}, ""},
		{"no name", func(o *Options) { o.Name = "" }, "without a name"},
		{"no directory", func(o *Options) { o.Dir = "" }, "run directory"},
		{"relative directory", func(o *Options) { o.Dir = "run" }, "absolute"},
		{"long directory", func(o *Options) { o.Dir = "/" + strings.Repeat("d", 100) }, "socket"},
		{"quote", func(o *Options) { o.Dir = `/tmp/"` }, "quotes"},
		{"relative rules", func(o *Options) { o.Rules = []string{"my.rules"} }, "rule file"},
		{"line feed in rules", func(o *Options) { o.Rules = []string{"/my\nrules"} }, "rule file"},
		{"relative include", func(o *Options) { o.Include = "my.yaml" }, "include file"},
		{"threads", func(o *Options) { o.Threads = MaxThreads + 1 }, "threads"},
		{"negative threads", func(o *Options) { o.Threads = -1 }, "threads"},
		{"MTU", func(o *Options) { o.MTU = MaxMTU + 1 }, "MTU"},
		{"memory", func(o *Options) { o.MemoryMax = 1 << 20 }, "memory"},
	} {
		o := good
		tc.change(&o)
		_, err := New(o)
		if tc.wrong == "" && err != nil || tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)) {
			t.Errorf("%s: %v", tc.what, err)
		}
	}
}

func TestCanaryStays(t *testing.T) {
	o := Options{Name: "x", Dir: shortDir(t)}
	secret := func() string {
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		return string(a.Canary())
	}
	first := secret()
	if second := secret(); first != second || len(first) != 2*canaryLen {
		t.Errorf("%q, then %q", first, second)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, canaryFile), []byte(`"; sid:1;)`), 0o600); err != nil {
		t.Fatal(err)
	}
	if third := secret(); third == first || len(third) != 2*canaryLen {
		t.Errorf("%q in the place of a spoilt one", third)
	}
}

func TestConfigurationIsYAML(t *testing.T) {
	a, err := New(Options{Name: "x: {", Dir: shortDir(t), Include: "/etc/mine.yaml", Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	text, err := render(configText, a.settings([]string{"/a/b.rules", "/c d/e.rules"}, 1526, [2]int{4, 6}))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Rules   []string `yaml:"rule-files"`
		Include string
		Packet  []struct {
			Interface, Copy string
			Mode            string `yaml:"copy-mode"`
			Peer            string `yaml:"copy-iface"`
			Threads         int
			Cluster         int `yaml:"cluster-id"`
		} `yaml:"af-packet"`
	}
	if err := yaml.Unmarshal(bytes.TrimPrefix(text, []byte("%YAML 1.1\n")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rules) != 3 || got.Rules[2] != "/c d/e.rules" || got.Include != "/etc/mine.yaml" || len(got.Packet) != 2 {
		t.Errorf("%+v", got)
	}
	for i, p := range got.Packet {
		if p.Interface != PeerNames("x: {")[i] || p.Peer != PeerNames("x: {")[1-i] || p.Mode != "ips" || p.Threads != 3 || p.Cluster != 0x8004+2*i {
			t.Errorf("%+v", p)
		}
	}
}

func TestMemcapsFit(t *testing.T) {
	for _, bound := range []uint64{MinMemoryMax, DefaultMemoryMax, 64 << 30} {
		m := memcaps(bound)
		if all := m.Flow + m.Stream + m.Reassembly + m.Defrag + 2*m.Host + m.HTTP + m.FTP; all > bound*6/10 {
			t.Errorf("%d of %d", all, bound)
		}
	}
}

func TestBypassRules(t *testing.T) {
	file := ruleFile(t,
		`alert tcp any any -> any any (msg:"a"; bypass; sid:1;)`,
		`alert tcp any any -> any any (msg:"b"; bypass ; gid:5; sid:2; rev:1;)`,
		`# alert tcp any any -> any any (msg:"c"; bypass; sid:3;)`,
		`alert tcp any any -> any any (msg:"bypass"; sid:4;)`,
		`alert tcp any any -> any any (msg:"x\; bypass\; y"; sid:5;)`,
		`alert tcp any any -> any any (msg:"d"; \`,
		`  bypass; sid:6;)`,
		`alert tcp any any -> any any (msg:"no sid"; bypass;)`,
		`bypass`)
	set := bypassRules([]string{file, file + "missing"})
	want := map[rule]bool{{1, 1}: true, {5, 2}: true, {1, 6}: true}
	for r := range *set {
		if !want[r] {
			t.Errorf("%+v is no bypass", r)
		}
		delete(want, r)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
}

func TestLogLines(t *testing.T) {
	for _, tc := range []struct {
		line, level, message string
	}{
		{`{"log_level":"Error","engine":{"message":"m","module":"detect"}}`, "error", "m"},
		{`{"log_level":"Warning","engine":{"message":"m"}}`, "warning", "m"},
		{`{"log_level":"Notice","engine":{"message":"m"}}`, "info", "m"},
		{`{"log_level":"Perf","engine":{"message":"m"}}`, "debug", "m"},
		{"Info: ioctl: MTU 1508", "info", "ioctl: MTU 1508"},
		{"Segmentation fault: core", "error", "Segmentation fault: core"},
		{`{"log_level":`, "error", `{"log_level":`},
	} {
		if l := parseLog([]byte(tc.line + "\n")); l.logrus().String() != tc.level || l.message != tc.message {
			t.Errorf("%s: %s %q", tc.line, l.logrus(), l.message)
		}
	}
}

// entries counts what is logged.
type entries struct{ lines []string }

func (e *entries) Levels() []logrus.Level { return logrus.AllLevels }
func (e *entries) Fire(l *logrus.Entry) error {
	e.lines = append(e.lines, l.Message)
	return nil
}

func TestLogIsFollowedAndCut(t *testing.T) {
	hook := new(entries)
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.AddHook(hook)
	f := &follower{path: filepath.Join(t.TempDir(), logFile), log: log}
	now := time.Now()
	f.read(now) // no file yet
	out, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	write := func(text string) {
		t.Helper()
		if _, err := out.WriteString(text); err != nil {
			t.Fatal(err)
		}
		f.read(now)
	}
	write("one\ntw")
	write("o\n\n")
	if fmt.Sprint(hook.lines) != "[one two]" {
		t.Errorf("%q", hook.lines)
	}
	// No more than so many lines a second.
	write(strings.Repeat("line\n", 1000))
	if len(hook.lines) != logPerSec {
		t.Errorf("%d lines", len(hook.lines))
	}
	now = now.Add(time.Minute)
	write(strings.Repeat("x", logCut)) // one line that does not end
	if info, err := out.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the file was not cut: %+v, %v", info, err)
	}
	if words := f.ended(); words == "" || len(words) > lastWords*(maxFaultText+2) {
		t.Errorf("last errors have %d bytes", len(words))
	}
	now = now.Add(time.Minute)
	write("\nthree\n")
	if last := hook.lines[len(hook.lines)-1]; last != "three" {
		t.Errorf("%q", last)
	}
}

func TestFaultsOfATest(t *testing.T) {
	line := func(level, message string) string {
		return fmt.Sprintf("{\"log_level\":%q,\"engine\":{\"message\":%q}}\n", level, message)
	}
	out := line("Warning", "a warning") +
		line("Error", "unknown rule keyword 'x'.") +
		line("Error", `error parsing signature "alert (x;)" from file /my rules/a.rules at line 7`) +
		line("Error", "Failed to parse configuration file at line 3: did not find expected key") +
		line("Error", "something else") +
		line("Error", "Loading signatures failed.")
	want := `/my rules/a.rules:7: unknown rule keyword 'x': alert (x;)
/run/suricata.yaml:3: did not find expected key
something else`
	if got := testFaults([]byte(out), "/run/suricata.yaml").Error(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	many := strings.Repeat(line("Error", "wrong")+line("Error", `error parsing signature "x" from file f at line 1`), 1000)
	if got := testFaults([]byte(many), ""); len(got) != maxFaults+1 {
		t.Errorf("%d faults", len(got))
	}
}

// What is behind the command socket may be anything.
func TestHostileCommandSocket(t *testing.T) {
	for _, tc := range []struct {
		name, answers string
	}{
		{"nothing", ""},
		{"no JSON", "hello\n"},
		{"no return", "{}\n"},
		{"refused version", `{"return":"NOK","message":"wrong version"}` + "\n"},
		{"refused command", `{"return":"OK"}` + "\n" + `{"return":"NOK","message":"unknown"}` + "\n"},
		{"other type", `{"return":"OK"}` + "\n" + `{"return":"OK","message":{"a":1}}` + "\n"},
		{"endless", `{"return":"OK"}` + "\n" + `{"return":"OK","message":"` + strings.Repeat("x", maxAnswer)},
	} {
		path := filepath.Join(shortDir(t), commandSocket)
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, tc.answers)
			_ = c.(*net.UnixConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}()
		var version string
		if err := command(context.Background(), path, "version", patience, &version); err == nil {
			t.Errorf("%s: %q", tc.name, version)
		}
		_ = l.Close()
		<-done
	}
}

// A socket that says nothing ends with the context.
func TestMuteCommandSocket(t *testing.T) {
	path := filepath.Join(shortDir(t), commandSocket)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		if c, err := l.Accept(); err == nil {
			cancel()
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	if err := command(ctx, path, "version", patience, nil); err == nil || ctx.Err() == nil {
		t.Errorf("%v", err)
	}
}
