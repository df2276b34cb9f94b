// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// inDir writes text as gw.yaml into a directory of its own and works there.
func inDir(t *testing.T, text string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("gw.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// flagSet has flags of several types, some of them named after keys, with defaults that must not count.
func flagSet(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.String("config", "gw.yaml", "")
	flags.String("log.level", "debug", "")
	flags.String("bridge.name", "br9", "")
	flags.Bool("bridge.create", true, "")
	flags.Int("forwarding.mac_limit", 7, "")
	flags.Duration("forwarding.mac_aging", time.Minute, "")
	flags.StringSlice("uplinks", nil, "")
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags
}

func TestLayers(t *testing.T) {
	const text = least + "log: {level: warning}\nbridge: {name: gw0}\nforwarding: {mac_limit: 50}\n"
	for _, tc := range []struct {
		name string
		env  map[string]string
		args []string
		want func(*Config) // what differs from the file
	}{
		{name: "file alone"},
		{name: "environment", env: map[string]string{"OFCONTROLLER_LOG_LEVEL": "error"}, want: func(c *Config) { c.Log.Level = "error" }},
		{name: "flag", args: []string{"--log.level=debug"}, want: func(c *Config) { c.Log.Level = "debug" }},
		{name: "flag over environment", env: map[string]string{"OFCONTROLLER_LOG_LEVEL": "error"}, args: []string{"--log.level=debug"}, want: func(c *Config) { c.Log.Level = "debug" }},
		{name: "key that the file lacks", env: map[string]string{"OFCONTROLLER_LOG_FORMAT": "json"}, want: func(c *Config) { c.Log.Format = "json" }},
		{name: "section that the file lacks", env: map[string]string{"OFCONTROLLER_LOCAL_VLAN": "10"}, want: func(c *Config) { c.Local.VLAN = 10 }},
		{name: "deep key", env: map[string]string{"OFCONTROLLER_INSPECTION_PROBE_DOWN_AFTER": "9"}, want: func(c *Config) { c.Inspection.Probe.DownAfter = 9 }},
		{name: "text that looks like a number", env: map[string]string{"OFCONTROLLER_BRIDGE_NAME": "17"}, want: func(c *Config) { c.Bridge.Name = "17" }},
		{name: "text that looks like nothing", env: map[string]string{"OFCONTROLLER_BRIDGE_NAME": "null"}, want: func(c *Config) { c.Bridge.Name = "null" }},
		{name: "set to nothing", env: map[string]string{"OFCONTROLLER_OPENFLOW": ""}},
		{name: "other variables", env: map[string]string{"OFCONTROLLER": "x", "BRIDGE_NAME": "x", "LOG_LEVEL": "x"}},
		{
			name: "flags with types of their own", args: []string{"--bridge.create", "--forwarding.mac_limit=60", "--forwarding.mac_aging=90s", "--uplinks=eth7"},
			want: func(c *Config) {
				c.Bridge.Create, c.Forwarding.MACLimit, c.Forwarding.MACAging = true, 60, 90*time.Second
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inDir(t, text)
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			got, err := Load("gw.yaml", flagSet(t, tc.args...))
			if err != nil {
				t.Fatalf("Load: %v", err)
			}
			want := mustParse(t, text)
			if tc.want != nil {
				tc.want(want)
			}
			if diff := cmp.Diff(want, got, comparePrefix); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayerFaults(t *testing.T) {
	for _, tc := range []struct {
		name string
		text string
		env  map[string]string
		args []string
		want []string
	}{
		{"number", least, map[string]string{"OFCONTROLLER_FORWARDING_MAC_LIMIT": "many"}, nil, []string{
			`environment OFCONTROLLER_FORWARDING_MAC_LIMIT:0: forwarding.mac_limit: is the text "many", a number 1-1000000, without quotes`,
		}},
		{"truth", least, map[string]string{"OFCONTROLLER_BRIDGE_CREATE": "1"}, nil, []string{
			`environment OFCONTROLLER_BRIDGE_CREATE:0: bridge.create: is the number 1, true or false`,
		}},
		{"nothing", least, map[string]string{"OFCONTROLLER_FORWARDING_MAC_AGING": ""}, nil, []string{
			`environment OFCONTROLLER_FORWARDING_MAC_AGING:0: forwarding.mac_aging: is empty, a duration 1s to 65535s in whole seconds`,
		}},
		{"flag", least, nil, []string{"--log.level=loud"}, []string{
			`flag --log.level:0: log.level: is "loud", one of debug, info, warning, error`,
		}},
		{"flag over a right variable", least, map[string]string{"OFCONTROLLER_LOG_LEVEL": "info"}, []string{"--log.level="}, []string{
			`flag --log.level:0: log.level: is "", one of debug, info, warning, error`,
		}},
		{"unknown variable", least, map[string]string{"OFCONTROLLER_COLOUR": "red"}, nil, []string{
			`environment OFCONTROLLER_COLOUR:0: (unknown key): no key has this variable, unset it; the variable of bridge.name is OFCONTROLLER_BRIDGE_NAME`,
		}},
		{"misspelled variable", least, map[string]string{"OFCONTROLLER_BRIDGE_NMAE": "br0"}, nil, []string{
			`environment OFCONTROLLER_BRIDGE_NMAE:0: (unknown key): no key has this variable, did you mean OFCONTROLLER_BRIDGE_NAME?`,
		}},
		{"variable of a list", least, map[string]string{"OFCONTROLLER_UPLINKS": "eth1"}, nil, []string{
			`environment OFCONTROLLER_UPLINKS:0: (unknown key): no key has this variable, unset it; the list uplinks is given in the file`,
		}},
		{"contradiction between layers", least, map[string]string{"OFCONTROLLER_BRIDGE_NAME": "eth1"}, nil, []string{
			`gw.yaml:1: uplinks[0].port: "eth1" is named by bridge.name (environment OFCONTROLLER_BRIDGE_NAME) too, a port of its own`,
		}},
		{"the layer is what contradicts", least + "local: {enabled: false}\n", map[string]string{"OFCONTROLLER_LOCAL_VLAN": "5"}, nil, []string{
			`environment OFCONTROLLER_LOCAL_VLAN:0: local.vlan: is 5, but local.enabled (line 4) is false, enabled: true, or no vlan`,
		}},
		{"layer before file", least + "control: x\n", map[string]string{"OFCONTROLLER_LOG_LEVEL": "x", "OFCONTROLLER_A": "b"}, nil, []string{
			`environment OFCONTROLLER_A:0: (unknown key): no key has this variable, unset it; the variable of bridge.name is OFCONTROLLER_BRIDGE_NAME`,
			`environment OFCONTROLLER_LOG_LEVEL:0: log.level: is "x", one of debug, info, warning, error`,
			`gw.yaml:4: control: "x": path is not absolute, an absolute path of at most 107 bytes`,
		}},
		{"no document", "", map[string]string{"OFCONTROLLER_LOG_LEVEL": "info"}, nil, []string{
			`gw.yaml:1: (document): is empty, a mapping with the keys of the configuration`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inDir(t, tc.text)
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			c, err := Load("gw.yaml", flagSet(t, tc.args...))
			var faults Faults
			if !errors.As(err, &faults) || c != nil {
				t.Fatalf("got %v and error %v, want Faults alone", c, err)
			}
			if diff := cmp.Diff(tc.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryScalarIsBound gives every scalar key a value that none takes, once by its variable and once by a flag.
func TestEveryScalarIsBound(t *testing.T) {
	paths, _ := bindable()
	for _, layer := range []string{"environment", "flag"} {
		t.Run(layer, func(t *testing.T) {
			inDir(t, least)
			flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
			want := map[string]string{}
			for _, path := range paths {
				if layer == "flag" {
					flags.String(path, "", "")
					if err := flags.Set(path, "\x01"); err != nil {
						t.Fatal(err)
					}
					want["flag --"+path] = path
				} else {
					t.Setenv(envName(path), "\x01")
					want["environment "+envName(path)] = path
				}
			}
			_, err := Load("gw.yaml", flags)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("error %v, want Faults", err)
			}
			got := map[string]string{}
			for _, f := range faults {
				got[f.File] = f.Key
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadWithoutFlags(t *testing.T) {
	inDir(t, least)
	if _, err := Load("gw.yaml", nil); err != nil {
		t.Errorf("Load: %v", err)
	}
}

func TestLoadUnreadable(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Load("none.yaml", nil)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("error %v, want one that names none.yaml and wraps fs.ErrNotExist", err)
	}
	var faults Faults
	if _, err = Load("dir", nil); err == nil || errors.As(err, &faults) {
		t.Errorf("a directory: error %v, want one that is not Faults", err)
	}
}
